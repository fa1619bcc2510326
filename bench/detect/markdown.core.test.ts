import { describe, expect, test } from 'vitest';
import { sampleRecords, trial } from './fixture.ts';
import { markdownReport } from './markdown.core.ts';
import { summarize } from './summary.core.ts';

/** Blocks of consecutive lines that begin with `|`. */
function tables(markdown: string): string[][] {
  return markdown
    .split('\n\n')
    .filter((block) => block.startsWith('|'))
    .map((block) => block.trim().split('\n'));
}

describe('the report', () => {
  test('has well-formed tables only, each with rows', () => {
    for (const [head, rule, ...rows] of tables(markdownReport(summarize(sampleRecords(2))))) {
      const columns = head?.split('|').length;
      expect(rule).toMatch(/^(\| --- )+\|$/);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row.split('|')).toHaveLength(columns ?? 0);
    }
  });

  test('says the figures of a setting', () => {
    const markdown = markdownReport(summarize(sampleRecords(2)));
    expect(markdown).toContain('| systole | 0.40 / 0.60 / 0.60 (3) | 0.40 / 0.60 / 0.60 (3) |');
    expect(markdown).toContain('| systole | 0 in 10 s; 100 µs (2.0×); 150 MB; 0.10, 6.0 |');
    expect(markdown).toContain('- heartbeat-3.0.6: not installed (Debian package heartbeat)');
  });

  test('tells trials that failed', () => {
    const records = [
      trial('systole', [5, 15], 0.1),
      trial('systole', [5, 15], 0, { outcome: 'false-death', figures: null }),
      trial('systole', [5, 15], 0, { outcome: 'missed', figures: null }),
    ];
    expect(markdownReport(summarize(records))).toContain('0.10 / 0.10 / 0.10 (3, 1 false deaths, 1 missed)');
    const allBad = records.slice(1);
    expect(markdownReport(summarize(allBad))).toContain('| systole | none (2, 1 false deaths, 1 missed) |');
  });

  test('has no table without rows', () => {
    const cutOnly = [trial('floor', [5, 15], 0.1, { fault: 'cut', addressMs: 0.1 })];
    for (const table of tables(markdownReport(summarize(cutOnly)))) expect(table.length).toBeGreaterThan(2);
  });

  test('of nothing is still a report', () => {
    expect(markdownReport(summarize([]))).toBe('# Detection and takeover\n');
  });
});
