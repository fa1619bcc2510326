/**
 * The contract of an authentication method: how a key makes the digest that the wire carries.
 */

/** Computes the digest of `bytes[start, end)` as it stands on the wire: lower-case hex. */
export type Digester = (bytes: Uint8Array, start: number, end: number) => string;

/** The words for methods in authkeys. */
export type AuthMethodName = 'crc' | 'md5' | 'sha1' | 'hmac-sha256';

export interface AuthMethod {
  readonly kind: 'auth';
  /** The word in authkeys. */
  readonly name: AuthMethodName;
  readonly apiVersion: 1;
  /** True: authkeys must give a key; false: it must give none. */
  readonly needsKey: boolean;
  /** True: Heartbeat 3.0.6 does not know the method, so that only Systole nodes can read what is signed by it. */
  readonly own: boolean;
  /** Length of the digest on the wire [hex digits], from and to: it tells by which kind of method a stranger has signed. */
  readonly digits: readonly [number, number];
  /**
   * Prepares a key once, so that each digest costs only its own bytes.
   *
   * @param key the key token's bytes as they stand in authkeys, without terminator; empty for a method without key
   */
  prepare(key: Uint8Array): Digester;
}
