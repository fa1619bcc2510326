/**
 * Every medium beside the real Heartbeat 3.0.6: each in one way to sign by default. With SYSTOLE_MATRIX each is watched for a minute:
 * `SYSTOLE_MATRIX=full npm run test:net -- media-matrix` takes all 36 combinations (about ten minutes), a regular expression in its place
 * those that it fits (`serial`, `sha1 netstring`).
 */
import { expect, test } from 'vitest';
import { requireLab } from './lab/require.ts';
import { type Combination, everyCombination, exercise, gate } from './media-matrix.ts';

const wanted = process.env.SYSTOLE_MATRIX;
const full = wanted !== undefined;
const chosen: readonly Combination[] = [
  { medium: 'bcast', method: 'sha1', msgfmt: 'classic' },
  { medium: 'ucast', method: 'md5', msgfmt: 'netstring' },
  { medium: 'mcast', method: 'crc', msgfmt: 'classic' },
  { medium: 'serial', method: 'md5', msgfmt: 'classic' },
  { medium: 'ucast6', method: 'crc', msgfmt: 'netstring' },
  { medium: 'mcast6', method: 'sha1', msgfmt: 'netstring' },
];

/** Pairs at a time: about 200 MB each. */
const pairsAtOnce = full ? 9 : chosen.length;
const startsAtOnce = 2;
const observeMs = full ? 60_000 : 15_000;

function fits({ medium, method, msgfmt }: Combination, pattern: string): boolean {
  return pattern === 'full' || new RegExp(pattern).test(`${medium} ${method} ${msgfmt}`);
}

requireLab()('one Systole and one Heartbeat 3.0.6', () => {
  test('are one cluster on every medium', { timeout: full ? 1_800_000 : 240_000 }, async () => {
    process.setMaxListeners(0); // each lab has an exit listener
    const pairs = gate(pairsAtOnce);
    const starts = gate(startsAtOnce);
    const reports = await Promise.all(
      (full ? everyCombination.filter((one) => fits(one, wanted)) : chosen).map((combination) =>
        pairs(() => exercise(combination, observeMs, starts)),
      ),
    );
    for (const { combination, received, tookMs, problems } of reports)
      process.stdout.write(
        `matrix: ${combination}: ${received} messages in ${observeMs / 1_000} s, whole life ${(tookMs / 1_000).toFixed(0)} s${problems.length === 0 ? '' : ': FAILED'}\n`,
      );
    expect(reports.filter(({ problems }) => problems.length > 0)).toEqual([]);
  });
});
