import { expect, test } from 'vitest';
import { corpusMessages } from './corpus.ts';
import { addTallies, fuzzRound, makeOriginals } from './fuzz.core.ts';

test('40 000 damaged packets: none throws, none is believed, nobody is harmed; and the fuzzer reaches what it is after', () => {
  const originals = makeOriginals(corpusMessages());
  const tally = addTallies(Array.from({ length: 20 }, (_, round) => fuzzRound(round, originals)));
  expect(tally.findings).toEqual([]);
  expect(tally.packets).toBe(40_000);
  for (const what of [
    'signature: bad',
    'signature: none',
    'signature: unknown-key',
    'malformed: a length reaches past the end',
    'malformed: a string has a NUL byte',
    'malformed: does not start as a heartbeat message',
    'an original after all',
    'insider: signed',
    'membership: old',
    'membership: replay',
    'membership: unknown-node',
    'membership: incomplete',
    'membership: bad-sequence',
  ])
    expect(tally.counts[what] ?? 0, what).toBeGreaterThan(0);
}, 60_000);

test('a round is the same each time', () => {
  const originals = makeOriginals(corpusMessages());
  expect(fuzzRound(7, originals, 500)).toEqual(fuzzRound(7, originals, 500));
});
