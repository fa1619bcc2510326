/**
 * rtnetlink messages as bytes: pure encoders and decoders for links, IPv4 addresses and routes. `netlink.ts` carries them.
 *
 * Numbers are those of <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h> and <linux/if_addr.h>, the same on every architecture.
 */
import { type Ipv4, ipv4Bytes, ipv4FromBytes, ipv4FromNumber } from './ipv4.ts';
import { cString, readI32, readU16, readU32, writeU16, writeU32 } from './native.ts';

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFF_* bits; see {@link linkUp}, {@link linkLoopback}, {@link linkNoArp}. */
  readonly flags: number;
  /** ARPHRD_*: 1 is Ethernet, 772 loopback. */
  readonly hardwareType: number;
  /** Six bytes for Ethernet; empty when the link has no hardware address. */
  readonly mac: Uint8Array;
  readonly mtu: number;
}

export const linkUp = 0x1;
export const linkLoopback = 0x8;
export const linkNoArp = 0x80;

/** An IPv4 address of an interface. */
export interface Address {
  readonly linkIndex: number;
  readonly address: Ipv4;
  /** 0 to 32. */
  readonly prefixLength: number;
  readonly broadcast: Ipv4 | null;
  /** `eth0` for an ordinary address, `eth0:0` for an alias; the kernel gives every IPv4 address one. */
  readonly label: string;
  /** 0 global, 253 link, 254 host. */
  readonly scope: number;
  /** Depends on an earlier address of the same subnet: deleting that one deletes this (unless promote_secondaries is set). */
  readonly secondary: boolean;
  /** False when the address has a lifetime (DHCP). */
  readonly permanent: boolean;
}

/** A unicast route of the main table. */
export interface Route {
  readonly destination: Ipv4;
  readonly prefixLength: number;
  /** Index of the (first) outgoing interface, or null for a route without one. */
  readonly linkIndex: number | null;
  readonly gateway: Ipv4 | null;
  /** Priority of the route; 0 is best. */
  readonly metric: number;
}

export const message = {
  error: 2,
  done: 3,
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  getRoute: 26,
} as const;
export const request = { plain: 0x1, ack: 0x4, dump: 0x300, createExclusive: 0x600 } as const;
/** The dump was not consistent, since something changed meanwhile: to be repeated. */
export const dumpInterrupted = 0x10;

const attribute = {
  link: { address: 1, name: 3, mtu: 4 },
  address: { address: 1, local: 2, label: 3, broadcast: 4, flags: 8 },
  route: { destination: 1, outgoing: 4, gateway: 5, priority: 6, multipath: 9, table: 15 },
} as const;

const headerBytes = 16;
const mainTable = 254;
const routeUnicast = 1;
const flagSecondary = 0x01;
const flagPermanent = 0x80;
const familyInet = 2;
const align = (sizeBytes: number): number => (sizeBytes + 3) & ~3;

/** One message of a received datagram. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}

/** Composes one message: header, fixed part, attributes. */
export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  fixed: Uint8Array,
  attributes: readonly (readonly [number, Uint8Array])[] = [],
): Uint8Array {
  const fixedBytes = align(fixed.length);
  const sizeBytes = attributes.reduce((sum, [, value]) => sum + align(4 + value.length), headerBytes + fixedBytes);
  const bytes = new Uint8Array(sizeBytes);
  writeU32(bytes, 0, sizeBytes);
  writeU16(bytes, 4, type);
  writeU16(bytes, 6, flags);
  writeU32(bytes, 8, sequence);
  bytes.set(fixed, headerBytes);
  let offset = headerBytes + fixedBytes;
  for (const [kind, value] of attributes) {
    writeU16(bytes, offset, 4 + value.length);
    writeU16(bytes, offset + 2, kind);
    bytes.set(value, offset + 4);
    offset += align(4 + value.length);
  }
  return bytes;
}

/** Splits a received datagram; a truncated rest is left out. The bodies are views, not copies. */
export function decodeMessages(datagram: Uint8Array): Message[] {
  const messages: Message[] = [];
  let offset = 0;
  while (offset + headerBytes <= datagram.length) {
    const sizeBytes = readU32(datagram, offset);
    if (sizeBytes < headerBytes || offset + sizeBytes > datagram.length) break;
    messages.push({
      type: readU16(datagram, offset + 4),
      flags: readU16(datagram, offset + 6),
      sequence: readU32(datagram, offset + 8),
      body: datagram.subarray(offset + headerBytes, offset + sizeBytes),
    });
    offset += align(sizeBytes);
  }
  return messages;
}

/** The errno value in an error message's body: 0 for an acknowledgement. */
export function errorOf(body: Uint8Array): number {
  return -readI32(body, 0);
}

function decodeAttributes(body: Uint8Array, fixedBytes: number): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  let offset = fixedBytes;
  while (offset + 4 <= body.length) {
    const sizeBytes = readU16(body, offset);
    if (sizeBytes < 4 || offset + sizeBytes > body.length) break;
    attributes.set(readU16(body, offset + 2) & 0x3fff, body.subarray(offset + 4, offset + sizeBytes));
    offset += align(sizeBytes);
  }
  return attributes;
}

const decoder = new TextDecoder();

