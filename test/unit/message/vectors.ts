/** The test vectors of the protocol page, section 21, and small helpers for messages in tests. */
import type { AuthKey, AuthKeys } from '../../../conf/settings.ts';
import { binaryField, type FieldList, field } from '../../../runtime/message/message.ts';

/** The page's status message. */
export const status: FieldList = [
  field('t', 'status'),
  field('st', 'up'),
  field('dt', '2710'),
  field('protocol', '1'),
  field('src', 'node2'),
  binaryField('srcuuid', new Uint8Array(Buffer.from('00112233445566778899aabbccddeeff', 'hex'))),
  field('seq', '1'),
  field('hg', '64'),
  field('ts', '6b02caee'),
  field('ld', '0.00 0.00 0.00 1/1 1'),
  field('ttl', '3'),
];

/** The page's nested message. */
export const nested: FieldList = [
  field('t', 'x'),
  [
    's',
    2,
    [
      ['a', 0, '1'],
      ['b', 2, [['c', 0, '2']]],
    ],
  ],
  ['l', 3, ['abc', 'defg']],
  field('q', 'two\nlines'),
];

/** Keys with one slot, which is selected. */
export function oneKey(method: AuthKey['method'], key = '', index = 1): AuthKeys {
  return { selected: index, keys: [{ index, method, key }] };
}

export const sha1Keys = oneKey('sha1', 'secretkey1');

/** Text as bytes, one byte a character. */
export function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Bytes as text, one character a byte. */
export function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
