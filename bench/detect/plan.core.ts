/**
 * What a run of the benchmark does, in which order.
 */
import { type Fault, faults, type Medium, type Timing } from '../peers/peer.ts';

export const loads = ['idle', 'busy'] as const;
/** `busy`: an endless loop for each processor, programs that come and go, writes to the disk; all of ordinary priority. */
export type Load = (typeof loads)[number];

export interface Plan {
  readonly timings: readonly Timing[];
  readonly faults: readonly Fault[];
  readonly loads: readonly Load[];
  readonly media: readonly Medium[];
  /** Names of peers; null: all that are installed. */
  readonly peers: readonly string[] | null;
  /** Of each fault in each setting, in each round. */
  readonly trials: number;
  /** Everything is done so many times, one peer after the other in each: what the machine does meanwhile meets all of them. */
  readonly rounds: number;
  /** How long each pair runs without a fault in each round, to count false deaths and what it costs [s]; 0 leaves it out. */
  readonly soakS: number;
  /** SCHED_RR priority for all that can have it; null: ordinary scheduling. */
  readonly realtimePriority: number | null;
}

/** A quarter of an hour on a small machine with all peers. */
export const defaultPlan: Plan = {
  timings: [
    { keepaliveMs: 5, deadtimeMs: 15 },
    { keepaliveMs: 10, deadtimeMs: 30 },
    { keepaliveMs: 20, deadtimeMs: 60 },
    { keepaliveMs: 100, deadtimeMs: 300 },
  ],
  faults,
  loads: ['idle'],
  media: ['ucast'],
  peers: null,
  trials: 5,
  rounds: 1,
  soakS: 10,
  realtimePriority: 30,
};

/** `5/15,10/30` as timings [ms]. Throws RangeError that names what is wrong. */
export function parseTimings(text: string): readonly Timing[] {
  return text.split(',').map((word) => {
    const match = /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(word.trim());
    const [keepaliveMs, deadtimeMs] = [Number(match?.[1]), Number(match?.[2])];
    if (match === null || keepaliveMs <= 0 || deadtimeMs <= keepaliveMs)
      throw new RangeError(
        `"${word}" is no timing: keepalive/deadtime in ms, as 5/15, the second longer than the first`,
      );
    return { keepaliveMs, deadtimeMs };
  });
}

/** `kill,cut` as words out of a fixed set. Throws RangeError that names the set. */
export function parseChoice<const T extends string>(text: string, known: readonly T[]): readonly T[] {
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word.trim());
    if (found === undefined) throw new RangeError(`"${word}" is none of ${known.join(', ')}`);
    return found;
  });
}

export function timingName({ keepaliveMs, deadtimeMs }: Timing): string {
  return `${keepaliveMs}/${deadtimeMs}`;
}

/** For a record: arrays of its own, which nobody else holds. */
export function copyOfPlan(plan: Plan) {
  return {
    ...plan,
    timings: [...plan.timings],
    faults: [...plan.faults],
    loads: [...plan.loads],
    media: [...plan.media],
    peers: plan.peers === null ? null : [...plan.peers],
  };
}

/** One pair of nodes in one setting: what a run goes through, one after the other. */
export interface Pairing<P> {
  readonly peer: P;
  readonly timing: Timing;
  readonly load: Load;
  readonly deadtimeMs: number;
}

/** What a plan asks of a peer; {@link import('../peers/peer.ts').Peer} is one. */
interface Contestant {
  readonly name: string;
  readonly hasOwnMedium?: boolean;
  missing(): string | null;
  supports(
    timing: Timing,
  ): { readonly ok: true; readonly deadtimeMs: number } | { readonly ok: false; readonly why: string };
}

/**
 * The pairings of one round on one medium; a peer whose medium cannot be chosen takes part on the first one only. The peers come one after the
 * other at each timing, so that what is compared is measured close together.
 *
 * @param skip told what cannot be done and why
 */
export function pairingsOf<P extends Contestant>(
  plan: Plan,
  peers: readonly P[],
  medium: Medium,
  skip: (peer: string, timing: string | null, why: string) => void,
): readonly Pairing<P>[] {
  const able = peers.filter((peer) => {
    if (medium !== plan.media[0] && peer.hasOwnMedium === true) return false;
    const missing = peer.missing();
    if (missing !== null) skip(peer.name, null, missing);
    return missing === null;
  });
  return plan.loads.flatMap((load) =>
    plan.timings.flatMap((timing) =>
      able.flatMap((peer) => {
        const support = peer.supports(timing);
        if (support.ok) return [{ peer, timing, load, deadtimeMs: support.deadtimeMs }];
        skip(peer.name, timingName(timing), support.why);
        return [];
      }),
    ),
  );
}
