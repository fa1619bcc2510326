/**
 * Traditional compression: a whole message inside the binary field `_compressed_payload` of a message with two fields.
 */
import { constants, deflateSync, inflateSync } from 'node:zlib';
import { CodecError } from '../errors.ts';
import { bunzip2, bzip2Compress } from '../sys/bzip2.ts';
import { decodeClassic, startsClassic } from './classic.ts';
import { maxMessageBytes, maxUncompressedBytes } from './limits.ts';
import { binaryField, type FieldList, field, getBytes, getString } from './message.ts';
import { decodeNetstring, startsNetstring } from './netstring.ts';
import { type DecodeFailure, failure, sourceOf } from './parse.ts';

const payloadName = '_compressed_payload';
const algorithmName = '_compression_algorithm';

/** The algorithms of ha.cf's `compression`. */
export type Compression = 'zlib' | 'bz2';

/** True for a message that stands for another one. */
export function isCompressed(fields: FieldList): boolean {
  return getBytes(fields, payloadName) !== undefined;
}

/**
 * Gives the message inside a compressed one. To be called for authenticated messages only: the signature covers the
 * payload.
 *
 * Work is bounded: a payload over 262144 bytes is refused, and decompressing stops at 2097152 bytes, whatever the payload
 * claims.
 */
export function expand(fields: FieldList): { readonly ok: true; readonly fields: FieldList } | DecodeFailure {
  const payload = getBytes(fields, payloadName) ?? new Uint8Array();
  const algorithm = getString(fields, algorithmName);
  if (algorithm === undefined) return failure('a compressed message does not name its algorithm', 0);
  if (algorithm !== 'zlib' && algorithm !== 'bz2')
    return failure(`unknown compression algorithm ${JSON.stringify(algorithm.slice(0, 32))}`, 0);
  if (payload.length > maxMessageBytes)
    return failure(`a compressed payload has more than ${maxMessageBytes} bytes`, 0);
  const inflated = algorithm === 'zlib' ? inflate(payload) : unpackBz2(payload);
  if (typeof inflated === 'string') return failure(inflated, 0);
  const source = sourceOf(inflated);
  const inner = startsClassic(source.text, 0)
    ? decodeClassic(source, 0, source.text.length)
    : startsNetstring(source.text, 0)
      ? decodeNetstring(source, 0, source.text.length)
      : failure('no heartbeat message', 0);
  if (!inner.ok) return failure(`inside the compressed payload: ${inner.reason}`, inner.atByte);
  return { ok: true, fields: inner.fields };
}

/** The inflated bytes, or what is wrong. */
function inflate(payload: Uint8Array): Uint8Array | string {
  try {
    return inflateSync(payload, { maxOutputLength: maxUncompressedBytes });
  } catch (error) {
    if (error instanceof RangeError) return `a compressed payload grows over ${maxUncompressedBytes} bytes`;
    if (error instanceof Error && 'code' in error) return `a compressed payload is damaged (${String(error.code)})`;
    throw error;
  }
}

/** As {@link inflate}, by bzip2. */
function unpackBz2(payload: Uint8Array): Uint8Array | string {
  const result = bunzip2(payload, maxUncompressedBytes);
  if (result.ok) return result.bytes;
  switch (result.reason) {
    case 'missing':
      return 'a message compressed by bz2 cannot be read: install libbz2, or set "compression zlib" on the sender';
    case 'too-large':
      return `a compressed payload grows over ${maxUncompressedBytes} bytes`;
    case 'damaged':
      return 'a compressed payload is damaged (bz2)';
  }
}

/**
 * Packs an encoded message (classic with NUL, or netstring without trailer) into a message with two fields.
 *
 * @throws CodecError HB_CODEC_COMPRESSION when this machine has no libbz2; reading ha.cf refuses `compression bz2` there
 */
export function compress(encoded: Uint8Array, algorithm: Compression): FieldList {
  const payload =
    algorithm === 'zlib' ? deflateSync(encoded, { level: constants.Z_DEFAULT_COMPRESSION }) : bzip2Compress(encoded);
  if (payload === null)
    throw new CodecError('HB_CODEC_COMPRESSION', 'compression bz2 needs libbz2.so.1.0, which is not installed', {});
  return [binaryField(payloadName, new Uint8Array(payload)), field(algorithmName, algorithm)];
}
