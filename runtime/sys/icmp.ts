/**
 * Echo requests over an ICMP or ICMPv6 socket.
 *
 * ```ts
 * const socket = openIcmpSocket({ family: 4, id: process.pid & 0xffff, onReply: (reply, heardMs) => …, onFailure: fail });
 * const errno = socket.send(socketAddress(4, '10.77.0.254', 0), 0, payload);
 * socket.close();
 * ```
 *
 * A raw socket, as Heartbeat's, where that is permitted (root, CAP_NET_RAW). Else a datagram ICMP socket, which the kernel gives to the
 * groups in net.ipv4.ping_group_range: there the kernel looks after the id, so it stays ours only if no other program has it.
 */
import { closeSync } from 'node:fs';
import { type Ms, ms } from '../units.ts';
import {
  decodeEchoReply,
  type Echo,
  echoHeaderBytes,
  echoTypes,
  encodeEchoRequest,
  type IcmpFamily,
  ipv4Body,
} from './icmp.core.ts';
import {
  afInet,
  afInet6,
  lastErrno,
  libc,
  msgDontwait,
  msgNosignal,
  protocolIcmp,
  protocolIcmp6,
  sockCloexec,
  sockDgram,
  sockNonblock,
  sockRaw,
  systemCallError,
} from './libc.ts';
import { intBytes, writeU16, writeU32 } from './native.ts';
import { ownDescriptor } from './owned-descriptor.ts';
import { watchReadable } from './watch.ts';

/** An echo reply with its sender. */
export interface EchoReply extends Echo {
  /** 4 or 16 bytes in network order. */
  readonly source: Uint8Array;
}

export interface IcmpSocketOptions {
  readonly family: IcmpFamily;
  /** 16 bits: replies with another id are not reported. */
  readonly id: number;
  /** @param heardMs monotonic time at which this thread had it [ms] */
  readonly onReply: (reply: EchoReply, heardMs: Ms) => void;
  /** Receiving failed in a way that waiting cannot mend; `errno` is a name. */
  readonly onFailure: (errno: string) => void;
}

export interface IcmpSocket {
  readonly kind: 'raw' | 'datagram';
  /** Errors that the kernel reported in place of a reply (ICMP errors, an interface that went down) so far. */
  readonly receiveErrors: number;
  /** Sends one request now: never waits, never throws. @returns null when the kernel took it, else the errno name */
  send(target: Uint8Array, sequence: number, payload: Uint8Array): string | null;
  close(): void;
}

/** Numbers of <linux/icmp.h>, <linux/icmpv6.h>, <netinet/in.h>. */
const solRaw = 255;
const icmpFilter = 1;
const icmp6Filter = 1;
/** The largest IP packet [bytes]. */
const maxPacketBytes = 65_535;
/** Packets taken in one turn of the event loop: a flood must not keep the thread from its timers. */
const packetsPerTurn = 64;
/** Only a defect of our own gives these; waiting cannot help. */
const hopeless: ReadonlySet<string> = new Set(['EBADF', 'ENOTSOCK', 'EFAULT', 'EINVAL']);
const denied: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

interface Opened {
  readonly fd: number;
  readonly kind: IcmpSocket['kind'];
}

/** Lets the kernel drop everything but echo replies: a busy router's other ICMP shall not wake us. */
function filterReplies(fd: number, family: IcmpFamily): void {
  const { reply } = echoTypes[family];
  if (family === 4) {
    const mask = new Uint8Array(4);
    writeU32(mask, 0, ~(1 << reply) >>> 0);
    if (libc().setsockopt(fd, solRaw, icmpFilter, mask, mask.length) < 0)
      throw systemCallError('setsockopt(ICMP_FILTER)', 'receive echo replies only');
    return;
  }
  const mask = new Uint8Array(32).fill(0xff);
  writeU32(mask, (reply >> 5) * 4, ~(1 << (reply & 31)) >>> 0);
  if (libc().setsockopt(fd, protocolIcmp6, icmp6Filter, mask, mask.length) < 0)
    throw systemCallError('setsockopt(ICMP6_FILTER)', 'receive echo replies only');
}

