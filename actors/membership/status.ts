/**
 * Status messages: the heartbeat itself. Ours (what we advertise) and everyone's (what we take from it).
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { getString } from '../../runtime/message/message.ts';
import type { Ms } from '../../runtime/units.ts';
import { ms } from '../../runtime/units.ts';
import type { NodeStatus } from '../protocols.ts';
import { joinFlow, updateFlow } from './flow.ts';
import { parseHex } from './identity.ts';
import type { NodeState, Turn } from './state.ts';
import { complain, countDrop, emit, log, send } from './state.ts';

/** Version that a status carries; a status without it comes from a node that knows no flow control. */
const PROTOCOL_VERSION = '1';

/** Queues our own status: current status word and dead time. Silent once our heart has stopped, or may have (see stall.ts). */
export function sendStatus(turn: Turn): void {
  const { state } = turn;
  if (state.mute || state.doubt !== null) return;
  // In whole milliseconds on the wire; rounded down, the others would bury us too early.
  const deadMs = Math.ceil(state.config.deadtimeMs + state.extraDeadMs);
  const { memo } = state;
  const own = [memo.string('t', 'status'), memo.string('st', state.ownStatus), memo.string('dt', deadMs.toString(16))];
  if (state.flowControl) own.push(memo.string('protocol', PROTOCOL_VERSION));
  send(turn, own);
}

/** Changes our status word, says so, and advertises it at once. */
export function setOwnStatus(turn: Turn, status: 'up' | 'active'): void {
  turn.state.ownStatus = status;
  log(turn, 'info', `Local status now set to: '${status}'`);
  sendStatus(turn);
}

/**
 * A `status` (or, from a ping node, `NS_st`) that passed the decision table.
 *
 * A status with a lower number than one already accepted arrived out of order: it says nothing about the present, neither about the
 * node's state nor about its being alive, and is ignored.
 *
 * @param seq number of the message; null for `NS_st`
 */
export function receiveStatus(turn: Turn, node: NodeState, fields: FieldList, seq: number | null, heardMs: Ms): void {
  const { state } = turn;
  const status = statusWord(node, getString(fields, 'st'));
  if (status === null) {
    complain(turn, node, 'status', 'ERROR', `process_status_message: no usable status in message of node ${node.name}`);
    countDrop(turn, node, 'bad-status');
    return;
  }
  if (seq !== null && seq < node.track.statusSeq) return;

  if (node.type === 'normal' && state.flowControl && getString(fields, 'protocol') === undefined) {
    state.flowControl = false;
    log(turn, 'WARN', 'flow control disabled due to different version heartbeat');
    updateFlow(turn);
  }
  judgeInterval(turn, node, heardMs);

  const advertised = parseHex(getString(fields, 'dt'));
  if (advertised !== null && advertised > 0) node.advertisedDeadMs = ms(advertised);
  node.lastStatusMs = ms(Math.max(node.lastStatusMs ?? heardMs, heardMs));
  if (seq !== null) node.track.statusSeq = seq;

  const previous = node.status;
  if (status === previous) return;
  node.status = status;
  if (previous === 'dead' || previous === 'init') joinFlow(state, node);
  if (node !== state.self) log(turn, 'info', `Status update for node ${node.name}: status ${status}`);
  emit(turn, { type: 'node-status', node: node.name, nodeType: node.type, status, previous, fields });
}

/** What a node of this type may say of itself. `dead` is a verdict of others. */
function statusWord(node: NodeState, text: string | undefined): NodeStatus | null {
  const word = text?.toLowerCase();
  if (node.type === 'ping') return word === 'ping' ? word : null;
  return word === 'init' || word === 'up' || word === 'active' ? word : null;
}

/** Complains about a late heartbeat. Unlike the original, which declares the node dead (again) here, only silence itself kills. */
function judgeInterval(turn: Turn, node: NodeState, heardMs: Ms): void {
  if (node.lastStatusMs === null) return;
  const { config } = turn.state;
  const intervalMs = heardMs - node.lastStatusMs;
  if (intervalMs <= config.warntimeMs) return;
  node.counters.late += 1;
  const beyond = intervalMs > config.deadtimeMs;
  const text = `Late heartbeat: Node ${node.name}: interval ${Math.round(intervalMs)} ms`;
  log(turn, beyond ? 'CRIT' : 'WARN', beyond ? `${text} (> deadtime)` : text);
}
