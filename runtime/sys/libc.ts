/**
 * The few functions of the C library that Node lacks, called through koffi.
 *
 * koffi is loaded on the first call of {@link libc}, once a thread (about 10 ms and, with the sizes below, 0.4 MB), so that
 * importing this file costs nothing. Every function is synchronous: use it for calls that return at once. Descriptors opened here
 * are unknown to Node: close them in the same turn, or hand them to a Node handle (`dgram`), which closes them when a thread ends.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { SystemCallError } from '../errors.ts';

/** Signatures as in section 2 of the manual; sizes and return values are numbers, -1 means: see {@link errnoName}. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  bind(fd: number, address: Uint8Array, sizeBytes: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, sizeBytes: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, sizeBytesInOut: Uint8Array): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    sizeBytes: number,
    flags: number,
    address: Uint8Array | null,
    addressBytes: number,
  ): number;
  recv(fd: number, buffer: Uint8Array, sizeBytes: number, flags: number): number;
  recvfrom(
    fd: number,
    buffer: Uint8Array,
    sizeBytes: number,
    flags: number,
    address: Uint8Array,
    addressBytesInOut: Uint8Array,
  ): number;
  read(fd: number, buffer: Uint8Array, sizeBytes: number): number;
  write(fd: number, bytes: Uint8Array, sizeBytes: number): number;
  /** @param argument a structure to read or fill; for requests that take a number see {@link ioctlNumber} */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  ioctlNumber(fd: number, request: number, argument: number): number;
  /** @param timeoutMs longest wait [ms]; -1 for ever */
  poll(pollfds: Uint8Array, count: number, timeoutMs: number): number;
  ppoll(pollfds: Uint8Array, count: number, timeout: Uint8Array | null, signals: null): number;
  /** @returns the interface's index, or 0 */
  if_nametoindex(name: string): number;
  sched_setscheduler(tid: number, policy: number, param: Uint8Array): number;
  sched_getscheduler(tid: number): number;
  sched_getparam(tid: number, param: Uint8Array): number;
  sched_yield(): number;
  flock(fd: number, operation: number): number;
  dup2(fd: number, wantedFd: number): number;
  dup3(fd: number, wantedFd: number, flags: number): number;
  epoll_create1(flags: number): number;
  /** @param event struct epoll_event */
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  /** @param timespec 16 bytes */
  clock_gettime(clock: number, timespec: Uint8Array): number;
  timerfd_create(clock: number, flags: number): number;
  /** @param spec struct itimerspec, 32 bytes */
  timerfd_settime(fd: number, flags: number, spec: Uint8Array, old: null): number;
  mkfifo(path: string, mode: number): number;
  memfd_create(name: string, flags: number): number;
  /** @param command LINUX_REBOOT_CMD_… of reboot(2) */
  reboot(command: number): number;
  _exit(status: number): void;
}

/** Watches a descriptor in the thread's event loop; `close` ends the watch, not the descriptor. */
export interface Watch {
  close(): void;
  /** Lets the thread end although the watch is there; `ref` takes it back. */
  unref(): void;
  ref(): void;
}

interface Loaded {
  readonly libc: Libc;
  readonly errno: () => number;
  readonly closeAsync: (fd: number, done: () => void) => void;
  readonly mapShared: (fd: number, sizeBytes: number) => ArrayBuffer | null;
  /** Null where the C library does not have it (glibc before 2.34). */
  readonly closeRange: ((first: number, last: number, flags: number) => number) | null;
}

/** Stack of the called function and scratch memory for arguments [bytes]; koffi's defaults (2 MiB + 1 MiB a thread) suit deep libraries. */
const koffiMemory = { sync_stack_size: 256 * 1024, sync_heap_size: 128 * 1024 };

let loaded: Loaded | null = null;

