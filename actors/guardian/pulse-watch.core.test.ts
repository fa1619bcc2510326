import { describe, expect, it } from 'vitest';
import { judgePulse, pulseBoundMs } from './pulse-watch.core.ts';

describe('pulseBoundMs', () => {
  it.each([
    // An eighth is kept for the release, at most three seconds.
    [1_000, 875],
    [4_000, 3_500],
    [10_000, 8_750],
    [30_000, 27_000],
    // Too short to be early: at the deadline itself.
    [200, 200],
    [999, 999],
  ])('deadtime %i: %i ms', (deadtimeMs, boundMs) => {
    expect(pulseBoundMs(deadtimeMs)).toBe(boundMs);
  });
});

describe('judgePulse', () => {
  const usual = { boundMs: 750, deadtimeMs: 1_000, doubted: false };

  it.each([
    ['nothing has beaten yet', { nowMs: 10_000, dueMs: 10_000, beatMs: null }, { type: 'beats', nextMs: 10_750 }],
    ['a fresh beat', { nowMs: 10_000, dueMs: 10_000, beatMs: 9_900 }, { type: 'beats', nextMs: 10_650 }],
    ['a slow daemon', { nowMs: 10_000, dueMs: 10_000, beatMs: 9_251 }, { type: 'beats', nextMs: 10_001 }],
    ['no beat for the bound', { nowMs: 10_000, dueMs: 9_999, beatMs: 9_250 }, { type: 'stopped', silentMs: 750 }],
    // The whole machine stood still: the daemon may beat in a moment, and the peers have not taken over yet.
    ['we were late ourselves', { nowMs: 10_000, dueMs: 9_900, beatMs: 9_200 }, { type: 'doubt', nextMs: 10_050 }],
    ['late, the deadline near', { nowMs: 10_000, dueMs: 9_900, beatMs: 9_010 }, { type: 'doubt', nextMs: 10_010 }],
    ['late, the deadline past', { nowMs: 10_000, dueMs: 9_000, beatMs: 8_000 }, { type: 'stopped', silentMs: 2_000 }],
  ])('%s', (_name, look, verdict) => {
    expect(judgePulse({ ...usual, ...look })).toEqual(verdict);
  });

  it('at a short deadtime it looks twice in any case: a machine may pause for longer', () => {
    const short = { boundMs: 15, deadtimeMs: 15, nowMs: 10_000, dueMs: 9_999, beatMs: 9_980 };
    expect(judgePulse({ ...short, doubted: false })).toEqual({ type: 'doubt', nextMs: 10_003 });
    expect(judgePulse({ ...short, doubted: true })).toEqual({ type: 'stopped', silentMs: 20 });
  });

  it('doubts once', () => {
    expect(judgePulse({ ...usual, doubted: true, nowMs: 10_000, dueMs: 9_900, beatMs: 9_200 }).type).toBe('stopped');
  });
});
