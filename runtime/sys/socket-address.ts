/**
 * Socket addresses of IPv4 and IPv6 as the kernel wants them. Pure: interface indexes are given by the caller.
 */
import { isIPv6 } from 'node:net';
import { ipv4Bytes, parseIpv4 } from './ipv4.ts';
import { afInet, afInet6 } from './libc.ts';
import { writeU16, writeU16Net, writeU32 } from './native.ts';

/** The 16 bytes of an IPv6 address (no `%scope`), or null when the text is none. */
export function parseIpv6(text: string): Uint8Array | null {
  if (!isIPv6(text) || text.includes('%')) return null;
  // The last 32 bits may be written as a dotted quad.
  const quad = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = quad === null ? null : parseIpv4(quad[2] ?? '');
  const plain = tail === null ? text : `${quad?.[1]}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  const [before = '', after] = plain.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const front = groups(before);
  const back = after === undefined ? [] : groups(after);
  const bytes = new Uint8Array(16);
  front.forEach((group, i) => {
    writeU16Net(bytes, 2 * i, group);
  });
  back.forEach((group, i) => {
    writeU16Net(bytes, 16 - 2 * (back.length - i), group);
  });
  return bytes;
}

/** Whether an IPv6 address is link-local unicast (fe80::/10) or a multicast group of link scope: it needs an interface beside it. */
export function needsScope(address: Uint8Array): boolean {
  const [first = 0, second = 0] = address;
  return (first === 0xfe && (second & 0xc0) === 0x80) || (first === 0xff && (second & 0x0f) <= 2);
}

/**
 * A struct sockaddr_in or sockaddr_in6.
 *
 * @param text       an address literal of that family, else RangeError
 * @param port       0 to 65535
 * @param scopeIndex interface index of an IPv6 address that {@link needsScope}; not used otherwise
 */
export function socketAddress(family: 4 | 6, text: string, port: number, scopeIndex = 0): Uint8Array {
  if (family === 4) {
    const address = parseIpv4(text);
    if (address === null) throw new RangeError(`not an IPv4 address: ${text}`);
    const bytes = new Uint8Array(16);
    writeU16(bytes, 0, afInet);
    writeU16Net(bytes, 2, port);
    bytes.set(ipv4Bytes(address), 4);
    return bytes;
  }
  const address = parseIpv6(text);
  if (address === null) throw new RangeError(`not an IPv6 address: ${text}`);
  const bytes = new Uint8Array(28);
  writeU16(bytes, 0, afInet6);
  writeU16Net(bytes, 2, port);
  bytes.set(address, 8);
  if (needsScope(address)) writeU32(bytes, 24, scopeIndex);
  return bytes;
}
