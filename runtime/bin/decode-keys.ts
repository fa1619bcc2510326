/**
 * Keys for looking at a capture. Only the key lines of authkeys count: what a node demands of the file besides (its
 * mode, an `auth` line before the selected key) does not matter to a reader of old packets, and keys that were taken
 * out of use may be added by hand.
 */
import { readFile } from 'node:fs/promises';
import type { AuthKey, AuthKeys } from '../../conf/settings.ts';
import { authMethods, findAuthMethod } from '../../plugins/auth/index.ts';
import { authSlotCount } from '../message/limits.ts';
import { bytesToText } from '../message/text.ts';

export type KeysFile =
  | { readonly ok: true; readonly keys: AuthKeys }
  | { readonly ok: false; readonly problem: string };

/** Reads an authkeys file; the selected slot is the lowest one, as nothing is signed with it. */
export async function readKeysFile(path: string): Promise<KeysFile> {
  let text: string;
  try {
    text = bytesToText(await readFile(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { ok: false, problem: `cannot be read: ${error.message}` };
    throw error;
  }
  return parseKeys(text);
}

/**
 * Key lines are `N METHOD [KEY]`; blank lines, comments and `auth` lines are passed over; a slot defined twice has
 * its last key.
 */
export function parseKeys(text: string): KeysFile {
  const slots = new Map<number, AuthKey>();
  for (const [index, line] of text.split('\n').entries()) {
    const [slotText, method, key = ''] = line.trim().split(/[ \t\r\f\v]+/);
    if (slotText === undefined || slotText === '' || slotText.startsWith('#') || slotText.startsWith('a')) continue;
    const slot = Number(slotText);
    // The line itself may hold a key, so no message repeats it.
    const problem = (what: string): KeysFile => ({ ok: false, problem: `line ${index + 1}: ${what}` });
    if (!/^\d+$/.test(slotText) || slot >= authSlotCount)
      return problem('a key line starts with a number from 0 to 15');
    const known = findAuthMethod(method ?? '');
    if (known === undefined) return problem(`the method must be one of ${Object.keys(authMethods).join(', ')}`);
    if (!known.needsKey) slots.set(slot, { index: slot, method: known.name, key: '' });
    else if (key === '') return problem(`method ${known.name} needs a key`);
    else slots.set(slot, { index: slot, method: known.name, key });
  }
  const selected = Math.min(...slots.keys());
  if (!Number.isFinite(selected)) return { ok: false, problem: 'there is no key in it' };
  return { ok: true, keys: { selected, keys: [...slots.values()] } };
}
