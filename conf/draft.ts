/**
 * The state of reading ha.cf: what the statements so far have said, and what one statement may look at and change.
 */
import type { Ms } from '../runtime/units.ts';
import type { Position, Report } from './diagnostics.ts';
import type { ApiAuth, ClusterNode, MediumSpec, Place, RespawnSpec, Settings, StonithSpec } from './settings.ts';
import type { System } from './system.ts';
import type { Word } from './text.ts';

/** Mutable while ha.cf is read, then turned into {@link Settings} once. Absent values have their default. */
export interface Draft {
  readonly nodes: DraftNode[];
  readonly media: MediumSpec[];
  readonly respawn: RespawnSpec[];
  readonly apiAuth: ApiAuth[];
  readonly stonith: StonithSpec[];
  readonly env: Map<string, string>;
  readonly notActive: { readonly directive: string; readonly place: Place }[];
  /** Last written word of each option directive, with its place. */
  readonly written: Map<string, { readonly value: string; readonly position: Position }>;
  /** Directives (or what they were probably meant to be) of lines that were refused: what is missing because of that is no finding of its own. */
  readonly refused: Set<string>;

  keepaliveMs: Ms;
  deadtimeMs: Ms;
  warntimeMs: Ms | null;
  initdeadMs: Ms | null;
  deadpingMs: Ms | null;
  hopfudge: number;
  udpPort: number;
  baud: number;
  bindAddress: string | null;
  maxRexmitDelayMs: Ms;
  msgFmt: Settings['msgFmt'];
  compressionModule: Settings['compression']['module'];
  compressionThresholdKb: number;
  traditionalCompression: boolean;
  generationMethod: Settings['generationMethod'];
  uuidFrom: Settings['uuidFrom'];
  autojoin: Settings['autojoin'];
  autoFailback: Settings['autoFailback'];
  /** The word of crm or pacemaker, or null when neither is written. */
  pacemaker: string | null;
  managesResources: boolean;
  watchdog: string | null;
  realtime: boolean;
  rtprio: number | null;
  cluster: string;
  facility: string | null;
  logFile: string | null;
  debugFile: string | null;
  useLogd: boolean | null;
  syslogMsgFmt: boolean;
  logBadPackets: boolean;
  debug: number;
  mediaFailure: Settings['mediaFailure'];
  guardian: Settings['guardian'];
  stopFailure: Settings['stopFailure'];
  resourceTimeoutMs: Ms;
  monitor: Settings['monitor'];
  stonithTimeoutMs: Ms;
}

export interface DraftNode {
  /** Lower case, in full length: what haresources is compared with. */
  readonly name: string;
  readonly type: ClusterNode['type'];
  readonly position: Position;
}

/** What the readers of ha.cf share. */
export interface Reading {
  readonly draft: Draft;
  readonly report: Report;
  readonly system: System;
  /** Own name in lower case; may be empty or overlong before the checks. */
  readonly self: string;
  readonly configDir: string;
  /** The file as Heartbeat prints it: `/etc/ha.d//ha.cf`. */
  readonly originalFile: string;
}

/** One statement of the file: a directive with the rest of its line. */
export interface Statement {
  readonly directive: string;
  /** After the directive's name, without leading separators; not split. */
  readonly rest: Word;
  /** Position of the directive's name. */
  readonly position: Position;
  /** Position of a column of this line. */
  at(column: number): Position;
}

/** Reports a value that Heartbeat refuses, most often without a word about it. */
export function refuse(reading: Reading, position: Position, message: string, hint: string, original?: string): void {
  reading.report.add(position, {
    severity: 'error',
    code: 'HB_CONFIG_VALUE',
    message,
    hint,
    ...(original === undefined ? {} : { original }),
  });
}

/** Reports something that Heartbeat takes without a word. */
export function advise(reading: Reading, position: Position, message: string, hint: string): void {
  reading.report.add(position, { severity: 'warning', code: 'HB_CONFIG_VALUE', message, hint });
}

/** Notes a statement that is read and checked, but has no effect in this version. */
export function notActive(reading: Reading, directive: string, position: Position): void {
  reading.draft.notActive.push({ directive, place: position.place });
}