function text(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
const addressFrom = (bytes: Uint8Array | undefined): Ipv4 | null =>
  bytes === undefined || bytes.length < 4 ? null : ipv4FromBytes(bytes);
const numberFrom = (bytes: Uint8Array | undefined): number | null =>
  bytes === undefined || bytes.length < 4 ? null : readU32(bytes, 0);

/** The fixed part of a dump request: all zero but the address family (0 any, 2 IPv4, 10 IPv6). */
export function dumpHeader(family: 0 | 2 | 10): Uint8Array {
  // struct ifinfomsg is the longest of the three (16 bytes); the kernel takes it for all of them.
  const bytes = new Uint8Array(16);
  bytes[0] = family;
  return bytes;
}

/** struct ifinfomsg with its attributes; null when it has no name. */
export function decodeLink(body: Uint8Array): Link | null {
  if (body.length < 16) return null;
  const attributes = decodeAttributes(body, 16);
  const name = text(attributes.get(attribute.link.name));
  if (name === '') return null;
  return {
    index: readI32(body, 4),
    name,
    flags: readU32(body, 8),
    hardwareType: readU16(body, 2),
    mac: new Uint8Array(attributes.get(attribute.link.address) ?? []),
    mtu: numberFrom(attributes.get(attribute.link.mtu)) ?? 0,
  };
}

/** A request to set the IFF_UP flag of a link. */
export function encodeLinkUp(sequence: number, linkIndex: number): Uint8Array {
  const fixed = new Uint8Array(16);
  writeU32(fixed, 4, linkIndex);
  writeU32(fixed, 8, linkUp);
  writeU32(fixed, 12, linkUp);
  return encodeMessage(message.newLink, request.plain | request.ack, sequence, fixed);
}

/** struct ifaddrmsg with its attributes; null when it is not IPv4. */
export function decodeAddress(body: Uint8Array): Address | null {
  if (body.length < 8 || body[0] !== familyInet) return null;
  const attributes = decodeAttributes(body, 8);
  const address = addressFrom(attributes.get(attribute.address.local) ?? attributes.get(attribute.address.address));
  if (address === null) return null;
  const flags = numberFrom(attributes.get(attribute.address.flags)) ?? body[2] ?? 0;
  return {
    linkIndex: readU32(body, 4),
    address,
    prefixLength: body[1] ?? 0,
    broadcast: addressFrom(attributes.get(attribute.address.broadcast)),
    label: text(attributes.get(attribute.address.label)),
    scope: body[3] ?? 0,
    secondary: (flags & flagSecondary) !== 0,
    permanent: (flags & flagPermanent) !== 0,
  };
}

/** What an address needs to be added or deleted. */
export interface AddressChange {
  readonly linkIndex: number;
  readonly address: Ipv4;
  readonly prefixLength: number;
  /** Set when adding; a deletion is found by address, prefix and label. */
  readonly broadcast: Ipv4 | null;
  /** At most 15 characters, beginning with the interface's name; null lets the kernel take the interface's name. */
  readonly label: string | null;
  readonly scope: number;
}

/**
 * A request to add (refused with EEXIST when present) or delete an IPv4 address.
 *
 * @param answer `always`, or only when it is refused
 */
export function encodeAddressChange(
  sequence: number,
  action: 'add' | 'delete',
  change: AddressChange,
  answer: 'always' | 'refusal' = 'always',
): Uint8Array {
  const fixed = new Uint8Array(8);
  fixed[0] = familyInet;
  fixed[1] = change.prefixLength;
  fixed[3] = change.scope;
  writeU32(fixed, 4, change.linkIndex);
  const bytes = ipv4Bytes(change.address);
  const attributes: [number, Uint8Array][] = [
    [attribute.address.local, bytes],
    [attribute.address.address, bytes],
  ];
  if (change.broadcast !== null) attributes.push([attribute.address.broadcast, ipv4Bytes(change.broadcast)]);
  if (change.label !== null) attributes.push([attribute.address.label, cString(change.label)]);
  const flags = request.plain | (answer === 'always' ? request.ack : 0);
  return action === 'add'
    ? encodeMessage(message.newAddress, flags | request.createExclusive, sequence, fixed, attributes)
    : encodeMessage(message.deleteAddress, flags, sequence, fixed, attributes);
}

/** struct rtmsg with its attributes; null when it is no unicast IPv4 route of the main table. */
export function decodeRoute(body: Uint8Array): Route | null {
  if (body.length < 12 || body[0] !== familyInet || body[7] !== routeUnicast) return null;
  const attributes = decodeAttributes(body, 12);
  if ((numberFrom(attributes.get(attribute.route.table)) ?? body[4]) !== mainTable) return null;
  const multipath = attributes.get(attribute.route.multipath);
  return {
    destination: addressFrom(attributes.get(attribute.route.destination)) ?? ipv4FromNumber(0),
    prefixLength: body[1] ?? 0,
    // A multipath route carries struct rtnexthop entries instead: the index is at offset 4 of the first.
    linkIndex:
      numberFrom(attributes.get(attribute.route.outgoing)) ??
      (multipath !== undefined && multipath.length >= 8 ? readI32(multipath, 4) : null),
    gateway: addressFrom(attributes.get(attribute.route.gateway)),
    metric: numberFrom(attributes.get(attribute.route.priority)) ?? 0,
  };
}
