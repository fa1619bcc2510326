/**
 * What `systole status` shows: a plain snapshot with the age of each fact.
 */
import type { LinkName, Ms, NodeName } from '../../runtime/units.ts';
import { ms } from '../../runtime/units.ts';
import type { NodeStatus } from '../protocols.ts';
import { limitMs, silentSinceMs } from './death.ts';
import { formatUuid } from './identity.ts';
import type { MembershipState, NodeCounters } from './state.ts';
import type { DropReason } from './types.ts';

interface LinkView {
  readonly name: LinkName;
  readonly status: 'up' | 'dead';
  /** Age of the newest packet [ms]; null = none ever. */
  readonly ageMs: Ms | null;
}

interface NodeView {
  readonly name: NodeName;
  readonly type: 'normal' | 'ping';
  readonly status: NodeStatus;
  /** Age of the newest status [ms]; null = none ever. */
  readonly ageMs: Ms | null;
  /** Silence that means dead, in force now [ms]. */
  readonly limitMs: Ms;
  readonly uuid: string | null;
  /** 0 = not known. */
  readonly generation: number;
  readonly missing: number;
  readonly links: readonly LinkView[];
  readonly counters: NodeCounters;
}

export interface MembershipView {
  readonly node: NodeName;
  readonly status: 'init' | 'up' | 'active';
  readonly commUp: boolean;
  readonly generation: number;
  /** Monotonic time of this snapshot [ms]. */
  readonly asOfMs: Ms;
  readonly nodes: readonly NodeView[];
  readonly sent: { readonly highest: number; readonly ackedByAll: number; readonly kept: number };
  readonly flowControl: boolean;
  readonly clientsPaused: boolean;
  readonly stalls: { readonly count: number; readonly longestMs: Ms };
  /** Deleted at run time: not heard until hb_addnode. */
  readonly deleted: readonly string[];
  readonly droppedStrangers: Readonly<Partial<Record<DropReason, number>>>;
}

/** A snapshot that shares nothing with the state: structured-clone safe. */
export function describe(state: MembershipState, nowMs: Ms): MembershipView {
  const { history } = state;
  return {
    node: state.self.name,
    status: state.ownStatus,
    commUp: state.phase === 'active',
    generation: state.config.generation,
    asOfMs: nowMs,
    nodes: state.nodes.map((node) => ({
      name: node.name,
      type: node.type,
      status: node.status,
      ageMs:
        node.lastStatusMs === null
          ? null
          : ms(nowMs - Math.max(silentSinceMs(node), state.config.lastHeardMs(node.name) ?? 0)),
      limitMs: ms(limitMs(state, node)),
      uuid: node.uuid === null ? null : formatUuid(node.uuid),
      generation: node === state.self ? state.config.generation : node.track.generation,
      missing: node.track.missing.size,
      links: node.links.map((link) => ({
        name: link.name,
        status: link.status,
        ageMs:
          link.lastMs === null
            ? null
            : ms(nowMs - Math.max(link.lastMs, state.config.linkHeardMs(node.name, link.name) ?? 0)),
      })),
      counters: { ...node.counters, dropped: { ...node.counters.dropped } },
    })),
    sent: { highest: history.highest, ackedByAll: state.ackedByAll, kept: history.highest - history.low },
    flowControl: state.flowControl,
    clientsPaused: state.clientsPaused,
    stalls: { count: state.stalls, longestMs: ms(state.longestStallMs) },
    deleted: [...state.deleted.keys()],
    droppedStrangers: { ...state.droppedStrangers },
  };
}
