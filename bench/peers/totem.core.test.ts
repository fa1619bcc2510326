import { expect, test } from 'vitest';
import { totemSaysFailed, totemType } from './totem.core.ts';

// As corosync 3.1.7 sent them, captured between two nodes with the ids 1 and 2.
const header = (type: string): string => `70c003${type}00`;
const token = Buffer.from(`${header('00')}0200000000000000020c000000ee0000000c`, 'hex');
const firstJoin = Buffer.from(
  `${header('03')}01000000ad03474801000000020000000000000009000000000000000100000002000000`,
  'hex',
);
const failedJoin = Buffer.from(
  `${header('03')}01000000b48940480100000002000000010000000900000000000000010000000200000002000000`,
  'hex',
);

test('the type of a packet', () => {
  expect([token, firstJoin, failedJoin].map(totemType)).toEqual(['token', 'join', 'join']);
});

test('only a join that holds a node for failed is a death', () => {
  expect([token, firstJoin, failedJoin].map(totemSaysFailed)).toEqual([false, false, true]);
});

test('what is no packet of Totem has no type', () => {
  expect(totemType(Buffer.alloc(12))).toBeNull();
  expect(totemType(Buffer.alloc(40))).toBeNull();
  expect(totemType(Buffer.from(`${header('09')}0100000000000000`, 'hex'))).toBeNull();
  expect(totemSaysFailed(failedJoin.subarray(0, 22))).toBe(false);
});
