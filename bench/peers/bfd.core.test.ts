import { expect, test } from 'vitest';
import { bfdSaysDead, bfdState } from './bfd.core.ts';

/** A control packet: version 1, a diagnostic code, a state. */
const packet = (diagnostic: number, state: number): Uint8Array => {
  const bytes = new Uint8Array(24);
  bytes.set([(1 << 5) | diagnostic, state << 6, 3, 24]);
  return bytes;
};

test('the state of a session', () => {
  expect([0, 1, 2, 3].map((state) => bfdState(packet(0, state)))).toEqual(['admin-down', 'down', 'init', 'up']);
});

test('only an expired detection time is a death', () => {
  expect(bfdSaysDead(packet(1, 1))).toBe(true);
  // The peer said so first (3), or the session has not begun (0), or is up again.
  expect([packet(3, 1), packet(0, 1), packet(1, 3)].map(bfdSaysDead)).toEqual([false, false, false]);
});

test('what is no control packet has no state', () => {
  expect(bfdState(new Uint8Array(23))).toBeNull();
  expect(bfdState(Uint8Array.from({ length: 24 }, () => 0xff))).toBeNull();
});
