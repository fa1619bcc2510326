import { describe, expect, test } from 'vitest';
import { compareRuns, comparisonTable } from './compare.core.ts';
import { sampleRecords, trial } from './fixture.ts';
import { summarize } from './summary.core.ts';

const before = summarize(sampleRecords(1));

describe('a comparison', () => {
  test('is of ratios to the floor: a machine that is slower for both is no regression', () => {
    const slower = sampleRecords(1).map((record) =>
      record.type === 'trial' && record.figures !== null
        ? { ...record, figures: { ...record.figures, overheadMs: record.figures.overheadMs * 5 } }
        : record,
    );
    expect(compareRuns(before, summarize(slower)).filter((one) => one.worse)).toEqual([]);
  });

  test('finds what is more than 30 % worse, and nothing less', () => {
    expect(compareRuns(before, summarize(sampleRecords(1.25))).some((one) => one.worse)).toBe(false);
    const worse = compareRuns(before, summarize(sampleRecords(1.4))).filter((one) => one.worse);
    expect(worse.map((one) => one.what)).toEqual([
      '5/15, Idle, ucast: overhead, median',
      '5/15, Idle, ucast: deadline to address, median',
      '5/15, Idle, ucast: CPU for a heartbeat',
      '10/30, Idle, ucast: overhead, median',
      '10/30, Idle, ucast: deadline to address, median',
      '10/30, Idle, ucast: CPU for a heartbeat',
    ]);
    expect(worse[0]?.now).toBeCloseTo(1.4);
  });

  test('does not call noise below a tenth of a millisecond a regression', () => {
    const tiny = (scale: number) => summarize([trial('floor', [5, 15], 0.01), trial('systole', [5, 15], 0.02 * scale)]);
    expect(compareRuns(tiny(1), tiny(4)).some((one) => one.worse)).toBe(false);
  });

  test('needs the figure in both runs', () => {
    expect(compareRuns(before, summarize(sampleRecords(9, 'busy')))).toEqual([]);
    expect(compareRuns(before, summarize([trial('systole', [5, 15], 9)]))).toEqual([]);
  });

  test('is shown as a table with the regressions marked', () => {
    const lines = comparisonTable(compareRuns(before, summarize(sampleRecords(1.4)))).split('\n');
    expect(lines).toHaveLength(2 + 6);
    expect(lines[2]).toBe('| 5/15, Idle, ucast: overhead, median | 1.00 | 1.40 | **worse** |');
  });
});
