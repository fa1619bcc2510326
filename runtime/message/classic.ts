/**
 * The classic format: `>>>\n`, lines `[(T)]NAME=VALUE\n`, `<<<\n`. Spoken on serial lines, inside compressed messages
 * and by old releases.
 */
import { CodecError } from '../errors.ts';
import { maxDepth } from './limits.ts';
import type { Field, FieldList } from './message.ts';
import {
  bytesBetween,
  closeParenthesis,
  type DecodeFailure,
  equalsSign,
  failure,
  isDigit,
  isFieldName,
  listBetween,
  newline,
  openParenthesis,
  type Parsed,
  type Source,
  sourceOf,
  textBetween,
  zero,
} from './parse.ts';
import { type ByteWriter, nameSize, textSize } from './writer.ts';

const opening = '>>>\n';
const closing = '<<<\n';

/**
 * Stands for a newline inside a string. A string that has this byte itself comes back with a newline: the format has
 * no escape.
 */
const newlineSymbol = 0x13;
const newlineCharacter = String.fromCharCode(newlineSymbol);

/** Stands for a newline inside a struct, by depth from 0. */
const depthSymbols = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 15, 16, 17, 18] as const;

/** Where the signed bytes are: all lines but `auth` and empty ones, as `[start, end)` pairs that do not touch. */
export type Ranges = readonly (readonly [start: number, end: number])[];

/** True when a classic message starts at a place. */
export function startsClassic(text: string, at: number): boolean {
  return text.startsWith(opening, at);
}

/** Standard base64 with padding, no line breaks. */
function base64Between({ text }: Source, start: number, end: number): Uint8Array | null {
  const encoded = text.substring(start, end);
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) return null;
  const decoded = Buffer.from(encoded, 'base64');
  return bytesBetween(sourceOf(decoded), 0, decoded.length);
}

/** Reads a struct: its newlines are written as the symbol of its depth. */
function readStruct(source: Source, start: number, end: number, depth: number): FieldList | DecodeFailure {
  const symbol = depthSymbols[depth];
  if (symbol === undefined) return failure(`structs are nested deeper than ${maxDepth}`, start);
  const text = source.text.substring(start, end).replaceAll(String.fromCharCode(symbol), '\n');
  if (!startsClassic(text, 0)) return failure('a struct holds no message', start);
  const inner = decodeClassic({ text, bytes: Buffer.from(text, 'latin1') }, 0, text.length, depth + 1);
  if (!inner.ok) return failure(inner.reason, start + inner.atByte);
  return inner.end === text.length
    ? inner.fields
    : failure('a struct does not end with its message', start + inner.end);
}

function readString(source: Source, start: number, end: number): string {
  // A NUL ends the message before any line is cut, so none can be in here.
  const value = textBetween(source, start, end) ?? '';
  return value.includes(newlineCharacter) ? value.replaceAll(newlineCharacter, '\n') : value;
}

function readLine(source: Source, start: number, end: number, depth: number): Field | DecodeFailure {
  const { text } = source;
  let type = 0;
  let nameStart = start;
  if (text.charCodeAt(start) === openParenthesis) {
    type = text.charCodeAt(start + 1) - zero;
    if (!isDigit(type + zero) || text.charCodeAt(start + 2) !== closeParenthesis)
      return failure('a type is malformed', start);
    if (type === 0) return failure('a string field must not have a type', start);
    nameStart = start + 3;
  }
  let equals = nameStart;
  while (equals < end && text.charCodeAt(equals) !== equalsSign) equals++;
  if (equals === end) return failure('a line has no value', start);
  const name = textBetween(source, nameStart, equals);
  if (name === null || !isFieldName(name)) return failure('a line has no proper name', start);
  const valueStart = equals + 1;
  switch (type) {
    case 0:
      return [name, 0, readString(source, valueStart, end)];
    case 1:
    case 4: {
      const value = base64Between(source, valueStart, end);
      return value === null ? failure('a binary value is no base64', valueStart) : [name, type, value];
    }
    case 2: {
      const value = readStruct(source, valueStart, end, depth);
      return 'ok' in value ? value : [name, 2, value];
    }
    case 3: {
      const value = listBetween(source, valueStart, end);
      return value === null ? failure('a list is malformed', valueStart) : [name, 3, value];
    }
    default:
      return failure(`field type ${type} is never sent`, start);
  }
}

/**
 * Decodes the message that starts at `start` (see {@link startsClassic}). A NUL ends it as the end of the bytes does:
 * before `<<<` that is a failure.
 *
 * @param depth how many structs it is inside of [0 to 16]
 */
