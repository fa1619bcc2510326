/**
 * Where a scenario is played: a pair of nodes, the referee, a client, and the book of phases.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../lab/host.ts';
import type { Timeline } from '../lab/ownership.core.ts';
import type { Probe } from '../lab/probe.ts';
import { eventually, WaitTimeoutError } from '../lab/wait.ts';
import { Pair, serviceAddress } from '../pair.ts';
import {
  type Owner,
  type Pairing,
  type PairingName,
  type Phase,
  type Play,
  pairings,
  phaseMs,
  type Scenario,
  type Wanted,
} from './scenario.ts';

/**
 * Plays a scenario from an empty lab to the end of its last phase.
 *
 * @throws Error when something goes wrong that is not a finding: a program does not start, a command fails
 */
export async function playScenario(scenario: Scenario, pairing: PairingName): Promise<Play> {
  const programs = pairings[pairing];
  const plan = scenario.plan(programs);
  await using pair = await Pair.create({
    ...plan,
    program: (host) => (host === 'node1' ? programs.node1 : programs.node2),
  });
  const stage = new Stage(pair, programs);
  try {
    await scenario.play(stage);
  } catch (error) {
    if (error instanceof Error) {
      const where = stage.phases.map((phase) => `${phase.name}: ${JSON.stringify(phase.owners)}`).join('; ');
      error.message = `${scenario.id}, ${pairing}, after [${where}]: ${error.message}\n${pair.lastWords()}`;
    }
    throw error;
  }
  return {
    scenario: scenario.id,
    title: scenario.title,
    pairing,
    phases: stage.phases,
    complaints: stage.complaints,
    notes: stage.notes,
  };
}

export class Stage {
  readonly pair: Pair;
  readonly programs: Pairing;
  readonly phases: Phase[] = [];
  readonly notes: string[] = [];
  readonly complaints: string[] = [];
  readonly #probe: Probe;

  constructor(pair: Pair, programs: Pairing) {
    this.pair = pair;
    this.programs = programs;
    this.#probe = pair.lab.probe(pair.lab.network('net0'), serviceAddress);
  }

  get node1(): Host {
    return this.pair.host('node1');
  }

  get node2(): Host {
    return this.pair.host('node2');
  }

  isReal(name: 'node1' | 'node2'): boolean {
    return this.programs[name] === 'heartbeat';
  }

  /** Both run the real program: nothing that it does is asserted. */
  get allReal(): boolean {
    return this.isReal('node1') && this.isReal('node2');
  }

  /** A sentence for the report: what a program did by itself. */
  note(text: string): void {
    this.notes.push(text);
  }

  /** A Systole node must have logged this since `fromOffset`; what the real one says is its own business. */
  expectLog(name: 'node1' | 'node2', pattern: RegExp, fromOffset = 0): void {
    if (this.isReal(name) || pattern.test(this.pair.host(name).log().slice(fromOffset))) return;
    this.complaints.push(`${name} did not log ${pattern}`);
  }

  /**
   * Does something and waits for what becomes of it. The phase ends when the wanted owner has everything, or after `withinMs`; the next one
   * begins there. That the owner is not reached is a result, not an error.
   */
  async phase(name: string, wanted: Wanted, act: () => Promise<unknown>): Promise<Phase> {
    const fromMs = Date.now();
    await act();
    const reached = await this.#waitFor(wanted);
    const timeline = await this.pair.observer.timeline();
    const toMs = Date.now();
    const phase: Phase = {
      name,
      wanted,
      owners: Object.fromEntries(this.pair.plan.resources.map((resource) => [resource, timeline.owners(resource)])),
      reached,
      ...worst(timeline, this.pair.plan.resources, fromMs, toMs),
      silentMs: this.#probe.longestSilenceMs(fromMs, toMs),
      tookMs: toMs - fromMs,
    };
    this.phases.push(phase);
    return phase;
  }

  /** Lets time pass in which nothing may happen: the observation itself takes it. @param forMs how long [ms] */
  async watch(forMs: number): Promise<void> {
    await delay(forMs);
  }

  async #waitFor(wanted: Wanted): Promise<boolean> {
    try {
      await eventually(
        () => {
          const { observer, plan } = this.pair;
          return isOwnedBy(
            wanted.owner,
            plan.resources.map((resource) => observer.ownersNow(resource)),
          );
        },
        { what: `owner: ${wanted.owner}`, timeoutMs: wanted.withinMs ?? phaseMs, intervalMs: 20 },
      );
      return true;
    } catch (error) {
      if (error instanceof WaitTimeoutError) return false;
      throw error;
    }
  }
}

function isOwnedBy(wanted: Owner, owners: readonly (readonly string[])[]): boolean {
  const [first = []] = owners;
  const same = owners.every((list) => list.join() === first.join());
  switch (wanted) {
    case 'any':
      return owners.every((list) => list.length <= 1);
    case 'one':
      return same && first.length === 1;
    case 'both':
      return same && first.length === 2;
    case 'nobody':
      return same && first.length === 0;
    case 'node1':
    case 'node2':
      return same && first.join() === wanted;
  }
}

function worst(
  timeline: Timeline,
  resources: readonly string[],
  fromMs: number,
  toMs: number,
): Pick<Phase, 'overlapMs' | 'outageMs' | 'addressOutageMs'> {
  const outageOf = (resource: string): number =>
    Math.max(0, ...timeline.gaps({ fromMs, toMs, resource }).map((span) => span.lengthMs));
  const overlapOf = (resource: string): number =>
    timeline.overlaps({ fromMs, toMs, resource }).reduce((sum, span) => sum + span.lengthMs, 0);
  return {
    overlapMs: Math.max(...resources.map(overlapOf)),
    outageMs: Math.max(...resources.map(outageOf)),
    addressOutageMs: outageOf(serviceAddress),
  };
}
