/**
 * The questions and announcements of neighbours on an Ethernet, as bytes: ARP probes (RFC 5227) for IPv4; neighbour solicitations and
 * advertisements (RFC 4861, 4862) for IPv6. Pure; neighbour.ts sends and receives.
 */
import { type Ipv4, ipv4Bytes, ipv4FromBytes } from './ipv4.ts';
import { writeU16Net } from './native.ts';

/** One frame and where it goes. */
export interface Frame {
  /** Ethernet header included. */
  readonly bytes: Uint8Array;
  /** Six bytes. */
  readonly target: Uint8Array;
}

const broadcast = Uint8Array.of(255, 255, 255, 255, 255, 255);
const etherType = { arp: 0x0806, ipv4: 0x0800, ipv6: 0x86dd } as const;
const hardwareEthernet = 1;
const icmp6 = { protocol: 58, solicitation: 135, advertisement: 136, hopLimit: 255 } as const;
/** Bits of an advertisement: the sender is a router; what neighbours know is to be replaced. */
const advertisementFlag = { router: 0x80, override: 0x20 } as const;
const optionTargetAddress = 2;

/** Asks who has an address without claiming it: the sender's address is 0.0.0.0. @param mac six bytes, the asker's */
export function arpProbe(address: Ipv4, mac: Uint8Array): Frame {
  const bytes = new Uint8Array(42);
  bytes.set(broadcast, 0);
  bytes.set(mac, 6);
  writeU16Net(bytes, 12, etherType.arp);
  writeU16Net(bytes, 14, hardwareEthernet);
  writeU16Net(bytes, 16, etherType.ipv4);
  bytes[18] = 6;
  bytes[19] = 4;
  writeU16Net(bytes, 20, 1);
  bytes.set(mac, 22);
  bytes.set(ipv4Bytes(address), 38);
  return { bytes, target: broadcast };
}

/** Who says in an ARP frame that an address is its own; null when it says nothing of that kind (a probe), or is none of IPv4 over Ethernet. */
export function readArp(frame: Uint8Array): { readonly address: Ipv4; readonly mac: Uint8Array } | null {
  if (frame.length < 42 || frame[12] !== 0x08 || frame[13] !== 0x06) return null;
  if (frame[16] !== 0x08 || frame[17] !== 0x00 || frame[18] !== 6 || frame[19] !== 4) return null;
  const address = ipv4FromBytes(frame, 28);
  return address === 0 ? null : { address, mac: new Uint8Array(frame.subarray(22, 28)) };
}

/**
 * Tells all neighbours that an address lives at our hardware address now.
 *
 * @param address 16 bytes
 * @param isRouter whether this machine forwards on that interface: neighbours would drop it from their routers otherwise
 */
export function unsolicitedAdvertisement(address: Uint8Array, mac: Uint8Array, isRouter: boolean): Frame {
  const body = new Uint8Array(32);
  body[0] = icmp6.advertisement;
  body[4] = advertisementFlag.override | (isRouter ? advertisementFlag.router : 0);
  body.set(address, 8);
  body[24] = optionTargetAddress;
  body[25] = 1;
  body.set(mac, 26);
  const allNodes = multicast(Uint8Array.of(1));
  return frame6(address, allNodes, mac, body);
}

/** Asks who has an address without claiming it, as duplicate address detection does: the source is `::`. */
export function neighbourProbe(address: Uint8Array, mac: Uint8Array): Frame {
  const body = new Uint8Array(24);
  body[0] = icmp6.solicitation;
  body.set(address, 8);
  const group = multicast(Uint8Array.of(1, 0xff, ...address.subarray(13)));
  return frame6(new Uint8Array(16), group, mac, body);
}

/** Who answers in an ICMPv6 message for an address; null when it is no advertisement. `mac` is null when the answer does not tell it. */
export function readAdvertisement(
  body: Uint8Array,
): { readonly address: Uint8Array; readonly mac: Uint8Array | null } | null {
  if (body.length < 24 || body[0] !== icmp6.advertisement) return null;
  const told = body.length >= 32 && body[24] === optionTargetAddress && body[25] === 1;
  return { address: new Uint8Array(body.subarray(8, 24)), mac: told ? new Uint8Array(body.subarray(26, 32)) : null };
}

/** `02:00:0a:4d:00:01` */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** A group of link scope, ff02::…, that ends in these bytes. */
function multicast(tail: Uint8Array): Uint8Array {
  const address = new Uint8Array(16);
  address[0] = 0xff;
  address[1] = 0x02;
  address.set(tail, 16 - tail.length);
  return address;
}

/** Ethernet and IPv6 around an ICMPv6 message to a multicast group. */
function frame6(source: Uint8Array, group: Uint8Array, mac: Uint8Array, body: Uint8Array): Frame {
  const target = Uint8Array.of(0x33, 0x33, ...group.subarray(12));
  const bytes = new Uint8Array(54 + body.length);
  bytes.set(target, 0);
  bytes.set(mac, 6);
  writeU16Net(bytes, 12, etherType.ipv6);
  bytes[14] = 0x60;
  writeU16Net(bytes, 18, body.length);
  bytes[20] = icmp6.protocol;
  bytes[21] = icmp6.hopLimit;
  bytes.set(source, 22);
  bytes.set(group, 38);
  bytes.set(body, 54);
  writeU16Net(bytes, 56, checksum6(source, group, body));
  return { bytes, target };
}

/** The ICMPv6 checksum: RFC 1071 over the pseudo header of RFC 8200 and the message. */
function checksum6(source: Uint8Array, target: Uint8Array, body: Uint8Array): number {
  let sum = body.length + icmp6.protocol;
  for (const part of [source, target, body])
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
