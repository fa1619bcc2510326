import { describe, expect, test } from 'vitest';
import { BeatLog } from './beats.core.ts';

/** Beats at 5 ms, moved by `offset`. */
function log(count: number, offset: (index: number) => number): BeatLog {
  const beats = new BeatLog(5, 15);
  for (let index = 0; index < count; index++) beats.heard(1_000 + index * 5 + offset(index));
  return beats;
}

describe('even beats', () => {
  test('have no jitter, no drift, nothing late', () => {
    expect(log(1_000, () => 0).figures()).toMatchObject({
      count: 1_000,
      jitterMs: { worst: 0 },
      longestGapMs: 5,
      late: 0,
      driftMs: 0,
    });
  });

  test('of less than two seconds have an unknown drift', () => {
    expect(log(300, () => 0).figures().driftMs).toBeNull();
  });

  test('none at all', () => {
    expect(new BeatLog(5, 15).figures()).toEqual({
      count: 0,
      jitterMs: { p50: 0, p99: 0, worst: 0 },
      longestGapMs: 0,
      late: 0,
      driftMs: null,
    });
  });
});

describe('jitter', () => {
  test('is the distance of a gap from the keepalive time, to a hundredth', () => {
    // Every hundredth beat is 0.8 ms late: two gaps in a hundred are off, the others are even.
    const { jitterMs, longestGapMs } = log(10_001, (index) => (index % 100 === 50 ? 0.8 : 0)).figures();
    expect(jitterMs.p50).toBeLessThanOrEqual(0.01);
    expect(jitterMs.p99).toBeCloseTo(0.8, 1);
    expect(jitterMs.worst).toBeCloseTo(0.8);
    expect(longestGapMs).toBeCloseTo(5.8);
  });

  test('beyond the histogram is still exact at its worst', () => {
    const beats = new BeatLog(5, 15);
    for (const atMs of [0, 5, 10, 10_000]) beats.heard(atMs);
    expect(beats.figures().jitterMs.worst).toBe(9_985);
  });
});

test('a gap beyond half the dead time is late', () => {
  const beats = new BeatLog(5, 15);
  for (const atMs of [0, 5, 12.4, 20, 40]) beats.heard(atMs);
  expect(beats.figures()).toMatchObject({ late: 2, longestGapMs: 20 });
});

describe('drift', () => {
  test('of a clock that is 0.1 % slow is followed over many periods', () => {
    // 12,000 beats: a minute, in which 60 ms are lost, twelve periods.
    expect(log(12_000, (index) => index * 0.005).figures().driftMs).toBeCloseTo(59, 0);
  });

  test('is not made of single late beats', () => {
    expect(log(4_000, (index) => (index % 7 === 0 ? 1.5 : 0)).figures().driftMs).toBeCloseTo(0);
  });

  test('is not made of beats that are left out', () => {
    const beats = new BeatLog(5, 15);
    for (let index = 0; index < 4_000; index++) if (index % 9 !== 0) beats.heard(index * 5);
    expect(beats.figures().driftMs).toBeCloseTo(0);
  });
});
