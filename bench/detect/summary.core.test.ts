import { expect, test } from 'vitest';
import { sampleRecords, soakRecord, trial } from './fixture.ts';
import { figures, soakOf, summarize, trialsOf } from './summary.core.ts';

test('a summary knows who was measured where, the shortest timing first', () => {
  const summary = summarize([...sampleRecords(), ...sampleRecords(2, 'busy')]);
  expect(summary.peers).toEqual(['floor', 'systole', 'bird-bfd']);
  expect(summary.timings).toEqual(['5/15', '10/30']);
  expect(summary.groups).toEqual([
    { medium: 'ucast', load: 'idle' },
    { medium: 'ucast', load: 'busy' },
  ]);
  // The same reason twice is told once.
  expect(summary.skipped).toHaveLength(1);
});

test('trials are chosen by every part of a setting', () => {
  const summary = summarize([...sampleRecords(), ...sampleRecords(2, 'busy')]);
  const chosen = trialsOf(summary, { peer: 'systole', timing: '5/15', load: 'busy', medium: 'ucast' });
  expect(figures(chosen, 'overheadMs')).toEqual([0.2, 0.4, 0.6]);
  expect(trialsOf(summary, { medium: 'bcast' })).toEqual([]);
});

test('trials without a figure give none', () => {
  const missed = trial('systole', [5, 15], 0, { outcome: 'missed', figures: null });
  expect(figures([missed, trial('systole', [5, 15], 0.3)], 'overheadMs')).toEqual([0.3]);
  expect(figures([trial('systole', [5, 15], 0.3)], 'addressMs')).toEqual([]);
});

test('rounds of one setting are one: sums, means by time, worsts', () => {
  const summary = summarize([
    soakRecord('systole', [5, 15], { seconds: 10, falseDeaths: 1, cpuPerBeatUs: 100, jitterMs: 0.2, longestGapMs: 7 }),
    soakRecord('systole', [5, 15], { seconds: 30, falseDeaths: 2, cpuPerBeatUs: 200, jitterMs: 0.1, longestGapMs: 9 }),
  ]);
  expect(soakOf(summary, { peer: 'systole' })).toMatchObject({
    seconds: 40,
    falseDeaths: 3,
    cpuPerBeatUs: 175,
    jitterMs: 0.2,
    longestGapMs: 9,
  });
  expect(soakOf(summary, { peer: 'floor' })).toBeUndefined();
});
