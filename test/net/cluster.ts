/**
 * Two nodes in a lab and the questions of the acceptance scenarios: who owned the group when, how long nobody did, how long two did.
 *
 * The answers come from the referee (lab/observer.ts), never from the cluster itself.
 */

import { expect } from 'vitest';
import { eventually } from './lab/wait.ts';
import { type ClusterPlan, endMs, openLab, Pair, times } from './pair.ts';

export { type ClusterPlan, times, twoLinks } from './pair.ts';

/** What the stand-in scripts of one group take, all together: a few tens of milliseconds each, but on a busy machine [ms]. */
const scriptsMs = 1_000;
/** Noisy cores with other work: how much later than its deadline anything may come [ms]. Ends of processes have {@link endMs}. */
export const slackMs = 6_000;
/** Two processes stamp what two hosts do: shorter overlaps are their imprecision [ms]. */
export const stampNoiseMs = 20;
/** The longest time without an owner after a node fell silent. */
export const takeoverMs = times.deadtimeMs + scriptsMs + slackMs;
/** The longest time without an owner when a group is handed over by agreement. */
export const handoverMs = scriptsMs + slackMs;

/** What a scenario says about the time since something was done. */
interface Expectation {
  /** For the printed line. */
  readonly scenario: string;
  /** When it was done [epoch ms]. */
  readonly sinceMs: number;
  /** Who owns every resource in the end. */
  readonly owner: string;
  /** The longest time that a resource may be without an owner [ms]; 0: it never is. */
  readonly outageMs: number;
  /** The longest time that two may own it [ms]; default: they never do. */
  readonly overlapMs?: number;
  /** How long to wait for the owner [ms]; default what the outage allows, and as much again. */
  readonly withinMs?: number;
}

/**
 * A pair that is judged.
 *
 * ```ts
 * await using cluster = await Cluster.create(plan);
 * await cluster.up();
 * const sinceMs = await cluster.kill('node1');
 * await cluster.expectOwner({ scenario: 'SIGKILL', sinceMs, owner: 'node2', outageMs: takeoverMs });
 * ```
 */
export class Cluster extends Pair {
  /** A lab with configured hosts; nothing is started. */
  static override async create(plan: ClusterPlan): Promise<Cluster> {
    const { lab, observer } = await openLab(plan);
    return new Cluster(lab, observer, plan);
  }

  /** Both stop at the same moment: nothing is taken over, nothing is held afterwards, and no process is left. */
  async stopAll(): Promise<void> {
    const sinceMs = Date.now();
    await Promise.all(this.lab.hosts.map((host) => this.stop(host.name)));
    await this.owned(null, endMs);
    expect((await this.observer.timeline()).overlaps({ fromMs: sinceMs, atLeastMs: stampNoiseMs })).toEqual([]);
    for (const host of this.lab.hosts) {
      await eventually(() => host.processes().length === 0, {
        what: `no process left on ${host.name}`,
        timeoutMs: endMs,
      });
    }
  }

  /** Waits for the owner of everything, judges the time since, prints one line, and returns the longest outage and overlap [ms]. */
  async expectOwner(expected: Expectation): Promise<{ readonly outageMs: number; readonly overlapMs: number }> {
    const { scenario, sinceMs, owner } = expected;
    await this.owned(owner, expected.withinMs ?? 2 * expected.outageMs + slackMs);
    const timeline = await this.observer.timeline();
    const lengthsOf = (resource: string): { outageMs: number; overlapMs: number } => {
      const range = { fromMs: sinceMs, resource };
      return {
        outageMs: Math.max(0, ...timeline.gaps(range).map((span) => span.lengthMs)),
        overlapMs: timeline.overlaps(range).reduce((sum, span) => sum + span.lengthMs, 0),
      };
    };
    const lengths = this.plan.resources.map(lengthsOf);
    const outageMs = Math.max(...lengths.map((entry) => entry.outageMs));
    const overlapMs = Math.max(...lengths.map((entry) => entry.overlapMs));
    report(
      `${scenario}: overlap ${Math.round(overlapMs)} ms, outage ${Math.round(outageMs)} ms (allowed ${expected.overlapMs ?? stampNoiseMs} and ${expected.outageMs} ms)`,
    );
    expect(overlapMs, `${scenario}: two owners`).toBeLessThanOrEqual(expected.overlapMs ?? stampNoiseMs);
    expect(outageMs, `${scenario}: no owner`).toBeLessThanOrEqual(expected.outageMs);
    return { outageMs, overlapMs };
  }
}

/** One line of measurement beside vitest's own output. */
export function report(line: string): void {
  process.stderr.write(`  ${line}\n`);
}
