/**
 * One datagram: decode and verify, encode and sign, exactly as Heartbeat 3.0.6 does on UDP, ICMP and serial media.
 *
 * ```ts
 * const result = decodeDatagram(bytes, keys);
 * if (!result.ok) drop(`${result.reason} at byte ${result.atByte}`);
 * else if (result.auth !== 'ok') drop(result.auth);
 * else accept(getString(result.fields, 't'), result.fields);
 *
 * const bytes = encodeDatagram([field('t', 'status'), field('st', 'up')], { msgfmt: 'classic', keys });
 * ```
 */
import type { AuthKeys } from '../../conf/settings.ts';
import { CodecError } from '../errors.ts';
import { decodeClassic, mustUseNetstring, type Ranges, startsClassic, writeClassic, writeLines } from './classic.ts';
import { type Compression, compress, expand, isCompressed } from './compress.ts';
import { maxDatagramBytes, maxMessageBytes, maxUncompressedBytes } from './limits.ts';
import { type Field, type FieldList, field, getString } from './message.ts';
import {
  decodeNetstring,
  netstringSize,
  readTrailer,
  startsNetstring,
  writeNetstring,
  writeTrailer,
} from './netstring.ts';
import { type DecodeFailure, failure, type Source, sourceOf } from './parse.ts';
import { type AuthVerdict, readSignature, sign, verify } from './sign.ts';
import { ByteWriter } from './writer.ts';

export type DecodeResult =
  | {
      readonly ok: true;
      readonly format: 'classic' | 'netstring';
      /** The message; what was compressed is expanded, unless its signature is not `ok`. An `auth` field is left in. */
      readonly fields: FieldList;
      /** The slot that the signature names; null when there is no signature that can be read. */
      readonly authIndex: number | null;
      /** Anything but `ok` must not be believed. */
      readonly auth: AuthVerdict;
    }
  | DecodeFailure;

/**
 * Decodes one datagram, or one classic message of a serial line, and checks its signature. Never throws: garbage is a
 * failure, a bad signature a verdict.
 *
 * A netstring is judged by its trailer alone (bytes after it are ignored), a classic message by its first `auth`
 * field. Compressed messages are expanded after the check.
 *
 * @param keys null when there are none to check with: a signed message is then `unknown-key`, and is expanded all the
 *   same
 */
export function decodeDatagram(bytes: Uint8Array, keys: AuthKeys | null): DecodeResult {
  if (bytes.length >= maxMessageBytes)
    return failure(`a message has less than ${maxMessageBytes} bytes`, maxMessageBytes);
  const source = sourceOf(bytes);
  const decoded = startsNetstring(source.text, 0)
    ? judgeNetstring(source, keys)
    : startsClassic(source.text, 0)
      ? judgeClassic(source, keys)
      : failure('does not start as a heartbeat message', 0);
  if (!decoded.ok || !isCompressed(decoded.fields)) return decoded;
  // An unauthenticated sender must not make us inflate megabytes.
  if (decoded.auth !== 'ok' && keys !== null) return decoded;
  const expanded = expand(decoded.fields);
  return expanded.ok ? { ...decoded, fields: expanded.fields } : expanded;
}

function judgeNetstring(source: Source, keys: AuthKeys | null): DecodeResult {
  const parsed = decodeNetstring(source, 0, source.text.length);
  if (!parsed.ok) return parsed;
  const { fields, end } = parsed;
  // A NUL after the message is what an old C program adds to a string, not a trailer.
  if (end === source.text.length || source.text.charCodeAt(end) === 0) {
    return { ok: true, format: 'netstring', fields, authIndex: null, auth: 'none' };
  }
  const trailer = readTrailer(source, end);
  const signature = trailer === null ? null : readSignature(trailer);
  if (signature === null) return { ok: true, format: 'netstring', fields, authIndex: null, auth: 'bad' };
  const auth = verify(source.bytes, 0, end, signature, keys);
  return { ok: true, format: 'netstring', fields, authIndex: signature.index, auth };
}

function judgeClassic(source: Source, keys: AuthKeys | null): DecodeResult {
  const parsed = decodeClassic(source, 0, source.text.length);
  if (!parsed.ok) return parsed;
  const { fields, signed } = parsed;
  const written = getString(fields, 'auth');
  if (written === undefined) return { ok: true, format: 'classic', fields, authIndex: null, auth: 'none' };
  const signature = readSignature(written);
  if (signature === null) return { ok: true, format: 'classic', fields, authIndex: null, auth: 'bad' };
  const { bytes, start, end } = signedBytes(source, signed);
  const auth = verify(bytes, start, end, signature, keys);
  return { ok: true, format: 'classic', fields, authIndex: signature.index, auth };
}

function signedBytes({ bytes }: Source, ranges: Ranges): { bytes: Uint8Array; start: number; end: number } {
  const [only, second] = ranges;
  if (only !== undefined && second === undefined) return { bytes, start: only[0], end: only[1] };
  const joined = Buffer.concat(ranges.map(([start, end]) => bytes.subarray(start, end)));
  return { bytes: joined, start: 0, end: joined.length };
}

export interface EncodeOptions {
  /**
   * ha.cf `msgfmt`. `classic` adds an `auth` field to the netstring (not beside structs), as 3.0.6 does. ICMP always
   * takes `classic`.
   */
  readonly msgfmt: 'classic' | 'netstring';
  readonly keys: AuthKeys;
  /**
   * Size over which `traditional_compression yes` compresses [bytes]: 1024 × `compression_threshold`. Left out: only
   * what fits no datagram.
   */
  readonly compressOverBytes?: number;
  /** ha.cf `compression`; left out: zlib. */
  readonly compression?: Compression;
}

