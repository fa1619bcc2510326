/**
 * The state of the membership core. Mutated in place by the files beside this one; nothing outside them touches it.
 */
import type { ClusterNode } from '../../conf/settings.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import type { LinkName, Ms, NodeName } from '../../runtime/units.ts';
import type { MembershipEvent, NodeStatus } from '../protocols.ts';
import { FieldMemo } from './envelope.ts';
import type { SentHistory } from './history.ts';
import { createHistory } from './history.ts';
import type { SequenceTrack } from './sequence.ts';
import { ACK_EVERY, createTrack } from './sequence.ts';
import type { DropReason, Effect, LogSeverity, MembershipConfig } from './types.ts';

/** One medium to one node. Own links are never declared dead; a link that was never heard is dead. */
export interface LinkState {
  readonly name: LinkName;
  status: 'up' | 'dead';
  /** Reception of the newest packet that was new or a copy [monotonic ms]. */
  lastMs: Ms | null;
  /** Newest number taken from the board; those are counted. */
  takenTo: number;
}

export interface NodeCounters {
  /** Authenticated messages that named this node, copies included. */
  packets: number;
  /** Numbers found missing. */
  lost: number;
  /** Statuses that came later than warntime. */
  late: number;
  /** Requests that we sent to it, and messages that we resent at its request. */
  rexmitAsked: number;
  rexmitAnswered: number;
  readonly dropped: Partial<Record<DropReason, number>>;
}

export interface NodeState {
  readonly name: NodeName;
  readonly type: 'normal' | 'ping';
  /** Since when it is a node of this cluster: our own start, or later when it was added [monotonic ms]. */
  readonly sinceMs: Ms;
  status: NodeStatus;
  /** Heard since our start, or since its last death. */
  heard: boolean;
  /** From `srcuuid`; null while unknown. */
  uuid: Uint8Array | null;
  readonly track: SequenceTrack;
  /** First packet of this life of the node [monotonic ms]; the base of its silence until a status comes. */
  firstHeardMs: Ms | null;
  /** Reception of the newest accepted status [monotonic ms]. */
  lastStatusMs: Ms | null;
  /** Newest stamp read from the pulse board [monotonic ms]. */
  boardMs: Ms | null;
  /** Dead time that the node advertises (`dt`); null: ours applies. */
  advertisedDeadMs: Ms | null;
  /** Highest own number that this node acknowledged. */
  acked: number;
  /** Numbers up to here need no acknowledgement by this node: it was not there when they were sent. */
  ackFloor: number;
  readonly links: readonly LinkState[];
  /** Messages of clients that wait until earlier numbers have come, by number (order.ts). */
  held: FieldList[];
  readonly counters: NodeCounters;
  /** When each kind of complaint about this node was logged last [monotonic ms]: at most one a second. */
  readonly complainedMs: Map<string, number>;
}

/** What waits to be sent, or told, in order. */
type Outgoing =
  | { readonly kind: 'message'; readonly fields: FieldList }
  | { readonly kind: 'event'; readonly event: MembershipEvent };

/** `starting` until the first tick; `waiting` for every node to be heard or dead; `asking` for the node list; `active`. */
type Phase = 'starting' | 'waiting' | 'asking' | 'active';

export interface MembershipState {
  readonly config: MembershipConfig;
  readonly startMs: Ms;
  /** Configuration order; those that were added come behind. Only roster.ts changes it. */
  readonly nodes: NodeState[];
  readonly byName: Map<string, NodeState>;
  /** Names that were deleted, which autojoin does not take back, with their last life as far as we know it; null: that is not known. */
  readonly deleted: Map<string, { readonly generation: number; readonly statusSeq: number } | null>;
  readonly self: NodeState;
  readonly history: SentHistory;
  readonly memo: FieldMemo;
  readonly outbox: Outgoing[];
  phase: Phase;
  ownStatus: 'init' | 'up' | 'active';
  /** Added to our dead time in the advertised one: 2 s in the first 5 s, 30 s before a restart [ms]. */
  extraDeadMs: number;
  nextKeepaliveMs: Ms;
  /** End of the first 5 s; null when past. */
  settleAtMs: Ms | null;
  /** Next `reqnodes`; null when not asking. */
  nextAskMs: Ms | null;
  /** False after a status without `protocol`: then nobody acknowledges anything any more. */
  flowControl: boolean;
  clientsPaused: boolean;
  /** How full the history was complained about: 0, 1 (more than 375) or 2 (more than 450). */
  historyAlarm: 0 | 1 | 2;
  /** Global acknowledged number. */
  ackedByAll: number;
  /** Every packet received before this instant was fed [monotonic ms]. */
  drainedUntilMs: number;
  /** When `drain` was asked for that is not answered yet [monotonic ms]; null = none. */
  drainAskedMs: Ms | null;
  /** After an own stall, nobody is declared dead before this instant [monotonic ms]. */
  holdUntilMs: number;
  stalls: number;
  /** Due time of the newest stall: the same stall is seen by every input until the tick has run. */
  stalledDueMs: number;
  longestStallMs: number;
  /** Our own heart had stopped: no more statuses, no more verdicts over others. */
  mute: boolean;
  /** We were silent for our own dead time, and find out whether the others were awake; null: no. Nothing is said and nobody judged meanwhile. */
  doubt: { readonly silentMs: number; readonly newest: ReadonlyMap<NodeState, number> } | null;
  restartAsked: boolean;
  leaving: boolean;
  /** Cache of nextDeadlineMs. */
  dueMs: number;
  /** Cache of nextVerdictMs; Infinity = nobody can die. */
  verdictDueMs: number;
  /** Packets that belong to no configured node. */
  readonly droppedStrangers: Partial<Record<DropReason, number>>;
}

