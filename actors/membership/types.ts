/**
 * What goes into the membership core and what comes out of it: configuration, inputs, effects.
 */
import type { ClusterNode, Settings } from '../../conf/settings.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import type { LinkName, Ms, NodeName } from '../../runtime/units.ts';
import type { MembershipEvent } from '../protocols.ts';
import type { Beats } from '../pulse.ts';

/** A link as membership sees it: ordinary media reach every normal node, a ping medium reaches its one ping node. */
export interface MembershipLink {
  readonly name: LinkName;
  /** The ping node behind a ping, ping6 or ping_group medium; null for an ordinary medium. */
  readonly pingNode: NodeName | null;
  /** A serial line: what it brings from other nodes is passed on over the other ones (see ring.ts). */
  readonly ring?: boolean;
}

/**
 * Everything the core needs to know, and its only doors to the outside: five functions that the shell (or a simulation) injects.
 * `random` yields [0, 1). `wallClockS` is the `ts` field [s since 1970], `loadAverage` the `ld` field (text of /proc/loadavg, or `n/a`).
 */
export interface MembershipConfig {
  readonly self: NodeName;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Boot count of this incarnation, >= 1. */
  readonly generation: number;
  /** Configuration order, self and ping nodes included. */
  readonly nodes: readonly ClusterNode[];
  readonly links: readonly MembershipLink[];
  readonly keepaliveMs: Ms;
  readonly warntimeMs: Ms;
  readonly deadtimeMs: Ms;
  readonly initdeadMs: Ms;
  readonly deadpingMs: Ms;
  readonly hopfudge: number;
  /** `max_rexmit_delay`: longest wait before, and the time between, requests for one lost message. */
  readonly maxRexmitDelayMs: Ms;
  readonly autoFailback: 'on' | 'off' | 'legacy';
  /** True in a haresources ("v1") cluster: `starting` is sent, and a healed partition asks for a restart. */
  readonly managesResources: boolean;
  /** `autojoin`: whether nodes that are not declared may come in by speaking; left out: none. */
  readonly autojoin?: Settings['autojoin'];
  /** Names that were deleted at run time, from delhostcache; left out: none. */
  readonly deleted?: readonly NodeName[];
  random(): number;
  wallClockS(): number;
  loadAverage(): string;
  /** The pulse board: newest status reception of a node on any link [monotonic ms], null = never. Read before a death is declared. */
  lastHeardMs(node: NodeName): Ms | null;
  /** The same for one link, read before the link is declared dead. */
  linkHeardMs(node: NodeName, link: LinkName): Ms | null;
  /** Where media leave heartbeats that say nothing new; left out: they tell of each. */
  readonly beats?: BeatBoard;
}

/** The pulse board, as far as the heartbeats on it go. */
export interface BeatBoard {
  /** The link of each medium. */
  readonly columns: readonly LinkName[];
  /** @returns false when that medium has heard nothing of the node */
  read(node: NodeName, column: number, into: Beats): boolean;
  /** The media shall hand over everybody's next heartbeat as a message. */
  askForWhole(): void;
}

export type MembershipInput =
  /** An authenticated message; `heardMs` is the monotonic time of its reception by the medium. */
  | {
      readonly type: 'packet';
      readonly link: LinkName;
      readonly fields: FieldList;
      readonly heardMs: Ms;
      /** Heartbeats of the same node on the same medium that were left on the board before it. */
      readonly before?: Readonly<Beats>;
    }
  /** What waits on the board is to be taken: somebody's silence may be over. */
  | { readonly type: 'look' }
  /** Time has come (see nextDeadlineMs). */
  | { readonly type: 'tick' }
  /** An own cluster message, own fields only; the core adds the envelope and the number. */
  | { readonly type: 'send'; readonly fields: FieldList }
  /** The node leaves on purpose. `forRestart` advertises 30 s more of dead time, three times, so that peers wait for our return. */
  | { readonly type: 'leaving'; readonly forRestart?: boolean }
  /** Every packet received before `untilMs` has been fed: the answer to the effect `drain`. */
  | { readonly type: 'drained'; readonly untilMs: Ms };

/** Why a packet was not used. Counted for each node, never thrown. */
export type DropReason =
  | 'incomplete'
  | 'bad-sequence'
  | 'bad-time'
  | 'bad-generation'
  | 'bad-status'
  | 'unknown-node'
  | 'own-name-taken'
  | 'not-for-us'
  | 'duplicate'
  | 'old'
  | 'replay'
  | 'stale-status'
  | 'nak';

export type LogSeverity = 'CRIT' | 'ERROR' | 'WARN' | 'info' | 'debug';

export type Effect =
  /**
   * Encode, sign and send to every medium. `fields` is complete (own fields and envelope); a retransmission hands out the very same
   * list again. Every `status` (but no resent one) also triggers the ping media.
   */
  | { readonly type: 'transmit'; readonly messageType: string; readonly fields: FieldList; readonly resent: boolean }
  /** Sign again and send to every serial medium but the one that it came `from`. */
  | { readonly type: 'pass-on'; readonly fields: FieldList; readonly from: LinkName }
  | { readonly type: 'event'; readonly event: MembershipEvent }
  | { readonly type: 'log'; readonly severity: LogSeverity; readonly text: string }
  /**
   * This node should restart itself. `partition-healed`: `node` was declared dead and speaks again with the same generation;
   * `own-heart-stopped`: we did not beat for our own dead time, so the peers have taken over; no status is sent any more.
   */
  | {
      readonly type: 'restart';
      readonly reason: 'partition-healed' | 'own-heart-stopped';
      readonly node: NodeName;
      readonly afterMs: Ms;
    }
  /** Own clients have to wait (too many unacknowledged messages), or may go on. */
  | { readonly type: 'flow-control'; readonly paused: boolean }
  /** Something may be dead: feed all waiting packets, then `drained`. Always the last effect of its step. */
  | { readonly type: 'drain' }
  | { readonly type: 'drop'; readonly reason: DropReason; readonly node: NodeName | null };
