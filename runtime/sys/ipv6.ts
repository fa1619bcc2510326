/** IPv6 addresses as 16 bytes; the reader is `parseIpv6` of socket-address.ts. */

/** The shortest usual form, in lower case: `2001:db8::1`. */
export function formatIpv6(address: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((address[2 * index] ?? 0) << 8) | (address[2 * index + 1] ?? 0)).toString(16),
  );
  // The host of a URL is in the form of RFC 5952.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Whether two addresses have their first bits in common. @param prefixLength 0 to 128 */
export function samePrefix(a: Uint8Array, b: Uint8Array, prefixLength: number): boolean {
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const mask = prefixLength - bit >= 8 ? 0xff : (0xff00 >> (prefixLength - bit)) & 0xff;
    if ((((a[bit / 8] ?? 0) ^ (b[bit / 8] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

export function sameAddress6(a: Uint8Array, b: Uint8Array): boolean {
  return samePrefix(a, b, 128);
}
