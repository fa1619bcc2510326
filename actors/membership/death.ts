/**
 * Death by silence, of nodes and of links. The only place that decides it.
 *
 * Silence is measured on the monotonic clock from the reception of the newest accepted status (links: of any new message or copy).
 * The limit is `initdead` until every node was heard or declared dead, then the dead time that the node itself advertises (ours if it
 * says none), `deadping` for ping nodes. A node that was never heard has been silent since our own start.
 *
 * A verdict takes three steps, so that a slow consumer can never turn a live node into a dead one:
 * 1. the deadline passes (to the millisecond: it is part of nextDeadlineMs);
 * 2. `drain`: the shell feeds all packets that wait and answers `drained`; without an answer that covers the deadline nobody dies;
 * 3. the pulse board, stamped at reception, is read: a newer stamp moves the deadline.
 * After a stall of our own the deadline is put off (stall.ts), at most by the limit itself, so a real death is never missed for ever.
 */
import { ms } from '../../runtime/units.ts';
import { updateFlow } from './flow.ts';
import { loseLink } from './links.ts';
import { forget } from './sequence.ts';
import type { LinkState, MembershipState, NodeState, Turn } from './state.ts';
import { emit, log } from './state.ts';

/** The silence limit in force for a node and its links [ms]. */
export function limitMs(state: MembershipState, node: NodeState): number {
  if (state.phase === 'starting' || state.phase === 'waiting') return state.config.initdeadMs;
  if (node.type === 'ping') return state.config.deadpingMs;
  return node.advertisedDeadMs ?? state.config.deadtimeMs;
}

/** Since when a node has been silent [monotonic ms]. */
export function silentSinceMs(node: NodeState): number {
  const processedMs = node.lastStatusMs ?? node.firstHeardMs ?? node.sinceMs;
  return node.boardMs === null ? processedMs : Math.max(processedMs, node.boardMs);
}

/** Looks at every deadline. Called on ticks and after a drain. @returns true when a verdict has to wait for a drain */
export function judgeSilence(turn: Turn): boolean {
  const { state } = turn;
  if (state.mute || state.doubt !== null) return false;
  let drainNeeded = false;
  for (const node of state.nodes) {
    if (!canDie(state, node) || !isOver(turn, nodeDeadlineMs(state, node))) continue;
    const boardMs = state.config.lastHeardMs(node.name);
    if (boardMs !== null) node.boardMs = boardMs;
    const deadlineMs = nodeDeadlineMs(state, node);
    if (!isOver(turn, deadlineMs)) continue;
    if (state.drainedUntilMs < deadlineMs) drainNeeded = true;
    else declareDead(turn, node);
  }
  for (const node of state.nodes) {
    if (node === state.self) continue;
    for (const link of node.links) {
      if (link.status === 'dead' || !isOver(turn, linkDeadlineMs(state, node, link))) continue;
      const boardMs = state.config.linkHeardMs(node.name, link.name);
      if (boardMs !== null && (link.lastMs === null || boardMs > link.lastMs)) link.lastMs = boardMs;
      const deadlineMs = linkDeadlineMs(state, node, link);
      if (!isOver(turn, deadlineMs)) continue;
      if (state.drainedUntilMs < deadlineMs) drainNeeded = true;
      else loseLink(turn, node, link);
    }
  }
  return drainNeeded;
}

/** Earliest deadline of a node or link [monotonic ms]; those that wait for a drain do not count. Infinity when nobody can die. */
export function nextSilenceMs(state: MembershipState, nowMs: number): number {
  if (state.mute) return Number.POSITIVE_INFINITY;
  const afterMs = state.drainAskedMs === null ? Number.NEGATIVE_INFINITY : nowMs;
  let earliestMs = Number.POSITIVE_INFINITY;
  const { nodes } = state;
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at];
    if (node === undefined) continue;
    if (canDie(state, node)) earliestMs = earlier(earliestMs, nodeDeadlineMs(state, node), afterMs);
    if (node === state.self) continue;
    for (let index = 0; index < node.links.length; index++) {
      const link = node.links[index];
      if (link?.status === 'up') earliestMs = earlier(earliestMs, linkDeadlineMs(state, node, link), afterMs);
    }
  }
  return earliestMs;
}

function earlier(earliestMs: number, deadlineMs: number, afterMs: number): number {
  return deadlineMs < earliestMs && deadlineMs > afterMs ? deadlineMs : earliestMs;
}

/** Our own silence is judged apart (stall.ts). */
function canDie(state: MembershipState, node: NodeState): boolean {
  return node !== state.self && node.status !== 'dead';
}

function isOver(turn: Turn, deadlineMs: number): boolean {
  return turn.nowMs >= deadlineMs;
}

function nodeDeadlineMs(state: MembershipState, node: NodeState): number {
  return excused(state, silentSinceMs(node), limitMs(state, node));
}

function linkDeadlineMs(state: MembershipState, node: NodeState, link: LinkState): number {
  return excused(state, link.lastMs ?? state.startMs, limitMs(state, node));
}

/** The deadline, put off while we doubt ourselves, but at most to twice the limit. */
function excused(state: MembershipState, sinceMs: number, limit: number): number {
  return Math.max(sinceMs + limit, Math.min(state.holdUntilMs, sinceMs + 2 * limit));
}

function declareDead(turn: Turn, node: NodeState): void {
  const { state } = turn;
  const wasHeard = node.heard;
  const silentMs = ms(turn.nowMs - silentSinceMs(node));
  const limit = ms(limitMs(state, node));
  node.status = 'dead';
  state.config.beats?.askForWhole();
  node.heard = false;
  node.firstHeardMs = null;
  forget(node.track);
  // Told before it is logged: a takeover does not wait for the disk.
  emit(turn, {
    type: 'node-dead',
    node: node.name,
    nodeType: node.type,
    wasHeard,
    silentMs,
    limitMs: limit,
    decidedMs: turn.nowMs,
  });
  log(turn, 'WARN', `node ${node.name}: is dead`);
  for (const fields of node.held.splice(0)) emit(turn, { type: 'message', from: node.name, own: false, fields });
  updateFlow(turn);
}