export function decodeClassic(
  source: Source,
  start: number,
  end: number,
  depth = 0,
): Parsed<{ readonly signed: Ranges }> {
  const { text } = source;
  const nul = text.indexOf('\0', start);
  const limit = nul === -1 ? end : Math.min(nul, end);
  const fields: Field[] = [];
  const signed: [number, number][] = [];
  let at = start + opening.length;
  while (!text.startsWith(closing, at) || at + closing.length > limit) {
    const lineEnd = text.indexOf('\n', at);
    if (lineEnd === -1 || lineEnd >= limit) return failure('ends without <<<', limit);
    if (lineEnd > at) {
      const entry = readLine(source, at, lineEnd, depth);
      if ('ok' in entry) return entry;
      fields.push(entry);
      if (entry[0] !== 'auth') addRange(signed, at, lineEnd + 1);
    }
    at = lineEnd + 1;
  }
  return { ok: true, fields, end: at + closing.length, signed };
}

function addRange(ranges: [number, number][], start: number, end: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last[1] === start) last[1] = end;
  else ranges.push([start, end]);
}

/** True for a message that is sent as netstring wherever there is a choice: it has a struct or a compressed field. */
export function mustUseNetstring(fields: FieldList): boolean {
  for (let at = 0; at < fields.length; at++) {
    const type = fields[at]?.[1];
    if (type === 2 || type === 4) return true;
  }
  return false;
}

/**
 * Writes the lines of all fields but those named `auth`: the bytes that a classic signature covers. @throws
 * CodecError
 */
export function writeLines(writer: ByteWriter, fields: FieldList): void {
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry !== undefined && entry[0] !== 'auth') writeLine(writer, entry, 0);
  }
}

/** Writes one field's line. @throws CodecError when the format cannot carry it */
function writeLine(writer: ByteWriter, entry: Field, depth: number): void {
  if (entry[1] !== 0) {
    writer.byte(openParenthesis);
    writer.byte(zero + entry[1]);
    writer.byte(closeParenthesis);
  }
  writer.text(entry[0], nameSize(entry[0]));
  writer.byte(equalsSign);
  const valueStart = writer.length;
  switch (entry[1]) {
    case 0:
      writer.text(entry[2], textSize(entry[2]));
      replaceByte(writer, valueStart, newline, newlineSymbol);
      break;
    case 1:
    case 4:
      writeBase64(writer, entry[2]);
      break;
    case 2:
      writeStruct(writer, entry[2], depth);
      break;
    case 3:
      writer.list(entry[2]);
      if (writer.bytes.subarray(valueStart, writer.length).includes(newline)) {
        throw new CodecError(
          'HB_CODEC_FIELD',
          `the classic format cannot carry a list with a newline (field ${entry[0]})`,
        );
      }
      break;
  }
  writer.byte(newline);
}

function replaceByte(writer: ByteWriter, start: number, from: number, to: number): void {
  const { bytes, length } = writer;
  for (let at = start; at < length; at++) if (bytes[at] === from) bytes[at] = to;
}

const base64Alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const paddingSign = 0x3d;

function writeBase64(writer: ByteWriter, value: Uint8Array): void {
  writer.reserve(4 * Math.ceil(value.length / 3));
  const { bytes } = writer;
  let to = writer.length;
  for (let at = 0; at < value.length; at += 3) {
    const rest = value.length - at;
    const word = ((value[at] ?? 0) << 16) | ((value[at + 1] ?? 0) << 8) | (value[at + 2] ?? 0);
    bytes[to++] = base64Alphabet[word >>> 18] ?? 0;
    bytes[to++] = base64Alphabet[(word >>> 12) & 63] ?? 0;
    bytes[to++] = rest > 1 ? (base64Alphabet[(word >>> 6) & 63] ?? 0) : paddingSign;
    bytes[to++] = rest > 2 ? (base64Alphabet[word & 63] ?? 0) : paddingSign;
  }
  writer.length = to;
}

function writeStruct(writer: ByteWriter, fields: FieldList, depth: number): void {
  const symbol = depthSymbols[depth];
  if (symbol === undefined) throw new CodecError('HB_CODEC_FIELD', `structs are nested deeper than ${maxDepth}`);
  const start = writer.length;
  writer.text(opening, opening.length);
  for (const entry of fields) writeLine(writer, entry, depth + 1);
  writer.text(closing, closing.length);
  if (writer.bytes.subarray(start, writer.length).includes(symbol)) {
    throw new CodecError(
      'HB_CODEC_FIELD',
      `the classic format cannot carry byte ${symbol} inside a struct of depth ${depth}`,
    );
  }
  replaceByte(writer, start, newline, symbol);
}

/**
 * Writes a message; an `auth` field that the fields have already is replaced by `last`, or dropped.
 *
 * @param last the `auth` field, or null for none
 * @throws CodecError when the format cannot carry it
 */
export function writeClassic(writer: ByteWriter, fields: FieldList, last: Field | null): void {
  writer.text(opening, opening.length);
  writeLines(writer, fields);
  if (last !== null) writeLine(writer, last, 0);
  writer.text(closing, closing.length);
}
