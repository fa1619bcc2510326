import { expect, it } from 'vitest';
import { isWorthMeasuring, judgeLateness } from './lateness.core.ts';

it.each([
  // worst [ms], keepalive, deadtime; enough?, least dead time
  [0.2, 5, 15, true, 11],
  [2.5, 5, 15, true, 15],
  [2.6, 5, 15, false, 16],
  [0.6, 1, 3, false, 4],
  [0, 10, 30, true, 21],
  [40, 100, 300, true, 260],
  [60, 100, 300, false, 340],
])('timers up to %d ms late, keepalive %d, deadtime %d: %s', (worstMs, keepaliveMs, deadtimeMs, ok, enough) => {
  const verdict = judgeLateness([0, worstMs, 0], { keepaliveMs, deadtimeMs });
  expect(verdict).toMatchObject({ worstMs, ok, enoughDeadtimeMs: enough, roomMs: deadtimeMs - keepaliveMs });
});

it('tells the worst and the 99th of 100', () => {
  const values = Array.from({ length: 200 }, (_, index) => index / 100);
  expect(judgeLateness(values.toReversed(), { keepaliveMs: 10, deadtimeMs: 30 })).toMatchObject({
    worstMs: 1.99,
    p99Ms: 1.97,
  });
});

it('advises a dead time that is enough, and that ha.cf takes', () => {
  for (const worstMs of [0, 0.1, 1, 7, 100]) {
    const { enoughDeadtimeMs } = judgeLateness([worstMs], { keepaliveMs: 2, deadtimeMs: 5 });
    expect(judgeLateness([worstMs], { keepaliveMs: 2, deadtimeMs: enoughDeadtimeMs }).ok).toBe(true);
    expect(enoughDeadtimeMs).toBeGreaterThan(4);
  }
});

it('measures only what a second can show', () => {
  expect(isWorthMeasuring({ keepaliveMs: 100, deadtimeMs: 300 })).toBe(true);
  expect(isWorthMeasuring({ keepaliveMs: 1_000, deadtimeMs: 10_000 })).toBe(false);
});

it('refuses to judge nothing', () => {
  expect(() => judgeLateness([], { keepaliveMs: 1, deadtimeMs: 3 })).toThrow(RangeError);
});
