/**
 * Acknowledgements and flow control: what every live node has, how full the history is, and whether own clients must wait.
 */

import type { FieldList } from '../../runtime/message/message.ts';
import { field, getString } from '../../runtime/message/message.ts';
import { free, HISTORY_SIZE } from './history.ts';
import { parseHex } from './identity.ts';
import type { MembershipState, NodeState, Turn } from './state.ts';
import { complain, log, send } from './state.ts';

/** Unacknowledged messages that pause the clients: half of the history. Core messages are never held back. */
const PAUSE_ABOVE = HISTORY_SIZE / 2;
/** Messages in the history that are worth a warning, and an error: 3/4 and 9/10 of it. */
const WARN_ABOVE = 375;
const ERROR_ABOVE = 450;

/** Sends `NS_ackmsg` for everything up to `seq`. A node acknowledges its own stream too, on the wire as well. */
export function acknowledge(turn: Turn, node: NodeState, seq: number): void {
  if (!turn.state.flowControl) return;
  send(turn, [field('t', 'NS_ackmsg'), field('dest', node.name), field('ackseq', seq.toString(16))]);
}

/** An `NS_ackmsg` addressed to us. */
export function receiveAck(turn: Turn, node: NodeState, fields: FieldList): void {
  const { state } = turn;
  const seq = parseHex(getString(fields, 'ackseq'));
  if (seq === null || !state.flowControl) return;
  const { highest } = state.history;
  if (seq > highest) {
    complain(
      turn,
      node,
      'ack',
      'ERROR',
      `HBDoMsg_T_ACK: corrupted ackseq current hiseq = ${highest} ackseq =${seq} in this message`,
    );
    return;
  }
  if (seq <= node.acked) return;
  node.acked = seq;
  updateFlow(turn);
}

/** A node that was absent (never heard, or dead) speaks: what was sent before is not owed to it. */
export function joinFlow(state: MembershipState, node: NodeState): void {
  node.ackFloor = state.history.highest;
}

/**
 * Recomputes the global acknowledged number (the minimum over all normal nodes that are not dead), frees the history and pauses or
 * resumes the clients. Called after an acknowledgement, a death and every own numbered message.
 */
export function updateFlow(turn: Turn): void {
  const { state } = turn;
  const { history } = state;
  state.ackedByAll = Math.max(state.ackedByAll, commonAck(state));
  free(history, state.ackedByAll, turn.nowMs);

  const unacknowledged = history.highest - state.ackedByAll;
  if (state.clientsPaused ? unacknowledged < PAUSE_ABOVE : unacknowledged > PAUSE_ABOVE) {
    state.clientsPaused = !state.clientsPaused;
    log(turn, 'info', `all clients are now ${state.clientsPaused ? 'paused' : 'resumed'}`);
    turn.out.push({ type: 'flow-control', paused: state.clientsPaused });
  }

  // What only stays because it is young (history.ts) fills nothing up: at 5 ms between heartbeats that is the whole history all the time.
  const kept = Math.min(unacknowledged, history.highest - history.low);
  const alarm = kept > ERROR_ABOVE ? 2 : kept > WARN_ABOVE ? 1 : 0;
  if (alarm > state.historyAlarm) {
    log(turn, alarm === 2 ? 'ERROR' : 'WARN', `Message hist queue is filling up (${kept} messages in queue)`);
  }
  state.historyAlarm = alarm;
}

/** With fewer than two live nodes, or without flow control, nobody's acknowledgement counts: it trails the newest number by 249. */
function commonAck(state: MembershipState): number {
  let live = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < state.nodes.length; at++) {
    const node = state.nodes[at];
    if (node === undefined || node.type !== 'normal' || node.status === 'dead') continue;
    live += 1;
    least = Math.min(least, Math.max(node.acked, node.ackFloor));
  }
  return live < 2 || !state.flowControl ? Math.max(0, state.history.highest - (PAUSE_ABOVE - 1)) : least;
}
