/**
 * What a fault scenario is: a cluster, a fault, and who owns the group after each of its phases. Data and a script, without a judge: the
 * tests assert what it found, the benchmark prints it.
 */
import type { ClusterPlan, Program } from '../pair.ts';
import type { Stage } from './stage.ts';

/** The programs of node1, which prefers the group, and of node2. */
export interface Pairing {
  readonly node1: Program;
  readonly node2: Program;
}

export const pairings = {
  'systole–systole': { node1: 'systole', node2: 'systole' },
  'systole–real': { node1: 'systole', node2: 'heartbeat' },
  'real–systole': { node1: 'heartbeat', node2: 'systole' },
  'real–real': { node1: 'heartbeat', node2: 'heartbeat' },
} as const satisfies Readonly<Record<string, Pairing>>;

export type PairingName = keyof typeof pairings;

/** Who has the whole group; `one`: either of the two; `any`: what could not be stopped stays where it is, and no resource is with two. */
export type Owner = 'node1' | 'node2' | 'one' | 'both' | 'nobody' | 'any';

/** What is to become of the group in one phase. */
export interface Wanted {
  readonly owner: Owner;
  /**
   * Whether two may own it meanwhile: never, unless no program could prevent it (cut off without fencing, frozen) or the real one is known
   * not to. Default `never`.
   */
  readonly overlap?: 'never' | 'unavoidable';
  /** After this time the phase ends with whatever is [ms]; default {@link phaseMs}. */
  readonly withinMs?: number;
}

export interface Scenario {
  /** Number in the matrix, and a word: `1-stop-failback-on`. */
  readonly id: string;
  readonly title: string;
  plan(pairing: Pairing): ClusterPlan;
  /** From hosts that are configured and not started to the end. */
  play(stage: Stage): Promise<void>;
}

/** What the referee saw in one phase. */
export interface Phase {
  readonly name: string;
  readonly wanted: Wanted;
  /** Who owned each resource at the end. */
  readonly owners: Readonly<Record<string, readonly string[]>>;
  readonly reached: boolean;
  /** Time with two owners, the sum, of the worst resource [ms]. */
  readonly overlapMs: number;
  /** Longest time without an owner, of the worst resource [ms]. */
  readonly outageMs: number;
  /** As outageMs, of the address alone [ms]. */
  readonly addressOutageMs: number;
  /** Longest time without an answer to the client's requests [ms]. */
  readonly silentMs: number;
  /** From the phase's beginning to its wanted owner, or to its end [ms]. */
  readonly tookMs: number;
}

/** One scenario played by one pairing. */
export interface Play {
  readonly scenario: string;
  readonly title: string;
  readonly pairing: PairingName;
  readonly phases: readonly Phase[];
  readonly notes: readonly string[];
  /** What a Systole node should have said or done besides, and did not. */
  readonly complaints: readonly string[];
}

export const phaseMs = 90_000;
