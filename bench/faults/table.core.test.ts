import { expect, test } from 'vitest';
import type { PlayRecord } from './records.ts';
import { faultNotes, faultTable } from './table.core.ts';

type Phase = PlayRecord['phases'][number];

function phase(name: string, figures: Partial<Phase> = {}): Phase {
  return {
    name,
    wanted: { owner: 'node2' },
    owners: {},
    reached: true,
    overlapMs: 0,
    outageMs: 0,
    addressOutageMs: 0,
    silentMs: 20,
    tookMs: 100,
    ...figures,
  };
}

const records: readonly PlayRecord[] = [
  {
    scenario: '9-again',
    title: 'again and again',
    pairing: 'systole–systole',
    phases: [phase('start 1', { outageMs: 5 }), phase('start 2', { outageMs: 7.4, reached: false })],
    notes: [],
    complaints: [],
  },
  {
    scenario: '2-first',
    title: 'the first',
    pairing: 'real–real',
    phases: [phase('cut', { overlapMs: 300.2, reached: false })],
    notes: ['node1 restarted', 'node1 restarted'],
    complaints: ['node2 did not say why'],
    failed: 'a reason',
  },
];

test('scenarios in the order of their numbers, rounds in one row with the worst of each figure', () => {
  expect(faultTable(records).split('\n')).toEqual([
    '| scenario | phase | then owned by | Systole–Systole | Systole–real | real–Systole | real–real |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    '| the first | cut | node2 | – | – | – | 300 / 0 / 20 † |',
    '| again and again | start | node2 | 0 / 7 / 20 † (1 of 2) | – | – | – |',
  ]);
});

test('notes once each, and why a play has no end', () => {
  expect(faultNotes(records)).toBe(
    '- 2-first, real–real: node1 restarted; node2 did not say why; not played to the end: a reason',
  );
});
