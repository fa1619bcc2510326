import { expect, test } from 'vitest';
import { BeatLog } from './beats.core.ts';
import type { ContestRecord } from './contest.ts';
import { contestTable } from './table.core.ts';

function record(peer: string, cpuPerBeatUs: number, lost = 0): ContestRecord {
  const beats = new BeatLog(5, 15);
  for (let index = 0; index < 1_000; index++) beats.heard(index * 5);
  return {
    type: 'contest',
    peer,
    timing: '5/15',
    load: 'busy',
    seconds: 5,
    falseDeaths: 1,
    deaths: [],
    beats: { victim: beats.figures(), survivor: beats.figures() },
    cpuPerBeatUs,
    residentMb: { start: 100, end: 110 },
    endedAtS: null,
    lost,
  };
}

test('a row for each pair, the cost as a multiple of the floor', () => {
  const lines = contestTable([record('systole', 90), record('floor', 45, 3)])
    .trim()
    .split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[2]).toBe('| systole 5/15 busy, 5 s | 1 | 0 | 5.0 | 0.00 / 0.00 / 0.00 | 0.00 | 90 (2.0×) | 100 → 110 |');
  expect(lines[3]).toContain('| 1 (the referee lost 3 packets) |');
});