function load(): Loaded {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  try {
    koffi.config(koffiMemory);
  } catch (error) {
    // Refused once anybody in this thread has loaded a library: then the sizes are already fixed, larger, and as good.
    if (!String(error).includes('has been loaded')) throw error;
  }
  // null: the symbols of the running program, whatever its C library is called.
  const library = koffi.load(null);
  const close = library.func('int close(int fd)');
  const mmap = library.func('void *mmap(void *wish, size_t size, int protection, int flags, int fd, long offset)');
  const functions: Libc = {
    close,
    socket: library.func('int socket(int domain, int type, int protocol)'),
    bind: library.func('int bind(int fd, const void *address, uint32_t size)'),
    setsockopt: library.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t size)'),
    getsockopt: library.func('int getsockopt(int fd, int level, int option, void *value, void *size)'),
    sendto: library.func(
      'long sendto(int fd, const void *bytes, size_t size, int flags, const void *address, uint32_t addressSize)',
    ),
    recv: library.func('long recv(int fd, void *buffer, size_t size, int flags)'),
    recvfrom: library.func(
      'long recvfrom(int fd, void *buffer, size_t size, int flags, void *address, void *addressSize)',
    ),
    read: library.func('long read(int fd, void *buffer, size_t size)'),
    write: library.func('long write(int fd, const void *bytes, size_t size)'),
    ioctl: library.func('int ioctl(int fd, unsigned long request, void *argument)'),
    ioctlNumber: library.func('ioctl', 'int', ['int', 'unsigned long', 'long']),
    poll: library.func('int poll(void *fds, unsigned long count, int timeout)'),
    ppoll: library.func('int ppoll(void *fds, unsigned long count, const void *timeout, const void *signals)'),
    if_nametoindex: library.func('unsigned int if_nametoindex(const char *name)'),
    sched_setscheduler: library.func('int sched_setscheduler(int pid, int policy, const void *param)'),
    sched_getscheduler: library.func('int sched_getscheduler(int pid)'),
    sched_getparam: library.func('int sched_getparam(int pid, void *param)'),
    sched_yield: library.func('int sched_yield()'),
    flock: library.func('int flock(int fd, int operation)'),
    dup2: library.func('int dup2(int fd, int wanted)'),
    dup3: library.func('int dup3(int fd, int wanted, int flags)'),
    epoll_create1: library.func('int epoll_create1(int flags)'),
    epoll_ctl: library.func('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
    clock_gettime: library.func('int clock_gettime(int clock, void *timespec)'),
    timerfd_create: library.func('int timerfd_create(int clock, int flags)'),
    timerfd_settime: library.func('int timerfd_settime(int fd, int flags, const void *spec, void *old)'),
    memfd_create: library.func('int memfd_create(const char *name, unsigned int flags)'),
    mkfifo: library.func('int mkfifo(const char *path, unsigned int mode)'),
    reboot: library.func('int reboot(int command)'),
    _exit: library.func('void _exit(int status)'),
  };
  return {
    libc: functions,
    errno: () => koffi.errno(),
    closeAsync: (fd, done) => close.async(fd, done),
    mapShared: (fd, sizeBytes) => {
      const address: unknown = mmap(null, sizeBytes, protectionReadWrite, mapSharedFlag, fd, 0);
      return address === mapFailed ? null : koffi.view(address, sizeBytes);
    },
    closeRange: optional(() => library.func('int close_range(unsigned int first, unsigned int last, int flags)')),
  };
}

/** PROT_READ | PROT_WRITE, MAP_SHARED and MAP_FAILED of <sys/mman.h>. */
const protectionReadWrite = 3;
const mapSharedFlag = 1;
const mapFailed = 2n ** 64n - 1n;

/**
 * The contents of a file as memory that other processes see, for as long as this process lives. The file must be that long. Throws
 * SystemCallError.
 */
export function mapShared(fd: number, sizeBytes: number): ArrayBuffer {
  loaded ??= load();
  const memory = loaded.mapShared(fd, sizeBytes);
  if (memory === null) throw systemCallError('mmap', 'share memory with another process');
  return memory;
}

