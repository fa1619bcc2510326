/**
 * UDP sockets with the options that a cluster's links need and `node:dgram` does not offer, handed to `node:dgram` for receiving.
 *
 * ```ts
 * const socket = await openUdpSocket({ family: 4, device: 'eth0', reuseAddress: true, bind: { address: '0.0.0.0', port: 694 } });
 * socket.onMessage((bytes) => …);
 * const errno = socket.send(bytes, socketAddress(4, '10.77.0.255', 694));
 * await socket.close();
 * ```
 *
 * The descriptor belongs to the dgram handle from the first moment, so it is closed when its thread ends in whatever way. Works in
 * worker threads, and without root on loopback (binding to a device needs CAP_NET_RAW before Linux 5.7).
 */
import { createSocket, type Socket } from 'node:dgram';
import { SystemCallError } from '../errors.ts';
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
} from './libc.ts';
import { cString, intBytes, writeU32 } from './native.ts';
import { parseIpv6, socketAddress } from './socket-address.ts';

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
  /** Calls back for every datagram, with the bytes (a buffer of its own) as soon as the thread has them. */
  onMessage(handler: (bytes: Uint8Array) => void): void;
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
  readonly localPort: number;
  /** Resolves when the descriptor is closed; the port can be bound again at once. May be called twice. */
  close(): Promise<void>;
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

/** Gives the descriptor to a dgram handle, which owns it from then on. */
async function adopt(fd: number, family: 4 | 6): Promise<Socket> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ fd }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  return socket;
}

const errnoOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'EIO');

/**
 * Opens a socket. Throws SystemCallError (details `call`, `errno`): ENODEV no such interface, EADDRINUSE port in use, EACCES a port
 * below 1024 without root, EPERM, EADDRNOTAVAIL; RangeError for an address that is none.
 */
export async function openUdpSocket(options: UdpSocketOptions): Promise<UdpSocket> {
  const c = libc();
  const fd = c.socket(options.family === 4 ? afInet : afInet6, sockDgram | sockCloexec | sockNonblock, 0);
  if (fd < 0) throw systemCallError('socket', 'make a UDP socket');
  let socket: Socket;
  try {
    configure(fd, options);
    socket = await adopt(fd, options.family);
  } catch (error) {
    c.close(fd);
    throw error;
  }
  let closing: Promise<void> | null = null;
  return {
    onMessage(handler) {
      socket.on('message', handler);
    },
    onReceiveError(handler) {
      socket.on('error', (error) => handler(errnoOf(error)));
    },
    send(bytes, target) {
      if (closing !== null) return 'EBADF';
      return c.sendto(fd, bytes, bytes.length, msgDontwait | msgNosignal, target, target.length) < 0
        ? lastErrno()
        : null;
    },
    reattach() {
      if (closing !== null) return 'EBADF';
      try {
        attach(fd, options);
        return null;
      } catch (error) {
        if (error instanceof SystemCallError) return String(error.details.errno);
        throw error;
      }
    },
    get receiveBufferBytes() {
      return socket.getRecvBufferSize();
    },
    get localPort() {
      return socket.address().port;
    },
    close() {
      closing ??= new Promise((resolve) => {
        socket.close(resolve);
      });
      return closing;
    },
  };
}
