/**
 * Strings of the wire, which are bytes, as JavaScript strings, without loss.
 *
 * Valid UTF-8 becomes ordinary text. A byte that is no part of valid UTF-8 becomes the lone surrogate U+DC80 to
 * U+DCFF and goes back to the same byte (Python's "surrogateescape", PEP 383), so what we pass on is what we got.
 */
import { isUtf8 } from 'node:buffer';

const escapeBase = 0xdc00;

/** Decodes bytes; any byte sequence has one text, and {@link textToBytes} gives the bytes back. */
export function bytesToText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    text +=
      length > 0 ? bytes.toString('utf8', at, at + length) : String.fromCharCode(escapeBase + bytes.readUInt8(at));
    at += length > 0 ? length : 1;
  }
  return text;
}

/** Length of the valid UTF-8 sequence at a place [1 to 4 bytes]; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

/**
 * Encodes text as UTF-8; U+DC80 to U+DCFF on their own give the byte they stand for, any other lone surrogate U+FFFD.
 */
export function textToBytes(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - escapeBase) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}