/** Asks for our id. When another program has it, the kernel chooses one at the first send. */
function bindId(fd: number, family: IcmpFamily, id: number): void {
  const address = new Uint8Array(family === 4 ? 16 : 28);
  writeU16(address, 0, family === 4 ? afInet : afInet6);
  // The bytes of the port become the bytes of the id.
  writeU16(address, 2, id);
  if (libc().bind(fd, address, address.length) < 0) {
    const errno = lastErrno();
    if (errno !== 'EADDRINUSE') throw systemCallError('bind', 'bind the ICMP socket', errno);
  }
}

function openDescriptor(family: IcmpFamily): Opened {
  const c = libc();
  const domain = family === 4 ? afInet : afInet6;
  const protocol = family === 4 ? protocolIcmp : protocolIcmp6;
  const flags = sockCloexec | sockNonblock;
  const raw = c.socket(domain, sockRaw | flags, protocol);
  if (raw >= 0) return { fd: raw, kind: 'raw' };
  const errno = lastErrno();
  if (!denied.has(errno)) throw systemCallError('socket(SOCK_RAW)', `make an ICMP socket for IPv${family}`, errno);
  const datagram = c.socket(domain, sockDgram | flags, protocol);
  if (datagram >= 0) return { fd: datagram, kind: 'datagram' };
  throw systemCallError(
    'socket(SOCK_RAW), socket(SOCK_DGRAM)',
    `send echo requests over IPv${family} (run as root, give CAP_NET_RAW, or widen \`sysctl net.ipv4.ping_group_range\`)`,
    errno,
  );
}

/** Opens a socket and reports replies until closed. Throws SystemCallError (details `call`, `errno`): EPERM, EACCES; EAFNOSUPPORT without IPv6. */
export function openIcmpSocket(options: IcmpSocketOptions): IcmpSocket {
  const { family, id } = options;
  const c = libc();
  const opened = openDescriptor(family);
  const { kind } = opened;
  const fd = ownDescriptor(opened.fd);
  try {
    if (kind === 'raw') filterReplies(fd, family);
    else bindId(fd, family, id);
  } catch (error) {
    closeSync(fd);
    throw error;
  }

  const buffer = new Uint8Array(maxPacketBytes);
  const address = new Uint8Array(28);
  let receiveErrors = 0;
  let closed = false;

  /** Takes one packet. @returns false when there is none, or nobody to give it to */
  const receiveOne = (): boolean => {
    if (closed) return false;
    const size = c.recvfrom(fd, buffer, buffer.length, msgDontwait, address, intBytes(address.length));
    if (size < 0) {
      const errno = lastErrno();
      if (errno === 'EAGAIN') return false;
      receiveErrors++;
      if (hopeless.has(errno)) options.onFailure(errno);
      return !hopeless.has(errno);
    }
    const heardMs = ms(Number(process.hrtime.bigint()) / 1e6);
    const packet = buffer.subarray(0, size);
    const message = family === 4 && kind === 'raw' ? ipv4Body(packet) : packet;
    const echo = message === null ? null : decodeEchoReply(family, message);
    // The kernel hands a datagram socket the replies to its own requests only, whatever id it has given it.
    if (echo === null || (kind === 'raw' && echo.id !== id)) return true;
    const source = family === 4 ? address.slice(4, 8) : address.slice(8, 24);
    options.onReply({ ...echo, payload: echo.payload.slice(), source }, heardMs);
    return true;
  };

  const watch = watchReadable(fd, () => {
    for (let taken = 0; taken < packetsPerTurn && receiveOne(); taken++);
  });

  return {
    kind,
    get receiveErrors() {
      return receiveErrors;
    },
    send(target, sequence, payload) {
      if (closed) return 'EBADF';
      if (payload.length > maxPacketBytes - echoHeaderBytes) return 'EMSGSIZE';
      const bytes = encodeEchoRequest(family, { id, sequence, payload });
      const sent = c.sendto(fd, bytes, bytes.length, msgDontwait | msgNosignal, target, target.length);
      return sent < 0 ? lastErrno() : null;
    },
    close() {
      if (closed) return;
      closed = true;
      watch.close();
      closeSync(fd);
    },
  };
}
