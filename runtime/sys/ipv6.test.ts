import { expect, it } from 'vitest';
import { formatIpv6, samePrefix } from './ipv6.ts';
import { decodeMessages } from './netlink.core.ts';
import { decodeAddress6, encodeAddress6Change } from './netlink6.core.ts';
import { parseIpv6 } from './socket-address.ts';

function ip6(text: string): Uint8Array {
  const address = parseIpv6(text);
  if (address === null) throw new Error(text);
  return address;
}

it.each([
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::1:0:0:1', 'fe80::1:0:0:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
])('%s is written %s', (text, expected) => {
  expect(formatIpv6(ip6(text))).toBe(expected);
});

it.each([
  ['2001:db8::1', '2001:db8::ffff', 64, true],
  ['2001:db8::1', '2001:db8::ffff', 112, true],
  ['2001:db8::1', '2001:db8::ffff', 113, false],
  ['2001:db8::1', '2001:db8::1', 128, true],
  ['2001:db8::1', '2001:db8::2', 128, false],
  ['8000::', '::', 1, false],
  ['8000::', 'c000::', 1, true],
  ['1::', '2::', 0, true],
])('%s and %s share %i bits: %s', (a, b, prefixLength, expected) => {
  expect(samePrefix(ip6(a), ip6(b), prefixLength)).toBe(expected);
});

it('adds an address that can be used at once, and reads it back', () => {
  const change = { linkIndex: 3, address: ip6('fd77:1::100'), prefixLength: 64 };
  const [message] = decodeMessages(encodeAddress6Change(9, 'add', change));
  expect(message).toMatchObject({ type: 20, flags: 0x605, sequence: 9 });
  expect(decodeAddress6(message?.body ?? new Uint8Array())).toEqual({
    ...change,
    permanent: true,
    noDad: true,
    dadFailed: false,
  });
  const [deletion] = decodeMessages(encodeAddress6Change(10, 'delete', change));
  expect(deletion).toMatchObject({ type: 21, flags: 0x5 });
});

it('reads nothing from an IPv4 address or a torn message', () => {
  expect(decodeAddress6(Uint8Array.of(2, 24, 0, 0, 1, 0, 0, 0))).toBeNull();
  expect(decodeAddress6(Uint8Array.of(10, 64, 0, 0, 1, 0, 0))).toBeNull();
  expect(decodeAddress6(Uint8Array.of(10, 64, 0, 0, 1, 0, 0, 0, 99, 0, 1, 0))).toBeNull();
});
