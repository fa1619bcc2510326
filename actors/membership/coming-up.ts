/**
 * From start to `active`: first statuses, waiting until every node is heard or dead, asking a peer for the node list, communication up.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { field } from '../../runtime/message/message.ts';
import { ms } from '../../runtime/units.ts';
import { adoptNodeLists } from './roster.ts';
import type { MembershipState, NodeState, Turn } from './state.ts';
import { log, send } from './state.ts';
import { sendStatus, setOwnStatus } from './status.ts';

/** So long after the start we advertise a longer dead time, since starting children may delay our beats. */
const SETTLE_MS = 5000;
const SETTLE_EXTRA_DEAD_MS = 2000;
/** Added to the advertised dead time before a restart on purpose. */
const RESTART_EXTRA_DEAD_MS = 30_000;
const ASK_AGAIN_MS = 1000;

/** The first tick: `init`, then twice `up`, as every node of this protocol starts. */
export function startBeating(turn: Turn): void {
  const { state } = turn;
  state.phase = 'waiting';
  state.extraDeadMs = SETTLE_EXTRA_DEAD_MS;
  state.settleAtMs = ms(state.startMs + SETTLE_MS);
  sendStatus(turn);
  setOwnStatus(turn, 'up');
  sendStatus(turn);
}

/** Five seconds after the start the advertised dead time goes back to normal, with a status at once. */
export function settle(turn: Turn): void {
  const { state } = turn;
  if (state.settleAtMs === null || turn.nowMs < state.settleAtMs) return;
  state.settleAtMs = null;
  if (state.extraDeadMs > SETTLE_EXTRA_DEAD_MS) return;
  state.extraDeadMs = 0;
  sendStatus(turn);
}

/** The node leaves on purpose: one status at once; before a restart three, which ask the peers for 30 s of patience. */
export function leave(turn: Turn, forRestart: boolean): void {
  const { state } = turn;
  state.leaving = true;
  if (!forRestart) {
    sendStatus(turn);
    return;
  }
  state.extraDeadMs = RESTART_EXTRA_DEAD_MS;
  for (let copy = 0; copy < 3; copy++) sendStatus(turn);
}

/** Looks after every input whether we get on: links up → ask for the node list; nobody to ask → communication up. */
export function advance(turn: Turn): void {
  const { state } = turn;
  if (state.phase === 'waiting' && turn.nowMs >= linksUpFromMs(state) && state.nodes.every(isSettled)) {
    state.phase = 'asking';
    state.nextAskMs = turn.nowMs;
  }
  if (state.phase !== 'asking') return;
  const candidate = state.nodes.find((node) => node !== state.self && node.type === 'normal' && node.status !== 'dead');
  if (candidate === undefined || !state.flowControl) {
    communicationUp(turn);
  } else if (state.nextAskMs !== null && turn.nowMs >= state.nextAskMs) {
    state.nextAskMs = ms(turn.nowMs + ASK_AGAIN_MS);
    send(turn, [field('t', 'reqnodes'), field('dest', candidate.name)]);
  }
}

function isSettled(node: NodeState): boolean {
  return node.heard || node.status === 'dead';
}

/** With autojoin nobody can say who else will come, so the whole initdead is waited for. [monotonic ms] */
export function linksUpFromMs(state: MembershipState): number {
  const { autojoin = 'none', initdeadMs } = state.config;
  return autojoin === 'none' ? state.startMs : state.startMs + initdeadMs;
}

/** Another node's `reqnodes`: answered at once, at any time, with every normal node in the order of the configuration. */
export function answerNodeList(turn: Turn, asker: NodeState): void {
  const { state } = turn;
  const names = state.nodes.filter((node) => node.type === 'normal').map((node) => `${node.name} `);
  send(turn, [
    field('dest', asker.name),
    field('t', 'repnodes'),
    field('nodelist', names.join('')),
    // An empty list is one blank.
    field('delnodelist', state.deleted.size === 0 ? ' ' : [...state.deleted.keys()].map((name) => `${name} `).join('')),
  ]);
}

/** A `repnodes` ends our coming up. One that we have not asked for says nothing. */
export function receiveNodeList(turn: Turn, from: NodeState, fields: FieldList): void {
  if (turn.state.phase !== 'asking') return;
  adoptNodeLists(turn, from, fields);
  communicationUp(turn);
}

/** We are `active`. There is no way back. */
function communicationUp(turn: Turn): void {
  const { state } = turn;
  const { config } = state;
  state.phase = 'active';
  state.nextAskMs = null;
  log(turn, 'info', 'Comm_now_up(): updating status to active');
  setOwnStatus(turn, 'active');
  const deadNodes = state.nodes.filter((node) => node.status === 'dead').map((node) => node.name);
  // After our own status has been delivered to ourselves, before our `starting` is.
  state.outbox.push({ kind: 'event', event: { type: 'comm-up', deadNodes } });
  if (config.managesResources && config.autoFailback !== 'legacy') send(turn, [field('t', 'starting')]);
}
