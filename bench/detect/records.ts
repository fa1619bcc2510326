/**
 * What a run leaves: one record a line (JSON). Everything else, tables and plots, is made from them.
 */
import type { Fault } from '../peers/peer.ts';
import type { Load } from './plan.core.ts';
import type { TrialFigures } from './trial.core.ts';

interface Cell {
  readonly peer: string;
  readonly keepaliveMs: number;
  readonly deadtimeMs: number;
  readonly load: Load;
}

export interface RunRecord {
  readonly type: 'run';
  /** ISO 8601. */
  readonly date: string;
  readonly machine: string;
  readonly command: string;
  /** `capture`: an outsider on the survivor's interface; `self`: what the programs say themselves (without root). */
  readonly referee: 'capture' | 'self';
}

export interface TrialRecord extends Cell {
  readonly type: 'trial';
  readonly fault: Fault;
  readonly outcome: 'detected' | 'false-death' | 'missed';
  /** Null unless detected. */
  readonly figures: TrialFigures | null;
}

export interface SoakRecord extends Cell {
  readonly type: 'soak';
  readonly seconds: number;
  readonly falseDeaths: number;
  /** CPU time of all the survivor's processes for one heartbeat sent and one received [µs]. */
  readonly cpuPerBeatUs: number;
  readonly residentMb: number;
  /** How far the time between two of the victim's heartbeats, as they arrive, is from the keepalive time: 99 of 100 are nearer [ms]. */
  readonly jitterMs: number;
  readonly longestGapMs: number;
}

export interface SkippedRecord {
  readonly type: 'skipped';
  readonly peer: string;
  /** `5/15`, or null when it cannot run at all. */
  readonly timing: string | null;
  readonly why: string;
}

export type BenchRecord = RunRecord | TrialRecord | SoakRecord | SkippedRecord;
