/**
 * HMAC (RFC 2104) for the hot path: two one-shot hashes of node:crypto instead of one Hmac object.
 *
 * Measured for 300 bytes on Node 24: sha1 1.5 µs against 3.0 µs for `createHmac` with a ready KeyObject (which also
 * leaves a native object to the collector for every packet), md5 2.0 µs against 3.4 µs. The tests hold it to
 * `createHmac`'s results.
 */
import { hash } from 'node:crypto';
import type { Digester } from './method.ts';

/** Block size of MD5, SHA-1 and SHA-256 [bytes]: a longer key is hashed first. */
const blockBytes = 64;

/** Prepares HMAC with one key. The digester keeps one buffer of its own and is not re-entrant (it never yields). */
export function prepareHmac(algorithm: 'md5' | 'sha1' | 'sha256', key: Uint8Array): Digester {
  const block = Buffer.alloc(blockBytes);
  block.set(key.length > blockBytes ? hash(algorithm, key, 'buffer') : key);
  const innerPad = Buffer.from(block.map((byte) => byte ^ 0x36));
  const digestBytes = hash(algorithm, '', 'buffer').length;
  const outer = Buffer.alloc(blockBytes + digestBytes);
  outer.set(block.map((byte) => byte ^ 0x5c));

  let inner = Buffer.alloc(2048);
  inner.set(innerPad);

  return (bytes, start, end) => {
    const length = blockBytes + end - start;
    if (length > inner.length) {
      inner = Buffer.alloc(2 * length);
      inner.set(innerPad);
    }
    inner.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), blockBytes);
    // 'binary' (latin1) hands the digest over as a string, which is cheaper to make than a Buffer.
    outer.write(hash(algorithm, inner.subarray(0, length), 'binary'), blockBytes, digestBytes, 'latin1');
    return hash(algorithm, outer, 'hex');
  };
}
