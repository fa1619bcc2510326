/**
 * From a captured frame to what heartbeat speaks over: UDP datagrams and ICMP echoes, over IPv4 and IPv6, fragments
 * put together.
 */
import { Reassembler } from './reassembly.ts';

/** A UDP datagram, or an ICMP(v6) echo's payload. */
export interface Datagram {
  readonly kind: 'udp' | 'echo-request' | 'echo-reply';
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** 0 for an echo. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
  /** Set when the capture has less than the whole payload: how much is missing. */
  readonly missingBytes: number;
}

const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;
const vlanTags: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);

/** A packet's network layer. */
interface Network {
  readonly family: 4 | 6;
  readonly start: number;
}

/**
 * Finds the IP header behind a link header: Ethernet with VLAN tags (1), Linux cooked (113, 276), raw IP (12, 14,
 * 101, 228, 229) and loopback (0, 108).
 *
 * @returns null for anything but IP, and 'unknown-link' for a link type that we cannot read
 */
function findNetwork(view: DataView, linkType: number): Network | null | 'unknown-link' {
  switch (linkType) {
    case 1:
      return afterEtherType(view, 12);
    case 113:
      return afterEtherType(view, 14);
    case 276:
      return view.byteLength < 20 ? null : byEtherType(view, view.getUint16(0), 20);
    case 0:
    case 108:
      // Four bytes name the address family in the capturing machine's order; the IP version that follows says the same.
      return byVersion(view, 4);
    case 12:
    case 14:
    case 101:
    case 228:
    case 229:
      return byVersion(view, 0);
    default:
      return 'unknown-link';
  }
}

function byVersion(view: DataView, start: number): Network | null {
  if (view.byteLength <= start) return null;
  const version = view.getUint8(start) >>> 4;
  return version === 4 || version === 6 ? { family: version, start } : null;
}

function byEtherType(view: DataView, etherType: number, start: number): Network | null {
  if (vlanTags.has(etherType)) return afterEtherType(view, start + 2);
  if (etherType === etherIpv4) return { family: 4, start };
  return etherType === etherIpv6 ? { family: 6, start } : null;
}

function afterEtherType(view: DataView, typeAt: number): Network | null {
  return view.byteLength < typeAt + 2 ? null : byEtherType(view, view.getUint16(typeAt), typeAt + 2);
}

/** An IP packet's payload, whole or one fragment of it. */
interface Carried {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Length of the payload by the header [bytes]; more than `payload` has when the capture was cut. */
  readonly declaredBytes: number;
  readonly fragment: { readonly id: number; readonly offset: number; readonly more: boolean } | null;
}

function part(view: DataView, start: number, end: number): Uint8Array {
  const limit = Math.min(end, view.byteLength);
  return new Uint8Array(view.buffer, view.byteOffset + start, Math.max(0, limit - start));
}

function readIpv4(view: DataView, start: number): Carried | null {
  if (view.byteLength < start + 20) return null;
  const headerBytes = 4 * (view.getUint8(start) & 0x0f);
  // A captured packet may say 0 when the network card was to fill in the length (segmentation offload).
  const totalBytes = view.getUint16(start + 2) || view.byteLength - start;
  if (headerBytes < 20 || totalBytes < headerBytes || view.byteLength < start + headerBytes) return null;
  const flags = view.getUint16(start + 6);
  const offset = 8 * (flags & 0x1fff);
  const more = (flags & 0x2000) !== 0;
  return {
    family: 4,
    source: ipv4Text(view, start + 12),
    destination: ipv4Text(view, start + 16),
    protocol: view.getUint8(start + 9),
    payload: part(view, start + headerBytes, start + totalBytes),
    declaredBytes: totalBytes - headerBytes,
    fragment: more || offset > 0 ? { id: view.getUint16(start + 4), offset, more } : null,
  };
}

/** Hop-by-hop, routing and destination options: `next, length in 8 bytes - 1`. */
const skippedExtensions: ReadonlySet<number> = new Set([0, 43, 60]);
const fragmentExtension = 44;

