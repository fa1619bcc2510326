import { describe, expect, test } from 'vitest';
import { sampleRecords, trial } from './fixture.ts';
import { plotsOf } from './plots.core.ts';
import { summarize } from './summary.core.ts';
import { decades, escapeText, linearTicks, logScale } from './svg.core.ts';
import { tagProblem } from './well-formed.ts';

describe('the plots', () => {
  test('are one set for each group, named by it when there are several', () => {
    expect(plotsOf(summarize(sampleRecords())).map((plot) => plot.name)).toEqual(['overhead', 'spread', 'takeover']);
    const two = summarize([...sampleRecords(), ...sampleRecords(1, 'busy')]);
    expect(plotsOf(two).map((plot) => plot.name)).toContain('spread-ucast-busy');
    expect(plotsOf(summarize([]))).toEqual([]);
  });

  test('are well-formed and stay within their frame', () => {
    const odd = [
      ...sampleRecords(3),
      trial('floor', [20, 60], -0.5),
      trial('a <strange> & "quoted" name', [5, 25], 4_000, { addressMs: 900 }),
      trial('slow', [0.5, 1.5], 0, { addressMs: 0 }),
    ];
    for (const { name, svg } of plotsOf(summarize(odd))) {
      expect(tagProblem(svg), name).toBeNull();
      expect(svg, name).not.toMatch(/NaN|Infinity|undefined/);
      const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)?.map(Number) ?? [];
      for (const [, axis, value] of svg.matchAll(/ (x|y|cx|cy|x1|x2|y1|y2)="(-?[\d.]+)"/g)) {
        const limit = axis?.includes('x') === true ? width : height;
        expect(Number(value), `${name} ${axis}`).toBeGreaterThanOrEqual(0);
        expect(Number(value), `${name} ${axis}`).toBeLessThanOrEqual(limit ?? 0);
      }
    }
  });

  test('name their axes with units, and the peers', () => {
    for (const { svg } of plotsOf(summarize(sampleRecords()))) {
      expect(svg).toContain('[ms]');
      expect(svg).toContain('>systole</text>');
    }
  });

  test('have no takeover when nobody takes an address', () => {
    const names = plotsOf(summarize([trial('bird-bfd', [5, 15], 0.5)])).map((plot) => plot.name);
    expect(names).toEqual(['overhead', 'spread']);
  });

  test('put a value where the axis says', () => {
    const svg = plotsOf(summarize(sampleRecords()))[1]?.svg ?? '';
    // The row's median stroke stands on the second of three equal steps of the markers.
    expect(svg.match(/floor 5\/15: 0\.20 ms/g)).toHaveLength(1);
    expect(svg.match(/floor 5\/15: median 0\.20 ms of 3/g)).toHaveLength(1);
  });
});

describe('scales', () => {
  test('logarithmic: the middle of two decades is the factor between them', () => {
    const scale = logScale([0.01, 100], [0, 400]);
    expect([0.01, 0.1, 1, 100].map(scale).map(Math.round)).toEqual([0, 100, 200, 400]);
    expect(scale(0)).toBe(0);
    expect(scale(1e9)).toBe(400);
  });

  test.each([
    [
      [0.05, 3],
      [0.01, 0.1, 1, 10],
    ],
    [[], [1, 10]],
    [[0], [0.01, 0.1]],
    [
      [0.02, 0.05],
      [0.01, 0.1],
    ],
    [[1_000], [1, 10, 100, 1_000]],
  ])('decades around %j', (values, wanted) => {
    expect(decades(values, 0.01).map((tick) => Number(tick.toPrecision(6)))).toEqual(wanted);
  });

  test('linear ticks cover the highest value', () => {
    expect(linearTicks(27, 4)).toEqual([0, 10, 20, 30]);
    expect(linearTicks(0.3, 4).map((tick) => Number(tick.toPrecision(3)))).toEqual([0, 0.1, 0.2, 0.3]);
  });
});

test('text cannot become markup', () => {
  expect(escapeText('<a href="x">&</a>')).toBe('&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;');
});
