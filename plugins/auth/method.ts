/**
 * The contract of an authentication method: how a key makes the digest that the wire carries.
 */

/** Computes the digest of `bytes[start, end)` as it stands on the wire: lower-case hex. */
export type Digester = (bytes: Uint8Array, start: number, end: number) => string;

export interface AuthMethod {
  readonly kind: 'auth';
  /** The word in authkeys. */
  readonly name: 'crc' | 'md5' | 'sha1';
  readonly apiVersion: 1;
  /** True: authkeys must give a key; false: it must give none. */
  readonly needsKey: boolean;
  /**
   * Prepares a key once, so that each digest costs only its own bytes.
   *
   * @param key the key token's bytes as they stand in authkeys, without terminator; empty for a method without key
   */
  prepare(key: Uint8Array): Digester;
}
