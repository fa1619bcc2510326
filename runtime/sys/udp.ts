/**
 * UDP sockets with the options that a cluster's links need and `node:dgram` does not offer.
 *
 * ```ts
 * const socket = openUdpSocket({ family: 4, device: 'eth0', reuseAddress: true, bind: { address: '0.0.0.0', port: 694 } });
 * socket.onMessage((bytes) => …);
 * const errno = socket.send(bytes, socketAddress(4, '10.77.0.255', 694));
 * socket.close();
 * ```
 *
 * The descriptor is closed when its thread ends in whatever way (owned-descriptor.ts). Works in worker threads, and without root on loopback
 * (binding to a device needs CAP_NET_RAW before Linux 5.7).
 *
 * Datagrams are read here and not by `node:dgram`: that allocates 64 KiB for each, and nobody outside could tell when everything that has
 * arrived was taken ({@link UdpSocket.busy}).
 */
import { closeSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { type Ms, ms } from '../units.ts';
import { arrivalOf } from './arrival.core.ts';
import { ipv4Bytes, parseIpv4 } from './ipv4.ts';
import {
  afInet,
  afInet6,
  lastErrno,
  libc,
  msgDontwait,
  msgNosignal,
  sockCloexec,
  sockDgram,
  sockNonblock,
  solSocket,
  systemCallError,
  type Watch,
} from './libc.ts';
import { cString, intBytes, readI32, writeU32 } from './native.ts';
import { ownDescriptor } from './owned-descriptor.ts';
import { parseIpv6, socketAddress } from './socket-address.ts';
import { watchReadable } from './watch.ts';

export interface UdpSocketOptions {
  readonly family: 4 | 6;
  /** SO_BINDTODEVICE: packets come and go over this interface only. */
  readonly device?: string;
  /** SO_REUSEADDR: several sockets may hold the port; each gets broadcasts and multicasts. */
  readonly reuseAddress?: boolean;
  /** SO_REUSEPORT: as above, all of them with the same option; unicasts are spread over them. */
  readonly reusePort?: boolean;
  /** SO_BROADCAST. */
  readonly broadcast?: boolean;
  /** SO_DONTROUTE: reach direct neighbours only, whatever the route table says. */
  readonly dontRoute?: boolean;
  /** IP_TOS 0x10 (low delay), which also gives the packets priority 6 (interactive) in the interface's queue. IPv4 only. */
  readonly lowDelay?: boolean;
  /** Wanted size of the receive buffer [bytes]; root gets it, others as much as net.core.rmem_max allows. */
  readonly receiveBufferBytes?: number;
  readonly multicast?: {
    /** A group address to join, or null for a socket that only sends. */
    readonly join: string | null;
    readonly device: string;
    /** IP_MULTICAST_TTL or IPV6_MULTICAST_HOPS, 0 to 255. */
    readonly ttl: number;
    /** Whether our own packets come back to this machine. */
    readonly loop: boolean;
  };
  /** Where to receive. Without it the socket gets an unused port when it first sends. */
  readonly bind?: { readonly address: string; readonly port: number };
}

export interface UdpSocket {
  /** Calls back for every datagram as soon as the thread has it, with the bytes (theirs only during the call), and with the time of its arrival. */
  onMessage(handler: (bytes: Uint8Array, arrivedMs: Ms) => void): void;
  /** Calls back when receiving fails; `errno` is a name. The socket stays open. */
  onReceiveError(handler: (errno: string) => void): void;
  /**
   * Sends one datagram now: never waits, never queues, never throws.
   *
   * @returns null when the kernel took it, else the errno name (ENETDOWN, ENETUNREACH, ENOBUFS, EPERM by a firewall…)
   */
  send(bytes: Uint8Array, target: Uint8Array): string | null;
  /** Binds again to the device of that name and joins its group again, after the interface was removed and made anew. */
  reattach(): string | null;
  /** The receive buffer in force, as the kernel counts it [bytes]. */
  readonly receiveBufferBytes: number;
  readonly fd: number;
  /** Shared: 1 while this thread takes datagrams. With nothing waiting ({@link hasWaitingDatagram}) and this 0, all that arrived was handled. */
  readonly busy: Int32Array<SharedArrayBuffer>;
  /** The port can be bound again at once. May be called twice. */
  close(): void;
}

/** Numbers of <asm-generic/socket.h>, <linux/in.h>, <linux/in6.h>. */
const so = {
  reuseAddress: 2,
  dontRoute: 5,
  broadcast: 6,
  receiveBuffer: 8,
  reusePort: 15,
  bindToDevice: 25,
  receiveBufferForce: 33,
} as const;
const ip = {
  level: 0,
  tos: 1,
  multicastInterface: 32,
  multicastTtl: 33,
  multicastLoop: 34,
  addMembership: 35,
  multicastAll: 49,
} as const;
const ip6 = {
  level: 41,
  multicastInterface: 17,
  multicastHops: 18,
  multicastLoop: 19,
  joinGroup: 20,
  v6only: 26,
  multicastAll: 29,
} as const;
/** IPTOS_LOWDELAY of <netinet/ip.h>. */
const lowDelay = 0x10;

/** Names of options for messages: the call as the manual writes it. */
function set(fd: number, level: number, option: number, value: Uint8Array, name: string, what: string): void {
  if (libc().setsockopt(fd, level, option, value, value.length) < 0) throw systemCallError(`setsockopt(${name})`, what);
}

const on = (): Uint8Array => intBytes(1);

function indexOf(device: string): number {
  const index = libc().if_nametoindex(device);
  if (index === 0) throw systemCallError('if_nametoindex', `use interface ${device}`);
  return index;
}

/** struct ip_mreqn or ipv6_mreq: a group and the interface's index. */
function membership(group: string | null, index: number): Uint8Array {
  const six = group === null ? null : parseIpv6(group);
  if (six !== null) {
    const bytes = new Uint8Array(20);
    bytes.set(six, 0);
    writeU32(bytes, 16, index);
    return bytes;
  }
  const bytes = new Uint8Array(12);
  const four = group === null ? null : parseIpv4(group);
  if (four !== null) bytes.set(ipv4Bytes(four), 0);
  writeU32(bytes, 8, index);
  return bytes;
}

/** Everything that names an interface: done at opening, and again when the interface was made anew. */
function attach(fd: number, options: UdpSocketOptions): void {
  if (options.device !== undefined) {
    set(
      fd,
      solSocket,
      so.bindToDevice,
      cString(options.device),
      'SO_BINDTODEVICE',
      `bind to interface ${options.device}`,
    );
  }
  const multicast = options.multicast;
  if (multicast === undefined) return;
  const index = indexOf(multicast.device);
  const where = `on interface ${multicast.device}`;
  if (options.family === 4)
    set(fd, ip.level, ip.multicastInterface, membership(null, index), 'IP_MULTICAST_IF', `send multicasts ${where}`);
  else set(fd, ip6.level, ip6.multicastInterface, intBytes(index), 'IPV6_MULTICAST_IF', `send multicasts ${where}`);
  if (multicast.join === null) return;
  const request = membership(multicast.join, index);
  const [level, option, name] =
    options.family === 4
      ? ([ip.level, ip.addMembership, 'IP_ADD_MEMBERSHIP'] as const)
      : ([ip6.level, ip6.joinGroup, 'IPV6_JOIN_GROUP'] as const);
  if (libc().setsockopt(fd, level, option, request, request.length) < 0) {
    const errno = lastErrno();
    // Already a member: this is a second attachment and the interface was not made anew.
    if (errno !== 'EADDRINUSE')
      throw systemCallError(`setsockopt(${name})`, `join group ${multicast.join} ${where}`, errno);
  }
}

function configure(fd: number, options: UdpSocketOptions): void {
  if (options.reuseAddress) set(fd, solSocket, so.reuseAddress, on(), 'SO_REUSEADDR', 'share the port');
  if (options.reusePort) set(fd, solSocket, so.reusePort, on(), 'SO_REUSEPORT', 'share the port');
  if (options.broadcast) set(fd, solSocket, so.broadcast, on(), 'SO_BROADCAST', 'send broadcasts');
  if (options.dontRoute) set(fd, solSocket, so.dontRoute, on(), 'SO_DONTROUTE', 'send without routing');
  if (options.lowDelay && options.family === 4)
    set(fd, ip.level, ip.tos, intBytes(lowDelay), 'IP_TOS', 'set low delay');
  if (options.family === 6) set(fd, ip6.level, ip6.v6only, on(), 'IPV6_V6ONLY', 'leave IPv4 to other sockets');
  if (options.receiveBufferBytes !== undefined) {
    const wanted = intBytes(options.receiveBufferBytes);
    if (libc().setsockopt(fd, solSocket, so.receiveBufferForce, wanted, wanted.length) < 0)
      set(fd, solSocket, so.receiveBuffer, wanted, 'SO_RCVBUF', 'enlarge the receive buffer');
  }
  attach(fd, options);
  const multicast = options.multicast;
  if (multicast !== undefined) {
    const loop = intBytes(multicast.loop ? 1 : 0);
    if (options.family === 4) {
      set(fd, ip.level, ip.multicastTtl, intBytes(multicast.ttl), 'IP_MULTICAST_TTL', 'set the ttl of multicasts');
      set(fd, ip.level, ip.multicastLoop, loop, 'IP_MULTICAST_LOOP', 'set the loop of multicasts');
      // By default Linux delivers groups that any program has joined on any interface: a packet of eth1 would vouch for the link eth0.
      set(fd, ip.level, ip.multicastAll, intBytes(0), 'IP_MULTICAST_ALL', 'receive own groups only');
    } else {
      set(
        fd,
        ip6.level,
        ip6.multicastHops,
        intBytes(multicast.ttl),
        'IPV6_MULTICAST_HOPS',
        'set the hops of multicasts',
      );
      set(fd, ip6.level, ip6.multicastLoop, loop, 'IPV6_MULTICAST_LOOP', 'set the loop of multicasts');
      set(fd, ip6.level, ip6.multicastAll, intBytes(0), 'IPV6_MULTICAST_ALL', 'receive own groups only');
    }
  }
  if (options.bind !== undefined) {
    const { address, port } = options.bind;
    const local = socketAddress(
      options.family,
      address,
      port,
      options.device === undefined ? 0 : indexOf(options.device),
    );
    if (libc().bind(fd, local, local.length) < 0) throw systemCallError('bind', `bind to ${address} port ${port}`);
  }
}

/** FIONREAD of <asm-generic/ioctls.h>: the size of the next datagram, 0 when none waits. */
const fionread = 0x541b;
/** The largest datagram of UDP, and more than any. */
const largestBytes = 65_536;
/** After so many datagrams the event loop gets its turn. */
const datagramsPerTurn = 64;

/** SIOCGSTAMPNS_NEW of <asm-generic/sockios.h>: when the newest datagram taken arrived, as struct timespec with 64-bit fields. */
const arrivalStamp = 0x80108907;
const clockRealtime = 0;

/**
 * When datagrams arrived at this machine (see arrival.core.ts): a thread needs some 0.1 ms to wake, and much more when it has stood still; the silence
 * of a peer is counted from the arrival. The kernel keeps the stamp of the datagram that was taken last, also when more wait.
 */
class ArrivalStamps {
  readonly #fd: number;
  readonly #stamp = new BigInt64Array(2);
  readonly #stampBytes = new Uint8Array(this.#stamp.buffer);
  readonly #clock = new BigInt64Array(2);
  readonly #clockBytes = new Uint8Array(this.#clock.buffer);
  #emptyMs = monotonicMs();
  /** Wall clock less monotonic clock, at the datagram before [ms]. */
  #offsetMs = Number.NaN;

  constructor(fd: number) {
    this.#fd = fd;
    // The first request turns stamping on.
    libc().ioctl(fd, arrivalStamp, this.#stampBytes);
  }

  /** The socket was seen empty just now. */
  emptied(): void {
    this.#emptyMs = monotonicMs();
  }

  /** Arrival of the datagram that was taken last. */
  newest(): Ms {
    const c = libc();
    const known =
      c.ioctl(this.#fd, arrivalStamp, this.#stampBytes) === 0 && c.clock_gettime(clockRealtime, this.#clockBytes) === 0;
    const nowMs = monotonicMs();
    if (!known) return ms(nowMs);
    const { arrivedMs, offsetMs } = arrivalOf({
      stampMs: milliseconds(this.#stamp),
      wallMs: milliseconds(this.#clock),
      nowMs,
      emptyMs: this.#emptyMs,
      offsetBeforeMs: this.#offsetMs,
    });
    this.#offsetMs = offsetMs;
    return ms(arrivedMs);
  }
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A struct timespec. Epoch milliseconds have 0.2 µs of precision as a number. */
const milliseconds = ([seconds = 0n, nanoseconds = 0n]: BigInt64Array): number =>
  Number(seconds) * 1_000 + Number(nanoseconds) / 1e6;

/** One for all sockets of a thread: what is received is read from it at once. */
let receiveBuffer: Buffer | null = null;

/** Whether a datagram waits in a socket of this process, whichever thread reads it. False for a descriptor that is no socket. */
export function hasWaitingDatagram(fd: number): boolean {
  const size = intBytes(0);
  return libc().ioctl(fd, fionread, size) === 0 && readI32(size, 0) > 0;
}

/**
 * Opens a socket. Throws SystemCallError (details `call`, `errno`): ENODEV no such interface, EADDRINUSE port in use, EACCES a port
 * below 1024 without root, EPERM, EADDRNOTAVAIL; RangeError for an address that is none.
 */
export function openUdpSocket(options: UdpSocketOptions): UdpSocket {
  const c = libc();
  const opened = c.socket(options.family === 4 ? afInet : afInet6, sockDgram | sockCloexec | sockNonblock, 0);
  if (opened < 0) throw systemCallError('socket', 'make a UDP socket');
  const fd = ownDescriptor(opened);
  try {
    configure(fd, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  receiveBuffer ??= Buffer.alloc(largestBytes);
  const buffer = receiveBuffer;
  const busy = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  let open = true;
  let watch: Watch | null = null;
  let onError: (errno: string) => void = () => undefined;

  const stamps = new ArrivalStamps(fd);

  const take = (handler: (bytes: Uint8Array, arrivedMs: Ms) => void): void => {
    Atomics.store(busy, 0, 1);
    for (let taken = 0; open && taken < datagramsPerTurn; taken++) {
      const sizeBytes = c.recv(fd, buffer, buffer.length, msgDontwait);
      if (sizeBytes < 0) {
        const errno = lastErrno();
        if (errno === 'EAGAIN') stamps.emptied();
        else onError(errno);
        break;
      }
      handler(buffer.subarray(0, sizeBytes), stamps.newest());
    }
    Atomics.store(busy, 0, 0);
  };

  return {
    fd,
    busy,
    onMessage(handler) {
      watch = watchReadable(fd, () => take(handler));
    },
    onReceiveError(handler) {
      onError = handler;
    },
    send(bytes, target) {
      if (!open) return 'EBADF';
      return sendDatagram(fd, bytes, target);
    },
    reattach() {
      if (!open) return 'EBADF';
      try {
        attach(fd, options);
        return null;
      } catch (error) {
        if (error instanceof SystemCallError) return String(error.details.errno);
        throw error;
      }
    },
    get receiveBufferBytes() {
      const [size, length] = [intBytes(0), intBytes(4)];
      if (c.getsockopt(fd, solSocket, so.receiveBuffer, size, length) < 0)
        throw systemCallError('getsockopt(SO_RCVBUF)', 'read the size of the receive buffer');
      return readI32(size, 0);
    },
    close() {
      if (!open) return;
      open = false;
      watch?.close();
      closeSync(fd);
    },
  };
}

/**
 * Sends one datagram through a socket of this process, whichever thread opened it: never waits, never throws.
 *
 * @returns null when the kernel took it, else the errno name
 */
export function sendDatagram(fd: number, bytes: Uint8Array, target: Uint8Array): string | null {
  return libc().sendto(fd, bytes, bytes.length, msgDontwait | msgNosignal, target, target.length) < 0
    ? lastErrno()
    : null;
}
