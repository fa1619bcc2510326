import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shortNumber, spreadOf, spreadText } from './statistics.core.ts';

describe('spread', () => {
  test('of 1 to 100 in any order is known', () => {
    const values = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1);
    expect(spreadOf(values)).toEqual({ count: 100, median: 50, p90: 90, p99: 99, worst: 100 });
  });

  test('of few values is one of them', () => {
    expect(spreadOf([7])).toEqual({ count: 1, median: 7, p90: 7, p99: 7, worst: 7 });
    expect(spreadOf([3, 1, 2])).toEqual({ count: 3, median: 2, p90: 3, p99: 3, worst: 3 });
    expect(spreadOf([-1, 1])).toMatchObject({ median: -1, worst: 1 });
    expect(spreadOf([])).toBeNull();
  });

  test('never orders its quantiles wrongly', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), (values) => {
        const spread = spreadOf(values);
        if (spread === null) throw new Error('no spread of something');
        expect(spread.median).toBeLessThanOrEqual(spread.p90);
        expect(spread.p90).toBeLessThanOrEqual(spread.p99);
        expect(spread.p99).toBeLessThanOrEqual(spread.worst);
        // At least half of all are not above the median.
        expect(values.filter((value) => value <= spread.median).length * 2).toBeGreaterThanOrEqual(values.length);
      }),
    );
  });
});

test.each([
  [0, '0.00'],
  [0.079, '0.08'],
  [1.44, '1.4'],
  [-0.5, '-0.50'],
  [249.6, '250'],
])('%d is written %s', (value, written) => {
  expect(shortNumber(value)).toBe(written);
});

test('a spread as text', () => {
  expect(spreadText([0.1, 0.2, 0.3])).toBe('0.20 / 0.30 / 0.30');
  expect(spreadText([])).toBe('–');
});