const wire = new ByteWriter(4096);
const lines = new ByteWriter(4096);

/**
 * Encodes and signs the bytes of one UDP or ICMP datagram: a netstring with trailer, byte for byte what 3.0.6 sends.
 * An `auth` field among the fields is replaced.
 *
 * Unlike 3.0.6 it also compresses, whatever the settings, a message that would not fit a datagram (65507 bytes) as it
 * is; every 3.0.6 receiver expands it.
 *
 * @throws CodecError when the wire cannot carry the message (HB_CODEC_FIELD, HB_CODEC_TOO_LARGE): even compressed it
 *   is over 65507 bytes, a string has a NUL, a name is none, structs are nested deeper than 16
 */
export function encodeDatagram(fields: FieldList, options: EncodeOptions): Uint8Array {
  const { msgfmt, keys, compressOverBytes, compression = 'zlib' } = options;
  const own = withoutAuth(fields);
  const asClassic = msgfmt === 'classic' && !mustUseNetstring(own);
  const auth = asClassic ? classicAuth(own, keys) : null;
  if (compressOverBytes !== undefined && configuredSize(own, auth) > compressOverBytes)
    return compressed(own, auth, keys, compression);
  const bytes = signedNetstring(own, auth, keys);
  return bytes.length > maxDatagramBytes ? compressed(own, auth, keys, compression) : bytes;
}

/**
 * The same message as a classic datagram with NUL, as releases before 3 sent it, for receivers that check a netstring with the wrong key (3.0.6
 * while keys are changed, see {@link verify}). What has no classic form, is too large for a datagram or over the threshold goes as
 * {@link encodeDatagram} has it.
 *
 * @throws CodecError as {@link encodeDatagram}
 */
export function encodeClassicDatagram(fields: FieldList, options: EncodeOptions): Uint8Array {
  const own = withoutAuth(fields);
  try {
    const { length } = writtenClassic(own, classicAuth(own, options.keys), true);
    if (length <= Math.min(maxDatagramBytes, options.compressOverBytes ?? maxDatagramBytes)) return lines.take();
  } catch (error) {
    // Some structs and lists have no classic form.
    if (!(error instanceof CodecError)) throw error;
  }
  return encodeDatagram(fields, options);
}

function withoutAuth(fields: FieldList): FieldList {
  for (let at = 0; at < fields.length; at++)
    if (fields[at]?.[0] === 'auth') return fields.filter(([name]) => name !== 'auth');
  return fields;
}

/** The `auth` field over the classic lines of the fields; leaves the lines in {@link lines}. */
function classicAuth(fields: FieldList, keys: AuthKeys): Field {
  lines.length = 0;
  writeLines(lines, fields);
  return field('auth', sign(lines.bytes, 0, lines.length, keys));
}

function signedNetstring(fields: FieldList, auth: Field | null, keys: AuthKeys): Uint8Array {
  wire.length = 0;
  writeNetstring(wire, fields, auth);
  writeTrailer(wire, sign(wire.bytes, 0, wire.length, keys));
  return wire.take();
}

/** Size in the configured format, as the compression threshold measures it [bytes]. */
function configuredSize(fields: FieldList, auth: Field | null): number {
  return auth === null ? netstringSize(fields) : writtenClassic(fields, auth, false).length;
}

function writtenClassic(fields: FieldList, auth: Field | null, nul: boolean): ByteWriter {
  lines.length = 0;
  writeClassic(lines, fields, auth);
  if (nul) lines.byte(0);
  return lines;
}

function compressed(fields: FieldList, auth: Field | null, keys: AuthKeys, algorithm: Compression): Uint8Array {
  const encoded = auth === null ? encodeNetstring(fields) : writtenClassic(fields, auth, true).take();
  if (encoded.length > maxUncompressedBytes) throw tooLarge(encoded.length, maxUncompressedBytes);
  // The outer message has its two fields and no `auth` field, whatever msgfmt says.
  const bytes = signedNetstring(compress(encoded, algorithm), null, keys);
  if (bytes.length > maxDatagramBytes) throw tooLarge(bytes.length, maxDatagramBytes);
  return bytes;
}

function tooLarge(sizeBytes: number, limitBytes: number): CodecError {
  return new CodecError(
    'HB_CODEC_TOO_LARGE',
    `a message of ${sizeBytes} bytes cannot be sent: the limit is ${limitBytes}`,
    { sizeBytes, limitBytes },
  );
}

/** Encodes a netstring without trailer: for compressed payloads and the client API. @throws CodecError */
export function encodeNetstring(fields: FieldList): Uint8Array {
  wire.length = 0;
  writeNetstring(wire, fields, null);
  return wire.take();
}

export interface ClassicOptions {
  /** Signs with an `auth` field at the end, in place of any that the fields have; null leaves it out. */
  readonly keys: AuthKeys | null;
  /** True in datagrams of old releases; false on serial lines. */
  readonly nul: boolean;
}

/** Encodes a classic message: for serial lines (`nul: false`) and old releases. @throws CodecError */
export function encodeClassic(fields: FieldList, { keys, nul }: ClassicOptions): Uint8Array {
  const { length } = writtenClassic(fields, keys === null ? null : classicAuth(fields, keys), nul);
  if (length >= maxMessageBytes) throw tooLarge(length, maxMessageBytes - 1);
  return lines.take();
}