/** One call of `step`: the state, the time, and the effects collected so far. */
export interface Turn {
  readonly state: MembershipState;
  readonly nowMs: Ms;
  readonly out: Effect[];
}

/**
 * Makes the state of a node that is about to start; the first tick, due at once, sends the first statuses.
 * @param nowMs start of this incarnation [monotonic ms]
 * @throws RangeError when the configuration does not list the node itself
 */
export function createState(config: MembershipConfig, nowMs: Ms): MembershipState {
  const nodes = config.nodes.map((node) => makeNode(config, node, nowMs));
  const byName = new Map<string, NodeState>(nodes.map((node) => [node.name, node]));
  const self = byName.get(config.self);
  if (self === undefined || self.type !== 'normal')
    throw new RangeError(`node ${config.self} is not in its own configuration`);
  return {
    config,
    startMs: nowMs,
    nodes,
    byName,
    deleted: new Map((config.deleted ?? []).map((name) => [name, null])),
    self,
    history: createHistory(),
    memo: new FieldMemo(),
    outbox: [],
    phase: 'starting',
    ownStatus: 'init',
    extraDeadMs: 0,
    nextKeepaliveMs: nowMs,
    settleAtMs: null,
    nextAskMs: null,
    flowControl: true,
    clientsPaused: false,
    historyAlarm: 0,
    ackedByAll: 0,
    drainedUntilMs: Number.NEGATIVE_INFINITY,
    drainAskedMs: null,
    holdUntilMs: Number.NEGATIVE_INFINITY,
    stalls: 0,
    stalledDueMs: Number.NEGATIVE_INFINITY,
    longestStallMs: 0,
    mute: false,
    doubt: null,
    restartAsked: false,
    leaving: false,
    dueMs: nowMs,
    verdictDueMs: Number.POSITIVE_INFINITY,
    droppedStrangers: {},
  };
}

/** A node that was never heard. @param sinceMs from when on its silence counts [monotonic ms] */
export function makeNode(config: MembershipConfig, node: ClusterNode, sinceMs: Ms): NodeState {
  const links = config.links.filter((link) =>
    node.type === 'ping' ? link.pingNode === node.name : link.pingNode === null,
  );
  const names = [...new Set(links.map((link) => link.name))];
  return {
    name: node.name,
    type: node.type,
    sinceMs,
    status: 'init',
    heard: false,
    uuid: node.name === config.self ? config.uuid : null,
    track: createTrack(Math.min(ACK_EVERY - 1, Math.floor(config.random() * ACK_EVERY))),
    firstHeardMs: null,
    lastStatusMs: null,
    boardMs: null,
    advertisedDeadMs: null,
    acked: 0,
    ackFloor: 0,
    links: names.map((name): LinkState => ({ name, status: 'dead', lastMs: null, takenTo: 0 })),
    held: [],
    counters: { packets: 0, lost: 0, late: 0, rexmitAsked: 0, rexmitAnswered: 0, dropped: {} },
    complainedMs: new Map(),
  };
}

export function log(turn: Turn, severity: LogSeverity, text: string): void {
  turn.out.push({ type: 'log', severity, text });
}

export function emit(turn: Turn, event: MembershipEvent): void {
  turn.out.push({ type: 'event', event });
}

/** Queues an own message; it is numbered, delivered to ourselves and transmitted when the present input has been dealt with. */
export function send(turn: Turn, fields: FieldList): void {
  turn.state.outbox.push({ kind: 'message', fields });
}

/** Counts a packet that is not used. */
export function countDrop(turn: Turn, node: NodeState | null, reason: DropReason): void {
  const dropped = node === null ? turn.state.droppedStrangers : node.counters.dropped;
  dropped[reason] = (dropped[reason] ?? 0) + 1;
  turn.out.push({ type: 'drop', reason, node: node?.name ?? null });
}

/** Logs a complaint that a flood of packets could repeat without end: at most once a second for each node and kind. */
export function complain(turn: Turn, node: NodeState, kind: string, severity: LogSeverity, text: string): void {
  const lastMs = node.complainedMs.get(kind);
  if (lastMs !== undefined && turn.nowMs - lastMs < 1000) return;
  node.complainedMs.set(kind, turn.nowMs);
  log(turn, severity, text);
}
