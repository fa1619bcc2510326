/**
 * Gratuitous ARP: tells every neighbour that an address now lives at our hardware address. Needs CAP_NET_RAW.
 */

import { type Ipv4, ipv4Bytes } from './ipv4.ts';
import { afPacket, closeInBackground, libc, sockCloexec, sockNonblock, sockRaw, systemCallError } from './libc.ts';
import { writeU16, writeU16Net, writeU32 } from './native.ts';

/** `request` asks who has the address and tells it at once; `reply` answers a question that nobody asked. */
export type ArpKind = 'request' | 'reply';

const ethernetBroadcast = Uint8Array.of(255, 255, 255, 255, 255, 255);
const etherTypeArp = 0x0806;
const etherTypeIpv4 = 0x0800;
const hardwareEthernet = 1;

/**
 * One gratuitous ARP frame of 42 bytes, Ethernet header included, as Heartbeat's send_arp makes it: the request has target MAC 0 and
 * target IP = the address; the reply names the owner as sender and as target.
 *
 * @param mac six bytes, else RangeError
 */
export function gratuitousArpFrame(kind: ArpKind, address: Ipv4, mac: Uint8Array): Uint8Array {
  if (mac.length !== 6) throw new RangeError(`a hardware address of Ethernet has 6 bytes, not ${mac.length}`);
  const frame = new Uint8Array(42);
  frame.set(ethernetBroadcast, 0);
  frame.set(mac, 6);
  writeU16Net(frame, 12, etherTypeArp);
  writeU16Net(frame, 14, hardwareEthernet);
  writeU16Net(frame, 16, etherTypeIpv4);
  frame[18] = 6;
  frame[19] = 4;
  writeU16Net(frame, 20, kind === 'request' ? 1 : 2);
  frame.set(mac, 22);
  frame.set(ipv4Bytes(address), 28);
  if (kind === 'reply') frame.set(mac, 32);
  frame.set(ipv4Bytes(address), 38);
  return frame;
}

/** Sends frames through one packet socket. */
export interface ArpSender {
  /**
   * Sends one gratuitous ARP frame out of an interface; returns at once.
   *
   * Throws SystemCallError: ENETDOWN while the interface is down, ENXIO when it is gone.
   */
  send(kind: ArpKind, address: Ipv4, link: { readonly index: number; readonly mac: Uint8Array }): void;
  /** May be called twice. The descriptor is closed on another thread, since closing a packet socket takes some 10 ms. */
  close(): void;
}

/** Opens a sender. Throws SystemCallError: EPERM without CAP_NET_RAW. */
export function openArpSender(): ArpSender {
  const c = libc();
  // Protocol 0: this socket only sends, so the kernel shall not copy every frame of the machine to it.
  const fd = c.socket(afPacket, sockRaw | sockCloexec | sockNonblock, 0);
  if (fd < 0) throw systemCallError('socket(AF_PACKET)', 'announce addresses by ARP');
  let open = true;
  return {
    send(kind, address, link) {
      if (!open) throw systemCallError('sendto(AF_PACKET)', 'announce addresses by ARP after close', 'EBADF');
      const frame = gratuitousArpFrame(kind, address, link.mac);
      const target = new Uint8Array(20);
      writeU16(target, 0, afPacket);
      writeU16Net(target, 2, etherTypeArp);
      writeU32(target, 4, link.index);
      target[11] = 6;
      target.set(ethernetBroadcast, 12);
      if (c.sendto(fd, frame, frame.length, 0, target, target.length) < 0) {
        throw systemCallError('sendto(AF_PACKET)', `announce addresses by ARP on interface ${link.index}`);
      }
    },
    close() {
      if (open) closeInBackground(fd);
      open = false;
    },
  };
}
