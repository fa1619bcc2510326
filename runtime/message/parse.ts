/** What both decoders share: their input, their result, and the rule for names. */

import type { FieldList } from './message.ts';
import { bytesToText } from './text.ts';

/**
 * Bytes to decode, with the same bytes as text (one character a byte): scanning and cutting text is cheaper than
 * crossing to native code.
 */
export interface Source {
  readonly bytes: Buffer;
  readonly text: string;
}

export interface DecodeFailure {
  readonly ok: false;
  /** What is wrong, for people: `field length reaches past the end`. */
  readonly reason: string;
  /** Where, counted from the first byte of the datagram (or of the decompressed message). */
  readonly atByte: number;
}

export type Parsed<Extra = unknown> =
  | ({
      readonly ok: true;
      readonly fields: FieldList /** First byte after the message. */;
      readonly end: number;
    } & Extra)
  | DecodeFailure;

export function failure(reason: string, atByte: number): DecodeFailure {
  return { ok: false, reason, atByte };
}

/** Makes a {@link Source} of bytes in any view. */
export function sourceOf(bytes: Uint8Array): Source {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes: buffer, text: buffer.toString('latin1') };
}

/** The text of `[start, end)`; null when it has a NUL, which no string may have. */
export function textBetween(source: Source, start: number, end: number): string | null {
  const { text } = source;
  let seen = 0;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 0) return null;
    seen |= code;
  }
  return seen < 0x80 ? text.substring(start, end) : bytesToText(source.bytes.subarray(start, end));
}

/** A copy of `[start, end)` with memory of its own. */
export function bytesBetween(source: Source, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  for (let at = start; at < end; at++) copy[at - start] = source.text.charCodeAt(at);
  return copy;
}

/**
 * Reads the elements of a list value, `N:elem,` repeated; null when it is malformed.
 */
export function listBetween(source: Source, start: number, end: number): string[] | null {
  const { text } = source;
  const elements: string[] = [];
  let at = start;
  while (at < end) {
    let lengthBytes = 0;
    const firstDigit = at;
    for (; at < end && isDigit(text.charCodeAt(at)); at++) {
      lengthBytes = 10 * lengthBytes + text.charCodeAt(at) - zero;
      if (lengthBytes > end) return null;
    }
    if (at === firstDigit || text.charCodeAt(at) !== colon) return null;
    const elementEnd = at + 1 + lengthBytes;
    if (elementEnd >= end || text.charCodeAt(elementEnd) !== comma) return null;
    const element = textBetween(source, at + 1, elementEnd);
    if (element === null) return null;
    elements.push(element);
    at = elementEnd + 1;
  }
  return elements;
}

/**
 * True for a name that both formats can carry: at least one character, no `=`, newline or NUL, and no leading `(`,
 * which the classic format would read as a type.
 */
export function isFieldName(name: string): boolean {
  if (name.length === 0 || name.charCodeAt(0) === openParenthesis) return false;
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code === equalsSign || code === newline || code === 0) return false;
  }
  return true;
}

export function isDigit(code: number): boolean {
  return code >= zero && code <= 57;
}

export const zero = 0x30;
export const comma = 0x2c;
export const colon = 0x3a;
export const equalsSign = 0x3d;
export const newline = 0x0a;
export const openParenthesis = 0x28;
export const closeParenthesis = 0x29;
