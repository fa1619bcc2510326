import { expect, test } from 'vitest';
import { sampleRecords } from './fixture.ts';
import { readRecords, recordLine } from './records.ts';

test('records are read as they were written', () => {
  const records = sampleRecords();
  const text = `${records.map(recordLine).join('\n')}\n`;
  const read = readRecords(text);
  expect(read).toHaveLength(records.length);
  expect(read.map(recordLine).join('\n')).toBe(text.trimEnd());
  expect(read[0]).toEqual(records[0]);
});

test('digits beyond the microsecond are left out', () => {
  expect(recordLine({ type: 'skipped', peer: 'x', timing: null, why: 'y' })).toBe(
    '{"type":"skipped","peer":"x","timing":null,"why":"y"}',
  );
  const [, trial] = sampleRecords(1 / 3);
  if (trial === undefined) throw new Error('the sample has a trial');
  expect(recordLine(trial)).not.toMatch(/\d\.\d{4}/);
});

test.each(['{"type":"trial"}', '{', '[]', 'null', '{"type":"other"}'])('%s is refused with its line', (line) => {
  expect(() => readRecords(`\n${line}\n`)).toThrow('line 2 is no record of this benchmark');
});
