import { describe, expect, it } from 'vitest';
import type { MessageFacts, SequenceTrack } from './sequence.ts';
import { createTrack, judge } from './sequence.ts';

/** A track of generation 5 whose newest number is 20 and newest status 18. */
function track(changes: Partial<SequenceTrack> = {}): SequenceTrack {
  return { ...createTrack(3), generation: 5, last: 20, statusSeq: 18, ...changes };
}

function facts(changes: Partial<MessageFacts> = {}): MessageFacts {
  return { messageType: 'resource', seq: 21, generation: 5, forUs: true, nakSeq: null, senderDead: false, ...changes };
}

const missing = (...numbers: number[]): Map<number, number> => new Map(numbers.map((number) => [number, 0]));
const soon = (): number => 77;

describe('decision table', () => {
  const rows: [string, SequenceTrack, MessageFacts, object][] = [
    [
      '1: NAK to us',
      track({ missing: missing(17) }),
      facts({ messageType: 'NS_nak_rexmit', nakSeq: 17 }),
      { row: 1, action: 'drop', reason: 'nak', irretrievable: 17 },
    ],
    [
      '1: NAK to another',
      track({ missing: missing(17) }),
      facts({ messageType: 'NS_nak_rexmit', nakSeq: 17, forUs: false }),
      { row: 1, irretrievable: null },
    ],
    [
      '2: other NS_ for us',
      track(),
      facts({ messageType: 'NS_ackmsg', seq: null }),
      { row: 2, action: 'keep', reason: null },
    ],
    [
      '2: other NS_ for others',
      track(),
      facts({ messageType: 'NS_ackmsg', seq: null, forUs: false }),
      { row: 2, action: 'drop', reason: 'not-for-us' },
    ],
    ['3: no number', track(), facts({ seq: null }), { row: 3, action: 'drop', reason: 'bad-sequence' }],
    [
      '3: unreadable generation',
      track(),
      facts({ generation: null }),
      { row: 3, action: 'drop', reason: 'bad-generation' },
    ],
    ['4: older generation', track(), facts({ generation: 4 }), { row: 4, action: 'drop', reason: 'replay' }],
    ['4: no generation, once one is known', track(), facts({ generation: 0 }), { row: 4, action: 'drop' }],
    [
      '5: old status of a dead node',
      track({ last: null }),
      facts({ messageType: 'status', seq: 18, senderDead: true }),
      { row: 5, action: 'drop', reason: 'stale-status', healed: false },
    ],
    [
      '6: new status of a dead node',
      track({ last: null }),
      facts({ messageType: 'status', seq: 19, senderDead: true }),
      { row: 8, action: 'keep', healed: true },
    ],
    [
      '7: status of a newer generation',
      track(),
      facts({ messageType: 'status', seq: 1, generation: 6 }),
      { row: 8, action: 'keep', restarted: true },
    ],
    [
      '7: first status ever',
      createTrack(3),
      facts({ messageType: 'status', seq: 9 }),
      { row: 8, action: 'keep', restarted: false },
    ],
    [
      '7 not: other type of a newer generation',
      track(),
      facts({ seq: 4, generation: 6 }),
      { row: 13, action: 'drop', reason: 'old' },
    ],
    ['8: next number', track(), facts(), { row: 8, action: 'keep', ack: null }],
    ['8: next number, to be acknowledged', track({ last: 22 }), facts({ seq: 23 }), { row: 8, ack: 23 }],
    [
      '8: the same, but a gap is open',
      track({ last: 22, missing: missing(19) }),
      facts({ seq: 23 }),
      { row: 8, ack: null },
    ],
    ['8: first number', track({ last: null }), facts({ seq: 500 }), { row: 8, action: 'keep' }],
    [
      '8: next number, for another',
      track({ last: 22 }),
      facts({ seq: 23, forUs: false }),
      { row: 8, action: 'drop', reason: 'not-for-us', ack: 23 },
    ],
    ['9: copy', track(), facts({ seq: 20 }), { row: 9, action: 'duplicate' }],
    [
      '10: 251 lost',
      track(),
      facts({ seq: 272 }),
      { row: 10, action: 'keep', lost: { after: 20, before: 272, count: 251 } },
    ],
    [
      '11: 250 lost',
      track(),
      facts({ seq: 271 }),
      { row: 11, action: 'keep', lost: { after: 20, before: 271, count: 250 } },
    ],
    [
      '12: a gap closes',
      track({ missing: missing(11, 15) }),
      facts({ seq: 11 }),
      { row: 12, action: 'keep', complete: false, ack: 13 },
    ],
    [
      '12: a higher gap closes',
      track({ missing: missing(11, 15) }),
      facts({ seq: 15 }),
      { row: 12, complete: false, ack: null },
    ],
    [
      '12: the lowest closes, nothing to acknowledge below the next',
      track({ missing: missing(14, 16) }),
      facts({ seq: 14 }),
      { row: 12, ack: null },
    ],
    [
      '12: the last gap closes',
      track({ missing: missing(11) }),
      facts({ seq: 11 }),
      { row: 12, complete: true, ack: 13 },
    ],
    [
      '12: for another',
      track({ missing: missing(11) }),
      facts({ seq: 11, forUs: false }),
      { row: 12, action: 'drop', reason: 'not-for-us', complete: true },
    ],
    ['13: older', track(), facts({ seq: 12 }), { row: 13, action: 'drop', reason: 'old' }],
  ];
  it.each(rows)('row %s', (_name, before, message, expected) => {
    expect(judge(before, message, soon)).toMatchObject(expected);
  });

  it('row 1 forgets the number, whoever the refusal is for', () => {
    const state = track({ missing: missing(16, 17) });
    judge(state, facts({ messageType: 'NS_nak_rexmit', nakSeq: 17, forUs: false }), soon);
    expect([...state.missing.keys()]).toEqual([16]);
  });

  it('row 1 of an older generation is a replay and changes nothing', () => {
    const state = track({ missing: missing(17) });
    const verdict = judge(state, facts({ messageType: 'NS_nak_rexmit', nakSeq: 17, generation: 4 }), soon);
    expect(verdict).toMatchObject({ row: 1, action: 'drop', irretrievable: null });
    expect(state.missing.size).toBe(1);
  });

  it('row 4 changes nothing', () => {
    const state = track({ missing: missing(17) });
    judge(state, facts({ seq: 17, generation: 4 }), soon);
    expect(state).toMatchObject({ generation: 5, last: 20, statusSeq: 18 });
    expect(state.missing.size).toBe(1);
  });

  it('row 7 starts the numbers anew', () => {
    const state = track({ missing: missing(17) });
    judge(state, facts({ messageType: 'status', seq: 3, generation: 6 }), soon);
    expect(state).toMatchObject({ generation: 6, last: 3, statusSeq: 0 });
    expect(state.missing.size).toBe(0);
  });

  it('row 10 gives the gap up, and older gaps with it', () => {
    const state = track({ missing: missing(17) });
    judge(state, facts({ seq: 300 }), soon);
    expect(state.last).toBe(300);
    expect(state.missing.size).toBe(0);
  });

  it('row 11 remembers every number between, and when to ask', () => {
    const state = track();
    judge(state, facts({ seq: 24 }), soon);
    expect([...state.missing]).toEqual([
      [21, 77],
      [22, 77],
      [23, 77],
    ]);
  });

  it('row 11 keeps at most 500 numbers and gives up the lowest', () => {
    const state = track();
    for (let seq = 22; seq <= 22 + 2 * 520; seq += 2) judge(state, facts({ seq }), soon);
    expect(state.missing.size).toBe(500);
    expect(state.missing.has(21)).toBe(false);
    expect(state.missing.has(22 + 2 * 520 - 1)).toBe(true);
  });
});
