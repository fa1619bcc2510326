import { describe, expect, test } from 'vitest';
import { judgeTrial, type TrialSightings } from './trial.core.ts';

/** A kill at 1,003, the last heartbeat at 1,000, dead time 15. */
const seen: TrialSightings = {
  faultMs: 1_003,
  deadtimeMs: 15,
  heartbeatsMs: [990, 995, 1_000],
  statedMs: 1_015.2,
  reactionMs: 1_015.5,
  addressMs: 1_015.4,
  arpMs: 1_015.6,
};

describe('a trial', () => {
  test('is judged by the last heartbeat on the wire and the decision', () => {
    const figures = judgeTrial(seen);
    expect(figures?.by).toBe('statement');
    expect(figures?.overheadMs).toBeCloseTo(0.2);
    expect(figures?.detectionMs).toBeCloseTo(12.2);
    expect(figures?.reactionMs).toBeCloseTo(0.3);
    expect(figures?.addressMs).toBeCloseTo(0.2);
    expect(figures?.announcedMs).toBeCloseTo(0.4);
    expect(figures?.faultToAddressMs).toBeCloseTo(12.4);
  });

  test('believes what was seen rather than what is said later', () => {
    const figures = judgeTrial({ ...seen, statedMs: 1_016 });
    expect(figures?.by).toBe('address');
    expect(figures?.overheadMs).toBeCloseTo(0.4);
    expect(figures?.addressMs).toBeCloseTo(0);
  });

  test('counts a heartbeat that arrived between the fault and the decision', () => {
    expect(judgeTrial({ ...seen, heartbeatsMs: [1_000, 1_004, 1_020] })?.overheadMs).toBeCloseTo(-3.8);
  });

  test('of a program that says nothing is judged by its packet', () => {
    const figures = judgeTrial({ ...seen, statedMs: null, addressMs: null, arpMs: null });
    expect(figures).toMatchObject({ by: 'packet', addressMs: null, announcedMs: null, faultToAddressMs: null });
  });

  test('without a sign, or without a heartbeat, is none', () => {
    expect(judgeTrial({ ...seen, statedMs: null, reactionMs: null, addressMs: null })).toBeNull();
    expect(judgeTrial({ ...seen, heartbeatsMs: [] })).toBeNull();
  });
});
