/**
 * Our own lateness: a stalled process doubts itself before it doubts others.
 *
 * The core knows when it should have been called (the due time) and when it was. Late by more than a quarter of the keepalive time,
 * it has been stalled (starved, stopped, its machine paused), and so perhaps have the threads that read the media, with packets
 * still unread in the kernel. For one more keepalive time, but no longer than the stall lasted, nobody is declared dead: that
 * is time enough for the media to hand on what waits, and for a living peer to beat once more.
 *
 * Stalled for its own dead time, the node was silent to all others for as long: they have declared it dead and taken over. It must
 * not speak as if nothing had been (the original does, is then seen "returning after partition", and makes the peer that took
 * over give everything up): it says no more, judges nobody, and asks for its own restart.
 *
 * But where many machines live in one, that one may pause for some milliseconds, and all of them stand still; with a dead time of 15 ms each
 * would begin anew, and nobody would serve. So after a short stall the node first reads what has come meanwhile, and says nothing until then: a peer
 * that has declared it dead was awake for a whole dead time of ours, and has beaten in it again and again. Where nobody has, nobody has taken over.
 */
import { ms } from '../../runtime/units.ts';
import type { Beats } from '../pulse.ts';
import { limitMs } from './death.ts';
import type { MembershipState, NodeState, Turn } from './state.ts';
import { log } from './state.ts';
import { sendStatus } from './status.ts';

/** Part of the keepalive time by which a timer may be late before it counts as a stall. */
const TOLERATED_PART = 1 / 4;
/** No machine of which others are a part pauses longer [ms]; whoever was away for longer was alone in it. */
const LONGEST_DOUBT_MS = 1_000;
/** So many heartbeats fit into the stall at least: one may have been under way, and one may be lost. */
const LEAST_BEATS = 3;

/** First thing in every step: measures how late we are. */
export function noteLateness(turn: Turn): void {
  const { state, nowMs } = turn;
  // The first tick only shows how long the thread took to start.
  if (state.phase === 'starting') return;
  const { keepaliveMs } = state.config;
  const lateMs = nowMs - state.dueMs;
  if (lateMs <= keepaliveMs * TOLERATED_PART) return;
  state.holdUntilMs = Math.max(state.holdUntilMs, nowMs + Math.min(lateMs, keepaliveMs));
  if (lateMs > state.longestStallMs) state.longestStallMs = lateMs;
  if (state.dueMs === state.stalledDueMs) return;
  state.stalledDueMs = state.dueMs;
  state.stalls += 1;
  if (lateMs >= keepaliveMs) log(turn, 'WARN', `Own heartbeat late by ${Math.round(lateMs)} ms: this node was stalled`);

  const { self } = state;
  if (state.mute || state.doubt !== null || self.lastStatusMs === null) return;
  const silentMs = nowMs - self.lastStatusMs;
  if (silentMs < limitMs(state, self)) return;
  if (silentMs > LONGEST_DOUBT_MS || !wouldShow(state, silentMs)) fallSilent(turn);
  else
    state.doubt = {
      silentMs,
      newest: new Map(livePeers(state).map((node) => [node, newestSeq(state, node, 'taken')])),
    };
}

/**
 * Everything that came during the stall has been read: were the others awake? Called in the answer to a drain.
 *
 * One heartbeat of each may have been under way when everything stood still.
 */
export function settleDoubt(turn: Turn): void {
  const { state } = turn;
  if (state.doubt === null) return;
  const { silentMs, newest } = state.doubt;
  state.doubt = null;
  const wereAwake = livePeers(state).some(
    (node) => newestSeq(state, node, 'heard') - (newest.get(node) ?? Number.NEGATIVE_INFINITY) > 1,
  );
  if (wereAwake) {
    fallSilent(turn);
    return;
  }
  log(turn, 'WARN', `This node stood still for ${Math.round(silentMs)} ms, and so did all others: going on`);
  sendStatus(turn);
}

/** Whether a peer that was awake for so long must have beaten several times: one that beats seldom may have taken over without a word. */
function wouldShow(state: MembershipState, silentMs: number): boolean {
  const atLeastMs = LEAST_BEATS * state.config.keepaliveMs;
  return livePeers(state).every((node) => silentMs >= Math.max(atLeastMs, node.advertisedDeadMs ?? 0));
}

function livePeers(state: MembershipState): NodeState[] {
  return state.nodes.filter((node) => node !== state.self && node.type === 'normal' && node.status !== 'dead');
}

/** Number of a node's newest status; what was heard stands on the board before it was taken. Infinity when it was started again. */
function newestSeq(state: MembershipState, node: NodeState, which: 'taken' | 'heard'): number {
  const { beats: board } = state.config;
  let newest = node.track.statusSeq;
  if (which === 'taken' || board === undefined) return newest;
  const beats: Beats = { generation: 0, from: 0, to: 0, heardMs: 0 };
  for (let column = 0; column < board.columns.length; column++) {
    if (!board.read(node.name, column, beats)) continue;
    if (beats.generation > node.track.generation) return Number.POSITIVE_INFINITY;
    if (beats.generation === node.track.generation) newest = Math.max(newest, beats.to);
  }
  return newest;
}

function fallSilent(turn: Turn): void {
  const { state } = turn;
  const { self } = state;
  state.mute = true;
  state.restartAsked = true;
  log(turn, 'WARN', `node ${self.name}: is dead`);
  log(turn, 'ERROR', 'No local heartbeat. Forcing restart.');
  turn.out.push({ type: 'restart', reason: 'own-heart-stopped', node: self.name, afterMs: ms(0) });
}
