/**
 * What a run of the benchmark does, in which order.
 */
import { type Fault, faults, type Timing } from '../peers/peer.ts';

export const loads = ['idle', 'busy'] as const;
/** `busy`: one endless loop of ordinary priority for each processor. */
export type Load = (typeof loads)[number];

export interface Plan {
  readonly timings: readonly Timing[];
  readonly faults: readonly Fault[];
  readonly loads: readonly Load[];
  /** Names of peers; null: all that are installed. */
  readonly peers: readonly string[] | null;
  readonly trials: number;
  /** How long each pair runs without a fault, to count false deaths and what it costs [s]; 0 leaves it out. */
  readonly soakS: number;
  /** SCHED_RR priority for all that can have it; null: ordinary scheduling. */
  readonly realtimePriority: number | null;
  readonly medium: 'ucast' | 'bcast' | 'mcast';
}

/** A few minutes on a small machine. */
export const defaultPlan: Plan = {
  timings: [
    { keepaliveMs: 5, deadtimeMs: 15 },
    { keepaliveMs: 10, deadtimeMs: 30 },
    { keepaliveMs: 100, deadtimeMs: 300 },
  ],
  faults,
  loads: ['idle'],
  peers: null,
  trials: 5,
  soakS: 10,
  realtimePriority: 30,
  medium: 'ucast',
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
