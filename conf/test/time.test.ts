/** The time grammar, value by value; each line was tried with Heartbeat 3.0.6. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseExactTime, parseTime } from '../time.ts';
import { parseBoolean, parseCInteger } from '../values.ts';

it.each([
  ['2', 2_000],
  ['.5', 500],
  ['5.', 5_000],
  ['1.5.2', 1_500],
  ['.', 0],
  ['..5', 0],
  ['500ms', 500],
  ['500MS', 500],
  ['500msfoo', 500],
  ['500..ms', 500],
  ['500.2.3ms', 500],
  ['1.5ms', 2],
  ['0.5ms', 1],
  ['0.4999ms', 0],
  ['499us', 0],
  ['500us', 1],
  ['501us', 1],
  ['500000us', 500],
  ['900000usec', 900],
  ['900000us2', 900],
  ['99999999999', 99_999_999_999_000],
])('reads %s as %d ms', (text, expected) => {
  expect(parseTime(text)).toBe(expected);
});

it.each(['', 'x', '1s', '1sec', '1x', '1m', '1u', '-1', '+1', '1e3', '0x5', '1,5', '9'.repeat(400)])(
  'refuses %s',
  (text) => {
    expect(parseTime(text)).toBeNull();
  },
);

it('rounds halves of a millisecond up, whatever the unit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), (microseconds) => {
      const rounded = Math.floor((microseconds + 500) / 1_000);
      expect(parseTime(`${microseconds}us`)).toBe(rounded);
    }),
  );
});

it('reads integers as C does', () => {
  expect(
    ['5abc', '+5', '0x10', 'abc', '', '4294967297', '2147483648', '99999999999999999999'].map(
      (text) => parseCInteger(text).value,
    ),
  ).toEqual([5, 5, 0, 0, 0, 1, -2_147_483_648, -1]);
});

it('reads booleans in any case and nothing else', () => {
  expect(['true', 'ON', 'Yes', 'Y', '1'].map(parseBoolean)).toEqual(Array(5).fill(true));
  expect(['false', 'OFF', 'No', 'n', '0'].map(parseBoolean)).toEqual(Array(5).fill(false));
  expect(['t', 'ye', '2', 'enable', 'legacy', ''].map(parseBoolean)).toEqual(Array(6).fill(null));
});

it.each([
  ['500us', 0.5],
  ['1500us', 1.5],
  ['0.75ms', 0.75],
  ['.0025', 2.5],
  ['1.2345ms', 1.235],
  ['499us', 0],
  ['5ms', 5],
  ['99.5ms', 99.5],
  ['100.5ms', 101],
  ['2', 2_000],
])('reads %s of a heartbeat as %d ms', (text, expected) => {
  expect(parseExactTime(text)).toBe(expected);
});
