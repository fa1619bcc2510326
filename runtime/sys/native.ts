/**
 * Bytes of kernel structures: fields in the machine's own byte order, addresses in network order.
 *
 * Node's Buffer methods name a byte order; the kernel means the one of the machine. These few functions choose it once.
 */
import { endianness } from 'node:os';

const littleEndian = endianness() === 'LE';

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Reads an unsigned 16-bit field in the machine's byte order; throws RangeError beyond the end. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint16(offset, littleEndian);
}

/** Reads an unsigned 32-bit field in the machine's byte order; throws RangeError beyond the end. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint32(offset, littleEndian);
}

/** Reads a signed 32-bit field in the machine's byte order; throws RangeError beyond the end. */
export function readI32(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getInt32(offset, littleEndian);
}

/** Writes an unsigned 16-bit field in the machine's byte order; throws RangeError beyond the end. */
export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint16(offset, value, littleEndian);
}

/** Writes an unsigned 32-bit field in the machine's byte order; throws RangeError beyond the end. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint32(offset, value, littleEndian);
}

/** Writes a 16-bit field in network order (big endian). */
export function writeU16Net(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint16(offset, value, false);
}

/** A C `int` as bytes, for setsockopt and the like. */
export function intBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, value, littleEndian);
  return bytes;
}

/** Text as a NUL-terminated C string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
