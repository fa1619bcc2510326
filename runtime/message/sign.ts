/**
 * Signatures of messages: `N HEX`, the slot in authkeys and the digest by that slot's method and key.
 */
import type { AuthKeys } from '../../conf/settings.ts';
import { authMethods } from '../../plugins/auth/index.ts';
import type { Digester } from '../../plugins/auth/method.ts';
import { AuthError } from '../errors.ts';
import { authSlotCount } from './limits.ts';
import { textToBytes } from './text.ts';

/**
 * What a signature is worth: `ok`, made with the key it names; `bad`, not so; `unknown-key`, it names a slot that we
 * do not have; `none`, there is no signature. `legacy-method`: one of the two before, and by its looks from a Heartbeat 3.0.6, while we sign by a
 * method that it does not know: the two can never hear each other, whatever the keys are.
 */
export type AuthVerdict = 'ok' | 'bad' | 'unknown-key' | 'legacy-method' | 'none';

/** Prepared slots of each AuthKeys object: keys are prepared once in a thread, and go when the keys are replaced. */
const preparedKeys = new WeakMap<AuthKeys, readonly (Digester | undefined)[]>();

function prepared(keys: AuthKeys): readonly (Digester | undefined)[] {
  const known = preparedKeys.get(keys);
  if (known !== undefined) return known;
  const slots = Array.from<Digester | undefined>({ length: authSlotCount });
  for (const { index, method, key } of keys.keys) slots[index] = authMethods[method].prepare(textToBytes(key));
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

/** Blanks are C's: a no-break space is none. */
const signatureForm = /^[ \t\n\v\f\r]*([+-]?\d{1,9})[ \t\n\v\f\r]+([^ \t\n\v\f\r]+)[ \t\n\v\f\r]*$/;

/** Reads `N HEX`: a signed decimal, blanks, the digest, perhaps blanks. Null when it is no such thing. */
export function readSignature(text: string): Signature | null {
  const match = signatureForm.exec(text);
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
  if (keys === null) return 'unknown-key';
  const digest = prepared(keys)[signature.index];
  if (digest !== undefined && equalInConstantTime(digest(bytes, start, end), signature.digest)) return 'ok';
  if (isByLegacyMethod(signature, keys)) return 'legacy-method';
  return digest === undefined ? 'unknown-key' : 'bad';
}

/** Whether the digest has the form of a method that 3.0.6 has, while we sign by one of our own. */
function isByLegacyMethod(signature: Signature, keys: AuthKeys): boolean {
  const selected = keys.keys.find(({ index }) => index === keys.selected);
  if (selected === undefined || !authMethods[selected.method].own || !/^[0-9a-f]+$/.test(signature.digest))
    return false;
  const { length } = signature.digest;
  return Object.values(authMethods).some(({ own, digits: [least, most] }) => !own && length >= least && length <= most);
}

function equalInConstantTime(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false;
  let difference = 0;
  for (let at = 0; at < expected.length; at++) difference |= expected.charCodeAt(at) ^ given.charCodeAt(at);
  return difference === 0;
}
