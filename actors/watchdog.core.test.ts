import { describe, expect, it } from 'vitest';
import { ms } from '../runtime/units.ts';
import type { HeartView } from './heart.ts';
import { lookMs, noProofs, type Proofs, timeoutS, watchdogStep } from './watchdog.core.ts';

const heart = (change: Partial<HeartView> = {}): HeartView => ({
  membershipMs: ms(1_000),
  mcpMs: ms(1_010),
  phase: 'running',
  seizedMs: null,
  ...change,
});
const used = (membershipMs: number, mcpMs: number): Proofs => ({ membershipMs: ms(membershipMs), mcpMs: ms(mcpMs) });

describe('watchdogStep', () => {
  it('kicks for a first beat of both', () => {
    expect(watchdogStep(heart(), noProofs)).toEqual({ type: 'kick', proofs: used(1_000, 1_010) });
  });

  it.each([
    ['membership has never beaten', heart({ membershipMs: null }), noProofs],
    ['the main thread has never turned', heart({ mcpMs: null }), noProofs],
    ['membership stands still', heart({ mcpMs: ms(5_000) }), used(1_000, 1_010)],
    ['the main thread stands still', heart({ membershipMs: ms(5_000) }), used(1_000, 1_010)],
    ['everything stands still', heart(), used(1_000, 1_010)],
    ['the node is still starting', heart({ phase: 'starting' }), noProofs],
  ])('does not kick when %s', (_name, view, proofs) => {
    expect(watchdogStep(view, proofs)).toEqual({ type: 'wait' });
  });

  it('kicks again for new beats of both', () => {
    expect(watchdogStep(heart({ membershipMs: ms(1_200), mcpMs: ms(1_060) }), used(1_000, 1_010)).type).toBe('kick');
  });

  it('lets the device go only when everything is released, beats or not', () => {
    expect(watchdogStep(heart({ phase: 'released' }), noProofs)).toEqual({ type: 'disarm' });
    expect(watchdogStep(heart({ phase: 'released' }), used(1_000, 1_010))).toEqual({ type: 'disarm' });
  });
});

describe('times', () => {
  // As the recorded run of the original: deadtime 6 s gives 7 s.
  it.each([
    [6_000, 7],
    [5_990, 6],
    [200, 1],
    [30_000, 31],
  ])('deadtime %i ms: timeout %i s', (deadtimeMs, expected) => {
    expect(timeoutS(deadtimeMs)).toBe(expected);
  });

  it.each([
    [1_000, 500],
    [20, 50],
    [60_000, 1_000],
  ])('keepalive %i ms: looks every %i ms', (keepaliveMs, expected) => {
    expect(lookMs(keepaliveMs)).toBe(expected);
  });
});