/** A function that not every C library has. */
function optional<T>(find: () => T): T | null {
  try {
    return find();
  } catch {
    // Only its absence is an answer here.
    return null;
  }
}

/** Ends the process with all its threads in one step of the kernel; nothing of it runs any more. @param status exit code [0..255] */
export function exitAtOnce(status: number): never {
  for (;;) libc()._exit(status);
}

const closeRangeCloexec = 4;

/**
 * Keeps all open descriptors from `first` on out of the programs that this process starts from now on; those opened later see to it themselves.
 *
 * @returns false when the C library or the kernel cannot do it
 */
export function keepFromChildren(first: number): boolean {
  loaded ??= load();
  return loaded.closeRange?.(first, 2 ** 32 - 1, closeRangeCloexec) === 0;
}

/** The C library, loaded on first use in each thread. */
export function libc(): Libc {
  loaded ??= load();
  return loaded.libc;
}

/** Closes a descriptor on another thread: for kinds whose closing waits (AF_PACKET: some 10 ms, until every processor has let go). */
export function closeInBackground(fd: number): void {
  loaded ??= load();
  loaded.closeAsync(fd, () => undefined);
}

const errnoNames: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
);

/** The name of an errno value (`ENODEV`), or `E<number>` for one that Node does not know. */
export function errnoName(value: number): string {
  // EAGAIN and EWOULDBLOCK are one number on Linux; the table would give the later name.
  if (value === constants.errno.EAGAIN) return 'EAGAIN';
  return errnoNames.get(value) ?? `E${value}`;
}

/** The name of the calling thread's errno: valid directly after a call that returned -1 (or, for if_nametoindex, 0). */
export function lastErrno(): string {
  loaded ??= load();
  return errnoName(loaded.errno());
}

/** What an operator can do about an errno of these system calls, as the last part of a message. */
export function adviceFor(errno: string): string {
  switch (errno) {
    case 'EPERM':
    case 'EACCES':
      return 'not permitted: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW';
    case 'ENODEV':
    case 'ENXIO':
      return 'no such interface: see `ip link`';
    case 'EADDRINUSE':
      return 'the port is in use: see `ss -ulpn`';
    case 'EADDRNOTAVAIL':
      return 'the address is not on this machine: see `ip address`';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files: raise the limit (LimitNOFILE)';
    default:
      return 'see errno(3)';
  }
}

/**
 * Turns the errno of the last call into an error.
 *
 * @param call what was called, as in the manual: `setsockopt(SO_BINDTODEVICE)`
 * @param what what it was for, naming the object: `bind to interface eth9`
 */
export function systemCallError(call: string, what: string, errno: string = lastErrno()): SystemCallError {
  return new SystemCallError('HB_SYSTEM_CALL', `cannot ${what}: ${call}: ${errno}: ${adviceFor(errno)}`, {
    call,
    errno,
  });
}

/** Runs `use` with a new socket and closes it on every way out. Throws SystemCallError when it cannot be made. */
export function withSocket<T>(domain: number, type: number, protocol: number, use: (fd: number) => T): T {
  const c = libc();
  const fd = c.socket(domain, type | sockCloexec | sockNonblock, protocol);
  if (fd < 0) throw systemCallError('socket', 'make a socket');
  try {
    return use(fd);
  } finally {
    c.close(fd);
  }
}

/** Numbers of <sys/socket.h> on Linux: the same on every architecture that Node 24 runs on. */
export const afUnix = 1;
export const afInet = 2;
export const afInet6 = 10;
export const afNetlink = 16;
export const afPacket = 17;
export const sockDgram = 2;
export const sockRaw = 3;
export const protocolIcmp = 1;
export const protocolIcmp6 = 58;
export const sockCloexec = 0o2000000;
export const sockNonblock = 0o4000;
export const msgDontwait = 0x40;
export const msgNosignal = 0x4000;
export const solSocket = 1;
