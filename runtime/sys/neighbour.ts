/**
 * Sends the frames of neighbour.core.ts and hears what neighbours claim. Needs CAP_NET_RAW.
 */
import { readFileSync } from 'node:fs';
import type { Ipv4 } from './ipv4.ts';
import {
  afInet6,
  afPacket,
  closeInBackground,
  libc,
  protocolIcmp6,
  sockCloexec,
  sockNonblock,
  sockRaw,
  systemCallError,
} from './libc.ts';
import { readI32, writeU16, writeU16Net, writeU32 } from './native.ts';
import { type Frame, readAdvertisement, readArp } from './neighbour.core.ts';
import { watchReadable } from './watch.ts';

export interface FrameSender {
  /** Returns at once. Throws SystemCallError: ENETDOWN while the interface is down, ENXIO when it is gone. */
  send(frame: Frame, linkIndex: number): void;
  /** May be called twice. */
  close(): void;
}

/** Opens a packet socket that only sends. Throws SystemCallError: EPERM without CAP_NET_RAW. */
export function openFrameSender(): FrameSender {
  const c = libc();
  // Protocol 0: the kernel shall not copy every frame of the machine to it.
  const fd = c.socket(afPacket, sockRaw | sockCloexec | sockNonblock, 0);
  if (fd < 0) throw systemCallError('socket(AF_PACKET)', 'speak to neighbours');
  let open = true;
  return {
    send({ bytes, target }, linkIndex) {
      const address = new Uint8Array(20);
      writeU16(address, 0, afPacket);
      writeU16Net(address, 2, ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0));
      writeU32(address, 4, linkIndex);
      address[11] = 6;
      address.set(target, 12);
      if (!open) throw systemCallError('sendto(AF_PACKET)', 'speak to neighbours after close', 'EBADF');
      if (c.sendto(fd, bytes, bytes.length, 0, address, address.length) < 0)
        throw systemCallError('sendto(AF_PACKET)', `speak to neighbours on interface ${linkIndex}`);
    },
    close() {
      // Closing a packet socket takes some 10 ms.
      if (open) closeInBackground(fd);
      open = false;
    },
  };
}

const etherTypeArp = 0x0806;
/** Longer than any frame of interest. */
const bufferBytes = 2_048;
/** struct sockaddr_in6 is the longest of the two [bytes]. */
const addressBytes = 28;

/** Calls back for every datagram that waits, until there is none. */
function drain(fd: number, onDatagram: (bytes: Uint8Array, from: Uint8Array) => void): void {
  const c = libc();
  const buffer = new Uint8Array(bufferBytes);
  const from = new Uint8Array(addressBytes);
  const size = new Uint8Array(4);
  for (;;) {
    writeU32(size, 0, addressBytes);
    const sizeBytes = c.recvfrom(fd, buffer, buffer.length, 0, from, size);
    // Nothing left, or the interface went down: the next call back tells.
    if (sizeBytes < 0) return;
    onDatagram(buffer.subarray(0, sizeBytes), from);
  }
}

/** Hears every ARP frame of this machine's interfaces in which somebody calls an address its own, until closed. Throws SystemCallError. */
export function watchArp(onClaim: (address: Ipv4, mac: Uint8Array, linkIndex: number) => void): { close(): void } {
  const fd = libc().socket(
    afPacket,
    sockRaw | sockCloexec | sockNonblock,
    ((etherTypeArp & 0xff) << 8) | (etherTypeArp >> 8),
  );
  if (fd < 0) throw systemCallError('socket(AF_PACKET)', 'hear neighbours');
  const watch = watchReadable(fd, () =>
    drain(fd, (bytes, from) => {
      const claim = readArp(bytes);
      if (claim !== null) onClaim(claim.address, claim.mac, readI32(from, 4));
    }),
  );
  return {
    close() {
      watch.close();
      closeInBackground(fd);
    },
  };
}

/** ICMP6_FILTER of <netinet/icmp6.h>: a bit set for each type that is dropped. */
const icmp6Filter = 1;

/** Hears every neighbour advertisement that reaches this machine, until closed. Throws SystemCallError. */
export function watchAdvertisements(onClaim: (address: Uint8Array, mac: Uint8Array | null) => void): { close(): void } {
  const c = libc();
  const fd = c.socket(afInet6, sockRaw | sockCloexec | sockNonblock, protocolIcmp6);
  if (fd < 0) throw systemCallError('socket(AF_INET6)', 'hear neighbours');
  const filter = new Uint8Array(32).fill(0xff);
  const advertisement = 136;
  writeU32(filter, 4 * (advertisement >> 5), ~(1 << (advertisement & 31)) >>> 0);
  if (c.setsockopt(fd, protocolIcmp6, icmp6Filter, filter, filter.length) < 0) {
    const error = systemCallError('setsockopt(ICMP6_FILTER)', 'hear neighbours');
    c.close(fd);
    throw error;
  }
  const watch = watchReadable(fd, () =>
    drain(fd, (bytes) => {
      const claim = readAdvertisement(bytes);
      if (claim !== null) onClaim(claim.address, claim.mac);
    }),
  );
  return {
    close() {
      watch.close();
      c.close(fd);
    },
  };
}

/** Whether this machine forwards IPv6 packets that come in by an interface. */
export function forwards6(device: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${device}/forwarding`, 'latin1').startsWith('1');
  } catch {
    // No IPv6, or the interface has just gone: then nobody is told anything either.
    return false;
  }
}
