/**
 * What the benchmark needs of a program that detects the death of its peer: Systole, and the others that run beside it.
 *
 * All instants are milliseconds of CLOCK_MONOTONIC, which all processes and namespaces of a machine share.
 */

import type { Host } from '../../test/net/lab/host.ts';
import type { CapturedPacket, Referee } from '../detect/referee.ts';

/** One point of the sweep [ms]. */
export interface Timing {
  readonly keepaliveMs: number;
  readonly deadtimeMs: number;
}

export const faults = ['kill', 'cut', 'freeze'] as const;
/** `kill`: SIGKILL of the peer's processes; `cut`: its cable is pulled; `freeze`: SIGSTOP of its processes. */
export type Fault = (typeof faults)[number];

export const media = ['ucast', 'bcast', 'mcast'] as const;
export type Medium = (typeof media)[number];

/** Where a match takes place: two hosts on one switch, and the address that the survivor takes over. */
export interface Arena {
  readonly survivor: Host;
  readonly victim: Host;
  /** On both hosts. */
  readonly device: string;
  readonly survivorAddress: string;
  readonly victimAddress: string;
  /** Taken by the survivor when the victim dies. */
  readonly serviceAddress: string;
  /** Watches the survivor. */
  readonly referee: Referee;
  /** Executables made from the C sources, by name. */
  readonly tools: Readonly<Record<'floor', string>>;
  /** Priority of SCHED_RR for those that can have it; null: ordinary scheduling for all. */
  readonly realtimePriority: number | null;
  /** For those that can choose. */
  readonly medium: Medium;
}

export interface Peer {
  readonly name: string;
  /** Why it cannot run on this machine; null when it can. */
  missing(): string | null;
  /** The program's own words for this timing, or why it refuses. */
  supports(
    timing: Timing,
  ): { readonly ok: true; readonly deadtimeMs: number } | { readonly ok: false; readonly why: string };
  /** Whether it takes the service address; a bare detector does not. */
  readonly takesAddress: boolean;
  /** The survivor says when it has decided ({@link Match.decidedMs}): that is waited for. Default false. */
  readonly statesDeaths?: boolean;
  /** Cannot beat by another medium: takes part on the first one of a sweep only. Default false. */
  readonly hasOwnMedium?: boolean;
  /** Its packets that show one decision come for so long, the pause between two of them [ms]; default 100. */
  readonly episodeMs?: number;
  /** Starts both nodes; they need not have met yet. */
  start(arena: Arena, timing: Timing): Promise<Match>;
}

/** Both nodes of one program, running. */
export interface Match {
  /** Resolves when both have met, the victim is healthy and (for those that take it) the address is not with the survivor. Rejects after its deadline. */
  steady(): Promise<void>;
  /** The victim's processes that beat, as this machine counts: they are killed or frozen together. */
  victimPids(): readonly number[];
  /** The survivor's processes, whose CPU time is measured. */
  survivorPids(): readonly number[];
  /** After a trial: a victim that was killed or frozen is removed and started anew; a cable is back already. {@link Match.steady} follows. */
  recover(fault: Fault): Promise<void>;
  /** The survivor's own statement of its newest decision at or after an instant; null: none yet, or it makes none. */
  decidedMs(sinceMs: number): number | null;
  /** Deaths that the survivor has declared so far; null when it does not say. */
  deaths(): number | null;
  /** A sign of life of the victim, as it arrives at the survivor. */
  isHeartbeat(packet: CapturedPacket): boolean;
  /** A packet of the survivor that shows that it has decided. */
  isReaction(packet: CapturedPacket): boolean;
  stop(): Promise<void>;
}
