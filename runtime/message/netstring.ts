/**
 * The netstring format: `###\n`, fields `LEN:(T)NAME=VALUE,`, `%%%\n`, and on the wire a trailer `LEN:AUTHNUM DIGEST,`.
 *
 * The decoder never throws and never trusts a length: a field that a real node would abort on is a failure with its
 * place.
 */
import { CodecError } from '../errors.ts';
import { maxDepth } from './limits.ts';
import type { Field, FieldList } from './message.ts';
import {
  bytesBetween,
  closeParenthesis,
  colon,
  comma,
  type DecodeFailure,
  equalsSign,
  failure,
  isDigit,
  isFieldName,
  listBetween,
  openParenthesis,
  type Parsed,
  type Source,
  textBetween,
  zero,
} from './parse.ts';
import { type ByteWriter, decimalDigits, listSize, nameSize, textSize } from './writer.ts';

const opening = '###\n';
const closing = '%%%\n';

/** Bounds of one netstring body. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads `LEN:` at a place and gives the bounds of the body, which ends at a `,` before `end`. Leading zeros are
 * accepted and bytes between the digits and `:` are skipped, as in the original.
 */
function readSpan({ text }: Source, start: number, end: number): Span | DecodeFailure {
  let at = start;
  let lengthBytes = 0;
  for (; at < end && isDigit(text.charCodeAt(at)); at++) {
    lengthBytes = 10 * lengthBytes + text.charCodeAt(at) - zero;
    if (lengthBytes > end) return failure('a length reaches past the end', start);
  }
  if (at === start) return failure('a length is missing', start);
  while (at < end && text.charCodeAt(at) !== colon) at++;
  const bodyEnd = at + 1 + lengthBytes;
  if (bodyEnd >= end) return failure('a length reaches past the end', start);
  if (text.charCodeAt(bodyEnd) !== comma) return failure('no comma at the end of a length', bodyEnd);
  return { start: at + 1, end: bodyEnd };
}

function readField(source: Source, span: Span, depth: number): Field | DecodeFailure {
  const { text } = source;
  const { start, end } = span;
  const type = text.charCodeAt(start + 1) - zero;
  if (
    end - start < 3 ||
    text.charCodeAt(start) !== openParenthesis ||
    text.charCodeAt(start + 2) !== closeParenthesis ||
    !isDigit(type + zero)
  ) {
    return failure('a field does not start with a type', start);
  }
  let equals = start + 3;
  while (equals < end && text.charCodeAt(equals) !== equalsSign) equals++;
  if (equals === end) return failure('a field has no value', start);
  const name = textBetween(source, start + 3, equals);
  if (name === null || !isFieldName(name)) return failure('a field has no proper name', start);
  const valueStart = equals + 1;
  switch (type) {
    case 0: {
      const value = textBetween(source, valueStart, end);
      return value === null ? failure('a string has a NUL byte', valueStart) : [name, 0, value];
    }
    case 1:
      return [name, 1, bytesBetween(source, valueStart, end)];
    case 2: {
      if (depth >= maxDepth) return failure(`structs are nested deeper than ${maxDepth}`, valueStart);
      if (!startsNetstring(source.text, valueStart)) return failure('a struct holds no message', valueStart);
      const inner = decodeNetstring(source, valueStart, end, depth + 1);
      if (!inner.ok) return inner;
      return inner.end === end ? [name, 2, inner.fields] : failure('a struct does not end with its message', inner.end);
    }
    case 3: {
      const value = listBetween(source, valueStart, end);
      return value === null ? failure('a list is malformed', valueStart) : [name, 3, value];
    }
    case 4:
      return [name, 4, bytesBetween(source, valueStart, end)];
    default:
      return failure(`field type ${type} is never sent`, start);
  }
}

/** True when a netstring message starts at a place. */
export function startsNetstring(text: string, at: number): boolean {
  return text.startsWith(opening, at);
}

/**
 * Decodes the message that starts at `start` (see {@link startsNetstring}); its end is where a trailer may follow.
 *
 * @param depth how many structs it is inside of [0 to 16]
 */
export function decodeNetstring(source: Source, start: number, end: number, depth = 0): Parsed {
  const fields: Field[] = [];
  let at = start + opening.length;
  while (!source.text.startsWith(closing, at) || at + closing.length > end) {
    if (at >= end) return failure('ends without %%%', end);
    const span = readSpan(source, at, end);
    if ('ok' in span) return span;
    const entry = readField(source, span, depth);
    if ('ok' in entry) return entry;
    fields.push(entry);
    at = span.end + 1;
  }
  return { ok: true, fields, end: at + closing.length };
}

/** The text of the trailer that starts at `start`; null when there is none, or none that can be read. */
export function readTrailer(source: Source, start: number): string | null {
  const span = readSpan(source, start, source.text.length);
  return 'ok' in span ? null : source.text.substring(span.start, span.end);
}

function valueSize(entry: Field, depth: number): number {
  switch (entry[1]) {
    case 0:
      return textSize(entry[2]);
    case 2:
      if (depth >= maxDepth) throw new CodecError('HB_CODEC_FIELD', `structs are nested deeper than ${maxDepth}`);
      return netstringSize(entry[2], depth + 1);
    case 3:
      return listSize(entry[2]);
    default:
      return entry[2].length;
  }
}

/** Size of the encoded message without trailer [bytes]. @throws CodecError when it cannot be encoded */
export function netstringSize(fields: FieldList, depth = 0): number {
  let sizeBytes = opening.length + closing.length;
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry === undefined) continue;
    const bodyBytes = 4 + nameSize(entry[0]) + valueSize(entry, depth);
    sizeBytes += decimalDigits(bodyBytes) + bodyBytes + 2;
  }
  return sizeBytes;
}

function writeField(writer: ByteWriter, entry: Field, depth: number): void {
  const nameBytes = nameSize(entry[0]);
  const valueBytes = valueSize(entry, depth);
  writer.decimal(4 + nameBytes + valueBytes);
  writer.byte(colon);
  writer.byte(openParenthesis);
  writer.byte(zero + entry[1]);
  writer.byte(closeParenthesis);
  writer.text(entry[0], nameBytes);
  writer.byte(equalsSign);
  switch (entry[1]) {
    case 0:
      writer.text(entry[2], valueBytes);
      break;
    case 2:
      writeNetstring(writer, entry[2], null, depth + 1);
      break;
    case 3:
      writer.list(entry[2]);
      break;
    default:
      writer.raw(entry[2]);
  }
  writer.byte(comma);
}

/**
 * Writes a message without trailer.
 *
 * @param last one more field to write after the others, or null
 * @throws CodecError when it cannot be encoded
 */
export function writeNetstring(writer: ByteWriter, fields: FieldList, last: Field | null, depth = 0): void {
  writer.text(opening, opening.length);
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry !== undefined) writeField(writer, entry, depth);
  }
  if (last !== null) writeField(writer, last, depth);
  writer.text(closing, closing.length);
}

/** Writes a trailer. */
export function writeTrailer(writer: ByteWriter, signature: string): void {
  writer.decimal(signature.length);
  writer.byte(colon);
  writer.text(signature, signature.length);
  writer.byte(comma);
}
