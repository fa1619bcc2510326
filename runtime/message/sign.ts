/**
 * Signatures of messages: `N HEX`, the slot in authkeys and the digest by that slot's method and key.
 */
import type { AuthKeys } from '../../conf/settings.ts';
import { plugin as crc } from '../../plugins/auth/crc.ts';
import { plugin as md5 } from '../../plugins/auth/md5.ts';
import type { AuthMethod, Digester } from '../../plugins/auth/method.ts';
import { plugin as sha1 } from '../../plugins/auth/sha1.ts';
import { AuthError } from '../errors.ts';
import { authSlotCount } from './limits.ts';
import { textToBytes } from './text.ts';

/**
 * What a signature is worth: `ok`, made with the key it names; `bad`, not so; `unknown-key`, it names a slot that we
 * do not have; `none`, there is no signature.
 */
export type AuthVerdict = 'ok' | 'bad' | 'unknown-key' | 'none';

const methods: Readonly<Record<AuthMethod['name'], AuthMethod>> = { crc, md5, sha1 };

/** Prepared slots of each AuthKeys object: keys are prepared once in a thread, and go when the keys are replaced. */
const preparedKeys = new WeakMap<AuthKeys, readonly (Digester | undefined)[]>();

function prepared(keys: AuthKeys): readonly (Digester | undefined)[] {
  const known = preparedKeys.get(keys);
  if (known !== undefined) return known;
  const slots = Array.from<Digester | undefined>({ length: authSlotCount });
  for (const { index, method, key } of keys.keys) slots[index] = methods[method].prepare(textToBytes(key));
  preparedKeys.set(keys, slots);
  return slots;
}

/**
 * Signs `bytes[start, end)` with the selected key.
 *
 * @returns `N HEX`
 * @throws AuthError when the selected slot has no key; reading authkeys refuses such a file
 */
export function sign(bytes: Uint8Array, start: number, end: number, keys: AuthKeys): string {
  const digest = prepared(keys)[keys.selected];
  if (digest === undefined) {
    throw new AuthError('HB_AUTH_KEY', `authkeys slot ${keys.selected} is selected but has no key`, {
      index: keys.selected,
    });
  }
  return `${keys.selected} ${digest(bytes, start, end)}`;
}

/** A signature as it stands in a packet. */
export interface Signature {
  /** The slot it names; any integer may come from the wire. */
  readonly index: number;
  readonly digest: string;
}

/** Reads `N HEX`: a signed decimal, blanks, the digest, perhaps blanks. Null when it is no such thing. */
export function readSignature(text: string): Signature | null {
  const match = /^\s*([+-]?\d{1,9})\s+(\S+)\s*$/.exec(text);
  const [, index, digest] = match ?? [];
  return index === undefined || digest === undefined ? null : { index: Number(index), digest };
}

/**
 * Checks a signature over `bytes[start, end)` with the method and the key of the slot *that it names*, selected or
 * not, so that keys can be changed node by node.
 *
 * Heartbeat 3.0.6 takes the named slot's method with the *selected* slot's key for netstrings, a defect: it then
 * rejects a correct signature. What it sends is signed with its selected key under that key's number, so checking the
 * named slot's own key accepts all that a real node can send; accepting the defect's form as well would let in only
 * what nobody signs.
 */
export function verify(
  bytes: Uint8Array,
  start: number,
  end: number,
  signature: Signature,
  keys: AuthKeys | null,
): AuthVerdict {
  const digest = keys === null ? undefined : prepared(keys)[signature.index];
  if (digest === undefined) return 'unknown-key';
  return equalInConstantTime(digest(bytes, start, end), signature.digest) ? 'ok' : 'bad';
}

function equalInConstantTime(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false;
  let difference = 0;
  for (let at = 0; at < expected.length; at++) difference |= expected.charCodeAt(at) ^ given.charCodeAt(at);
  return difference === 0;
}
