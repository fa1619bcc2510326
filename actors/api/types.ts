/**
 * What goes into and comes out of the client core, and what it remembers of each connection.
 */
import type { Settings } from '../../conf/settings.ts';
import type { Severity } from '../../runtime/log.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import type { ClientsCast, MembershipEvent } from '../protocols.ts';
import type { Credentials } from './authorization.core.ts';
import type { LogBudget } from './log-budget.core.ts';
import type { ClusterView } from './view.core.ts';

/** What the client core needs of the configuration, and its only door to the outside. */
export interface ClientsConfig
  extends Pick<
    Settings,
    'self' | 'nodes' | 'media' | 'apiAuth' | 'keepaliveMs' | 'deadtimeMs' | 'managesResources' | 'recorded'
  > {
  /** Our own, 16 bytes. */
  readonly uuid: Uint8Array;
  /** Number of the syslog facility as openlog(3) takes it, -1 for none. */
  readonly logFacility: number;
  /** Who we are: our own plugins are clients with these ids, and our user may set any filter. */
  readonly daemon: { readonly pid: number; readonly uid: number };
  /** When a process was started [ticks since boot], null when there is none with that id. Tells a process from a later one with its number. */
  processStart(pid: number): number | null;
  /** Wall clock [s since 1970]. */
  wallClockS(): number;
}

/** What `cl_status rscstatus` answers. */
export type RscStatus = 'none' | 'local' | 'foreign' | 'all' | 'transition';

export type ClientsInput =
  | { readonly type: 'connected'; readonly connection: number; readonly credentials: Credentials }
  | { readonly type: 'frame'; readonly connection: number; readonly fields: FieldList }
  /** A frame whose body is no message. */
  | { readonly type: 'unreadable'; readonly connection: number }
  /** The connection is gone: `info` of the leave notice, e.g. `EOF`. */
  | { readonly type: 'disconnected'; readonly connection: number; readonly info: string }
  /** A connection was closed for what it is or sent. @field uid -1 when nobody looked */
  | { readonly type: 'refused'; readonly uid: number; readonly text: string }
  | MembershipEvent
  | Extract<ClientsCast, { type: 'observed' | 'rscstatus' }>
  /** Looks for clients whose process has ended while their socket lives on in another one. */
  | { readonly type: 'audit' }
  /** A process that we had started has ended. */
  | { readonly type: 'process-ended'; readonly pid: number };

export type ClientsEffect =
  | { readonly type: 'deliver'; readonly connection: number; readonly fields: FieldList }
  /** Send what waits, then close. */
  | { readonly type: 'close'; readonly connection: number }
  /** To membership: a cluster message. */
  | { readonly type: 'send'; readonly fields: FieldList }
  | { readonly type: 'signal'; readonly pid: number; readonly signal: number }
  /** Longest queue behind the socket's buffer [messages]. */
  | { readonly type: 'queue-length'; readonly connection: number; readonly messages: number }
  /** To membership: which classes of messages (bits of the filter mask) anybody wants to see beside ordinary ones. */
  | { readonly type: 'observe'; readonly mask: number }
  | { readonly type: 'log'; readonly severity: Severity; readonly text: string };

/** A connection that has signed on. */
export interface Client {
  /** A name, or for a casual client its pid. At most 31 bytes. */
  readonly id: string;
  readonly casual: boolean;
  /** Number of its sign-on since our start. */
  readonly generation: number;
  readonly startTicks: number | null;
  /** Classes of messages that it gets. */
  mask: number;
  /** Sent to its process after each frame; 0: none. */
  signal: number;
}

export interface Connection {
  readonly id: number;
  readonly credentials: Credentials;
  /** Null before the sign-on. */
  client: Client | null;
  /** The sign-on's answer, held back until the client's own join notice has come round. */
  signOnAnswer: FieldList | null;
  /** Messages in a row that could not be read. */
  unreadable: number;
  /** When its last complaint was logged [monotonic ms]: a client cannot fill the log. */
  complainedMs: number;
}

export interface ClientsState {
  readonly config: ClientsConfig;
  readonly view: ClusterView;
  /** Newest last. */
  readonly connections: Map<number, Connection>;
  rscStatus: RscStatus;
  /** Sign-on attempts since our start. */
  attempts: number;
  readonly logBudget: LogBudget;
  /** The classes that membership was last asked for. */
  observed: number;
}
