import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { arrivalOf } from './arrival.core.ts';

/** Wall clock less monotonic clock [ms]. */
const offsetMs = 1_700_000_000_000;
const look = { wallMs: offsetMs + 1_000, nowMs: 1_000, emptyMs: 990, offsetBeforeMs: offsetMs };

it.each([
  ['0.25 ms ago', { stampMs: offsetMs + 999.75 }, 999.75],
  ['before the socket was seen empty: not before', { stampMs: offsetMs + 980 }, 990],
  ['in the future: now', { stampMs: offsetMs + 1_003 }, 1_000],
  ['the first datagram: now', { stampMs: offsetMs + 999, offsetBeforeMs: Number.NaN }, 1_000],
  ['the clock was set forward after the stamp: now', { stampMs: offsetMs + 999, wallMs: offsetMs + 4_601_000 }, 1_000],
  ['the clock was set back after the stamp: now', { stampMs: offsetMs + 999, wallMs: offsetMs - 3_600_000 }, 1_000],
  ['interrupted between the two clocks: now', { stampMs: offsetMs + 999, wallMs: offsetMs + 1_000.3 }, 1_000],
])('%s', (_name, changed, expectedMs) => {
  expect(arrivalOf({ ...look, ...changed }).arrivedMs).toBe(expectedMs);
});

it('believes the clock again at the datagram after it was set', () => {
  const { offsetMs: newOffsetMs } = arrivalOf({ ...look, stampMs: offsetMs + 999, wallMs: offsetMs + 61_000 });
  const next = { stampMs: newOffsetMs + 1_004.5, wallMs: newOffsetMs + 1_005, nowMs: 1_005, emptyMs: 1_000 };
  expect(arrivalOf({ ...next, offsetBeforeMs: newOffsetMs }).arrivedMs).toBe(1_004.5);
});

it('is never before the socket was seen empty, nor after now, whatever the clocks say', () => {
  const instant = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(instant, instant, instant, (stampMs, wallMs, offsetBeforeMs) => {
      const { arrivedMs } = arrivalOf({ stampMs, wallMs, offsetBeforeMs, nowMs: 1_000, emptyMs: 990 });
      expect(arrivedMs).toBeGreaterThanOrEqual(990);
      expect(arrivedMs).toBeLessThanOrEqual(1_000);
    }),
  );
});
