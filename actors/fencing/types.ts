/**
 * What goes into and comes out of the fencing core: devices as it sees them, inputs, effects, and the state between them. Plain data.
 */
import type { Severity } from '../../runtime/log.ts';
import type { Ms, NodeName } from '../../runtime/units.ts';
import type { Happening } from '../events.ts';

/** A fencing device as the core knows it: a name for people, and whom it can reset. Never a parameter. */
export interface DeviceInfo {
  /** The type of its line in ha.cf, with the line when several devices have the same type: `external/ipmi (line 12)`. */
  readonly id: string;
  /** The nodes it can reset; null: it is not said, the device itself refuses the others. */
  readonly targets: readonly NodeName[] | null;
}

/** How an operation ended. `bad-host`: the device says that it does not control that node. */
export type Verdict = 'ok' | 'bad-host' | 'failed';

export interface OperationOutcome {
  readonly verdict: Verdict;
  /** Of the device's program; 127 when it could not be started. */
  readonly exitCode: number;
  /** Null when it could not be started. */
  readonly pid: number | null;
  /** The end of what it printed, without secrets; one line or none. */
  readonly remark: string;
  /** It was killed after that time [ms]; null: it ended by itself. */
  readonly timedOutMs: number | null;
}

/** Why a node need not be fenced any more. */
export type CancelReason =
  /** It is heard again. */
  | 'returned'
  /** It has said that everything is released. */
  | 'left'
  /** We are leaving ourselves. */
  | 'leaving';

export type FencingInput =
  /** Communication is up: the devices are checked for the first time. */
  | { readonly type: 'comm-up' }
  /** Nothing of this node may be taken before it is off. `wasHeard` is false when it was never heard since our own start. */
  | { readonly type: 'fence'; readonly node: NodeName; readonly wasHeard: boolean }
  | { readonly type: 'cancel'; readonly why: CancelReason }
  /** The operator's word that the node is off. */
  | { readonly type: 'confirm'; readonly node: NodeName }
  | { readonly type: 'ended'; readonly operation: number; readonly outcome: OperationOutcome }
  /** {@link nextDeadlineMs} has come. */
  | { readonly type: 'timer' };

export type FencingEffect =
  /** Runs one operation of a device; answered by one `ended` with its number. `node` is null for a status. */
  | {
      readonly type: 'run';
      readonly operation: number;
      readonly device: number;
      readonly action: 'reset' | 'status';
      readonly node: NodeName | null;
    }
  /** Kills an operation that runs; it still ends, and nobody looks at the result. */
  | { readonly type: 'abort'; readonly operation: number }
  | { readonly type: 'log'; readonly severity: Severity; readonly text: string }
  | { readonly type: 'event'; readonly happening: Happening; readonly atMs: Ms }
  /** The cluster message `stonith`. */
  | { readonly type: 'tell'; readonly node: NodeName; readonly result: 'OK' | 'bad' | 'badhost' }
  /** The node is off: what it held may be taken. */
  | { readonly type: 'fenced'; readonly node: NodeName; readonly by: 'device' | 'operator' };

/** A node that is being fenced. */
export interface Pending {
  readonly node: NodeName;
  readonly wasHeard: boolean;
  readonly sinceMs: Ms;
  /** Devices of this round that have not been tried yet, by index. */
  untried: number[];
  running: { readonly operation: number; readonly device: number } | null;
  /** When the next round begins; null while one goes on. */
  retryMs: Ms | null;
  /** Operations that have ended without success. */
  failures: number;
  lastFailure: { readonly device: string; readonly atMs: Ms } | null;
  /** The operator was told what he can do. */
  toldWhatToDo: boolean;
}

export interface DeviceHealth {
  status: 'unknown' | 'ok' | 'failed';
  /** When the last check or reset ended; null: never. */
  checkedMs: Ms | null;
}

export interface FencingState {
  readonly devices: readonly DeviceInfo[];
  /** One for each device, in its order. */
  readonly health: readonly DeviceHealth[];
  pending: Pending | null;
  /** The status operation that runs, one at a time: many devices accept one connection only. */
  checking: { readonly operation: number; readonly device: number } | null;
  /** Devices whose status is due, by index. */
  unchecked: number[];
  /** When all devices are checked again; null before communication is up. */
  nextCheckMs: Ms | null;
  nextOperation: number;
}

/** What `systole status` shows of fencing. */
export interface FencingView {
  readonly devices: readonly {
    readonly device: string;
    readonly status: DeviceHealth['status'];
    /** Time since the device last answered or failed to [ms]; null: never asked. */
    readonly ageMs: number | null;
  }[];
  /** The node whose resources wait until it is fenced; null: none. */
  readonly pending: {
    readonly node: NodeName;
    readonly sinceMs: number;
    readonly failures: number;
    readonly lastFailure: { readonly device: string; readonly ageMs: number } | null;
    /** One line for people. */
    readonly waitsFor: string;
  } | null;
}
