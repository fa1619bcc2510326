import { expect, test } from 'vitest';
import { progressLine } from './progress.core.ts';

test('the line shows how far and how long', () => {
  expect(progressLine(30, 120, 60_000, 'systole 5/15 idle kill', 80)).toBe(
    '[#####---------------]  30/120  3:00 left  systole 5/15 idle kill',
  );
  expect(progressLine(0, 120, 0, 'floor', 80)).toBe('[--------------------]   0/120  floor');
  expect(progressLine(8, 8, 1_000, 'done', 80)).toBe('[####################] 8/8  0:00 left  done');
});

test('the line never wraps', () => {
  expect(progressLine(30, 120, 60_000, 'a'.repeat(200), 60)).toHaveLength(59);
});
