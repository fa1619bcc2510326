/**
 * IPv4 addresses as numbers: parsing, printing and mask arithmetic. Pure; no system call.
 */

/** An IPv4 address in host order as an unsigned 32-bit number: 10.0.0.1 is 0x0a000001. */
export type Ipv4 = number & { readonly __name: 'ipv4' };

/** Takes the low 32 bits of a number as an address. */
export function ipv4FromNumber(value: number): Ipv4 {
  return (value >>> 0) as Ipv4;
}

/**
 * Reads a dotted quad. Strict: four decimal numbers of 0 to 255 without leading zeros (inet_aton would read `010` as octal 8, which
 * nobody means). @returns null when the text is anything else
 */
export function parseIpv4(text: string): Ipv4 | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return null;
    const octet = Number(part);
    if (octet > 255) return null;
    value = value * 256 + octet;
  }
  return ipv4FromNumber(value);
}

/** Prints a dotted quad. */
export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The four bytes in network order. */
export function ipv4Bytes(address: Ipv4): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

/** Reads four bytes in network order; throws RangeError when there are fewer. */
export function ipv4FromBytes(bytes: Uint8Array, offset = 0): Ipv4 {
  return ipv4FromNumber(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, false));
}

/** The netmask of a prefix length (0 to 32). */
export function maskOf(prefixLength: number): Ipv4 {
  return ipv4FromNumber(prefixLength === 0 ? 0 : 0xffffffff << (32 - prefixLength));
}

/** The prefix length of a netmask, or null when its ones are not contiguous. */
export function prefixLengthOf(mask: Ipv4): number | null {
  const length = Math.clz32(~mask);
  return maskOf(length) === mask ? length : null;
}

/** The address with all host bits set: the highest of its subnet. */
export function broadcastOf(address: Ipv4, prefixLength: number): Ipv4 {
  return ipv4FromNumber(address | ~maskOf(prefixLength));
}

/** Whether two addresses lie in the same subnet of the given prefix length. */
export function sameSubnet(a: Ipv4, b: Ipv4, prefixLength: number): boolean {
  return ((a ^ b) & maskOf(prefixLength)) === 0;
}
