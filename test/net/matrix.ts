/**
 * The fault matrix as tests: what a play must have shown to be safe. Times are printed, never judged.
 */
import { expect, test } from 'vitest';
import { report, stampNoiseMs } from './cluster.ts';
import { matrix } from './faults/index.ts';
import type { PairingName, Play } from './faults/scenario.ts';
import { playScenario } from './faults/stage.ts';
import { requireLab } from './lab/require.ts';

/** A play waits for at most a few minutes, on a machine with other work. */
const playMs = 400_000;

/**
 * @param starts how often scenario 9 starts both nodes
 * @param covered scenarios that another file tests for this pairing
 */
export function matrixTests(pairing: PairingName, starts: number, covered: readonly string[]): void {
  const scenarios = matrix(starts).filter(({ id }) => !covered.includes(id));
  requireLab()(`the fault matrix, ${pairing}`, () => {
    test.concurrent.for(scenarios)('$id: $title', { timeout: playMs }, async (scenario) => {
      judge(await playScenario(scenario, pairing));
    });
  });
}

function judge(play: Play): void {
  for (const phase of play.phases) {
    const where = `${play.scenario}, ${play.pairing}, ${phase.name}`;
    report(
      `${where}: overlap ${Math.round(phase.overlapMs)} ms, outage ${Math.round(phase.outageMs)} ms (${phase.wanted.overlap ?? 'never'}), then ${phase.wanted.owner}`,
    );
    expect(phase, where).toMatchObject({ reached: true });
    if (phase.wanted.overlap !== 'unavoidable')
      expect(phase.overlapMs, `${where}: two owners`).toBeLessThanOrEqual(stampNoiseMs);
  }
  expect(play.complaints).toEqual([]);
}
