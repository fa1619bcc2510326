/**
 * The CRC-32 of authentication method `crc`: polynomial 0x04C11DB7, initial value 0, not reflected, final complement.
 * That is "CRC-32/CKSUM" of cksum(1) without its length suffix; zlib's crc32 is another one.
 *
 * `crc32('123456789')` = 0x765e7680, `crc32('')` = 0xffffffff.
 */

const polynomial = 0x04c11db7;

/**
 * Four tables for four bytes a step ("slicing by four"): table k, entry b is the CRC of byte b followed by k zero
 * bytes.
 */
const tables = makeTables();

function makeTables(): Uint32Array {
  const table = new Uint32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ polynomial : crc << 1;
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] ?? 0;
    table[index] = (previous << 8) ^ (table[previous >>> 24] ?? 0);
  }
  return table;
}

/** The CRC of `bytes[start, end)`, as an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      crc ^
      (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    crc =
      (tables[768 + (word >>> 24)] ?? 0) ^
      (tables[512 + ((word >>> 16) & 0xff)] ?? 0) ^
      (tables[256 + ((word >>> 8) & 0xff)] ?? 0) ^
      (tables[word & 0xff] ?? 0);
  }
  for (; at < end; at++) crc = (crc << 8) ^ (tables[(crc >>> 24) ^ (bytes[at] ?? 0)] ?? 0);
  return ~crc >>> 0;
}
