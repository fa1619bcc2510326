/**
 * Carries a plan out: each peer at each timing under each load, first left alone, then fault after fault.
 */
import type { Peer, Timing } from '../peers/peer.ts';
import { type LabArena, openArena } from './arena.ts';
import { startLoad } from './load.ts';
import { type Load, type Plan, timingName } from './plan.core.ts';
import type { BenchRecord } from './records.ts';
import { soak } from './soak.ts';
import { recover, runTrial } from './trial.ts';

export interface RunHandlers {
  record(record: BenchRecord): void;
  /** @param done steps of `total` that are finished */
  progress(done: number, total: number, what: string): void;
}

interface Pairing {
  readonly peer: Peer;
  readonly timing: Timing;
  readonly load: Load;
  readonly deadtimeMs: number;
}

/** Runs everything in one laboratory. What a peer cannot do is recorded as skipped; a pair that breaks is recorded and the next one goes on. */
export async function runPlan(plan: Plan, peers: readonly Peer[], handlers: RunHandlers): Promise<void> {
  const pairings = pair(plan, peers, handlers);
  const stepsEach = (plan.soakS > 0 ? 1 : 0) + plan.faults.length * plan.trials;
  const total = pairings.length * stepsEach;
  const arena = await openArena(plan.realtimePriority, plan.medium);
  try {
    for (const [index, pairing] of pairings.entries()) {
      const name = `${pairing.peer.name} ${timingName(pairing.timing)} ${pairing.load}`;
      let done = index * stepsEach;
      const step = (what: string): void => handlers.progress(done++, total, `${name} ${what}`);
      try {
        await runPairing(arena, plan, pairing, handlers, step);
      } catch (error) {
        const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
        handlers.record({ type: 'skipped', peer: pairing.peer.name, timing: timingName(pairing.timing), why });
        // A cable that was pulled when it broke.
        await arena.lab.network().heal(arena.victim.name);
      }
    }
    handlers.progress(total, total, 'done');
  } finally {
    await arena.close();
  }
}

function pair(plan: Plan, peers: readonly Peer[], handlers: RunHandlers): readonly Pairing[] {
  return peers.flatMap((peer) => {
    const missing = peer.missing();
    if (missing !== null) {
      handlers.record({ type: 'skipped', peer: peer.name, timing: null, why: missing });
      return [];
    }
    return plan.timings.flatMap((timing) => {
      const support = peer.supports(timing);
      if (support.ok) return plan.loads.map((load) => ({ peer, timing, load, deadtimeMs: support.deadtimeMs }));
      handlers.record({ type: 'skipped', peer: peer.name, timing: timingName(timing), why: support.why });
      return [];
    });
  });
}

async function runPairing(
  arena: LabArena,
  plan: Plan,
  { peer, timing, load, deadtimeMs }: Pairing,
  handlers: RunHandlers,
  step: (what: string) => void,
): Promise<void> {
  const cell = { peer: peer.name, ...timing, load };
  const match = await peer.start(arena, timing);
  const endLoad = startLoad(load);
  try {
    await match.steady();
    if (plan.soakS > 0) {
      step(`for ${plan.soakS} s`);
      handlers.record({ type: 'soak', ...cell, ...(await soak(arena, match, timing, plan.soakS)) });
    }
    for (const fault of plan.faults) {
      for (let trial = 0; trial < plan.trials; trial++) {
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