function readIpv6(view: DataView, start: number): Carried | null {
  if (view.byteLength < start + 40) return null;
  const end = start + 40 + view.getUint16(start + 4);
  let protocol = view.getUint8(start + 6);
  let at = start + 40;
  let fragment: Carried['fragment'] = null;
  while (skippedExtensions.has(protocol) || protocol === fragmentExtension) {
    if (view.byteLength < at + 8 || at + 8 > end) return null;
    if (protocol === fragmentExtension) {
      const flags = view.getUint16(at + 2);
      fragment = { id: view.getUint32(at + 4), offset: flags & 0xfff8, more: (flags & 1) === 1 };
    }
    const lengthBytes = protocol === fragmentExtension ? 8 : 8 * (view.getUint8(at + 1) + 1);
    protocol = view.getUint8(at);
    at += lengthBytes;
    // The rest of a later fragment is not a header.
    if (fragment !== null && fragment.offset > 0) break;
  }
  if (at > end) return null;
  return {
    family: 6,
    source: ipv6Text(view, start + 8),
    destination: ipv6Text(view, start + 24),
    protocol,
    payload: part(view, at, end),
    declaredBytes: end - at,
    fragment,
  };
}

function ipv4Text(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((index) => view.getUint8(at + index)).join('.');
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
function ipv6Text(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

const protocolUdp = 17;
/** ICMP and ICMPv6: protocol number, and types of echo request and reply. */
const echoOf = {
  4: { protocol: 1, request: 8, reply: 0 },
  6: { protocol: 58, request: 128, reply: 129 },
} as const;

function readTransport(carried: Carried): Datagram | null {
  const { family, source, destination, payload, declaredBytes } = carried;
  if (payload.length < 8) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (carried.protocol === protocolUdp) {
    // 0 is allowed for IPv6 jumbograms only; take the rest of the packet.
    const totalBytes = Math.min(view.getUint16(4) || declaredBytes, declaredBytes);
    if (totalBytes < 8) return null;
    const found = payload.subarray(8, totalBytes);
    return {
      kind: 'udp',
      family,
      source,
      destination,
      sourcePort: view.getUint16(0),
      destinationPort: view.getUint16(2),
      payload: found,
      missingBytes: totalBytes - 8 - found.length,
    };
  }
  const echo = echoOf[family];
  if (carried.protocol !== echo.protocol || view.getUint8(1) !== 0) return null;
  const type = view.getUint8(0);
  if (type !== echo.request && type !== echo.reply) return null;
  return {
    kind: type === echo.request ? 'echo-request' : 'echo-reply',
    family,
    source,
    destination,
    sourcePort: 0,
    destinationPort: 0,
    payload: payload.subarray(8),
    missingBytes: Math.max(0, declaredBytes - payload.length),
  };
}

/** What a frame gave: a datagram, nothing of interest, or a link type that cannot be read. */
export type Dissected = Datagram | null | 'unknown-link';

/** Dissects frames in the order of the capture; it keeps the fragments of datagrams that are not whole yet. */
export class Dissector {
  readonly #reassembler = new Reassembler();

  /**
   * Takes the next frame.
   *
   * @param linkType LINKTYPE_ number
   * @returns a datagram when this frame has or completes one
   */
  next(frame: Uint8Array, linkType: number): Dissected {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const network = findNetwork(view, linkType);
    if (network === null || network === 'unknown-link') return network;
    const carried = network.family === 4 ? readIpv4(view, network.start) : readIpv6(view, network.start);
    if (carried === null) return null;
    if (carried.fragment === null) return readTransport(carried);
    const { family, source, destination, protocol, fragment } = carried;
    const key = `${source} ${destination} ${protocol} ${fragment.id}`;
    const whole = this.#reassembler.add(key, fragment.offset, fragment.more, carried.payload);
    if (whole === null) return null;
    return readTransport({
      family,
      source,
      destination,
      protocol,
      payload: whole,
      declaredBytes: whole.length,
      fragment: null,
    });
  }

  /** Datagrams of which fragments were seen, but not all: lost on the way, or not captured whole. */
  get incomplete(): number {
    return this.#reassembler.incomplete;
  }
}
