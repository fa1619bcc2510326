/**
 * Carries a plan out: each peer at each timing under each load, first left alone, then fault after fault.
 */
import type { Peer } from '../peers/peer.ts';
import { type LabArena, openArena } from './arena.ts';
import { startLoad } from './load.ts';
import { type Pairing, type Plan, pairingsOf, timingName } from './plan.core.ts';
import type { BenchRecord } from './records.ts';
import { soak } from './soak.ts';
import { recover, runTrial } from './trial.ts';

export interface RunHandlers {
  record(record: BenchRecord): void;
  /** @param done steps of `total` that are finished */
  progress(done: number, total: number, what: string): void;
}

/**
 * Runs everything, each medium in a laboratory of its own. What a peer cannot do is recorded as skipped; a pair that breaks is recorded and the
 * next one goes on.
 *
 * @param signal ends the run after the step that is being done
 */
export async function runPlan(
  plan: Plan,
  peers: readonly Peer[],
  handlers: RunHandlers,
  signal?: AbortSignal,
): Promise<void> {
  const rounds = plan.media.map((medium, index) => ({
    medium,
    pairings: pairingsOf(plan, peers, medium, (peer, timing, why) => {
      if (index === 0) handlers.record({ type: 'skipped', peer, timing, why });
    }),
  }));
  const stepsEach = (plan.soakS > 0 ? 1 : 0) + plan.faults.length * plan.trials;
  const total = rounds.reduce((sum, { pairings }) => sum + pairings.length, 0) * plan.rounds * stepsEach;
  let before = 0;
  for (const { medium, pairings } of rounds) {
    const arena = await openArena(plan.realtimePriority, medium);
    try {
      for (let round = 0; round < plan.rounds; round++) {
        for (const pairing of pairings) {
          if (signal?.aborted === true) return;
          const name = `${pairing.peer.name} ${timingName(pairing.timing)} ${medium} ${pairing.load}`;
          let done = before;
          before += stepsEach;
          const step = (what: string): void => handlers.progress(done++, total, `${name} ${what}`);
          try {
            await runPairing(arena, plan, pairing, handlers, step, signal);
          } catch (error) {
            const why = `broke: ${briefly(error)}`;
            handlers.record({ type: 'skipped', peer: pairing.peer.name, timing: timingName(pairing.timing), why });
            // A cable that was pulled when it broke.
            await arena.lab.network().heal(arena.victim.name);
          }
        }
      }
    } finally {
      await arena.close();
    }
  }
  handlers.progress(total, total, 'done');
}

/** The longest reason that is shown [characters]. */
const longestReason = 300;

/** An error on one line: the first line of a stack trace alone would often name no more than a file. */
function briefly(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim();
  return text.length <= longestReason ? text : `${text.slice(0, longestReason)}…`;
}

async function runPairing(
  arena: LabArena,
  plan: Plan,
  { peer, timing, load, deadtimeMs }: Pairing<Peer>,
  handlers: RunHandlers,
  step: (what: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const cell = { peer: peer.name, ...timing, medium: arena.medium, load };
  const match = await peer.start(arena, timing);
  let endLoad = async (): Promise<void> => undefined;
  try {
    await match.steady();
    endLoad = startLoad(load);
    if (plan.soakS > 0) {
      step(`for ${plan.soakS} s`);
      handlers.record({
        type: 'soak',
        ...cell,
        ...(await soak(arena, match, timing, plan.soakS, peer.episodeMs)),
      });
    }
    for (const fault of plan.faults) {
      for (let trial = 0; trial < plan.trials; trial++) {
        if (signal?.aborted === true) return;
        step(fault);
        await match.steady();
        const result = await runTrial(arena, peer, match, timing, deadtimeMs, fault);
        const figures = result.outcome === 'detected' ? result.figures : null;
        handlers.record({ type: 'trial', ...cell, fault, outcome: result.outcome, figures });
        await recover(arena, match, fault);
      }
    }
  } finally {
    await endLoad();
    await match.stop();
  }
}
