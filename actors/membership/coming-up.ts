/**
 * From start to `active`: first statuses, waiting until every node is heard or dead, asking a peer for the node list, communication up.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { field, getString } from '../../runtime/message/message.ts';
import { ms } from '../../runtime/units.ts';
import type { NodeState, Turn } from './state.ts';
import { complain, log, send } from './state.ts';
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
  if (state.phase === 'waiting' && state.nodes.every((node) => node.heard || node.status === 'dead')) {
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

/** Another node's `reqnodes`: answered at once, at any time, with every normal node in the order of the configuration. */
export function answerNodeList(turn: Turn, asker: NodeState): void {
  const names = turn.state.nodes.filter((node) => node.type === 'normal').map((node) => `${node.name} `);
  send(turn, [
    field('dest', asker.name),
    field('t', 'repnodes'),
    field('nodelist', names.join('')),
    // An empty list is one blank.
    field('delnodelist', ' '),
  ]);
}

/**
 * A `repnodes` ends our coming up. Its list changes nothing here: the nodes are those of our own configuration, and a peer that
 * knows others has a different configuration, which is worth a warning (the original would add and remove nodes in memory).
 */
export function receiveNodeList(turn: Turn, from: NodeState, fields: FieldList): void {
  const { state } = turn;
  const theirs = (getString(fields, 'nodelist') ?? '').split(/\s+/).filter((name) => name !== '');
  const ours = state.nodes.filter((node) => node.type === 'normal').map((node) => node.name);
  const strangers = theirs.filter((name) => !state.byName.has(name));
  const unknownThere = ours.filter((name) => !theirs.includes(name));
  if (strangers.length > 0 || unknownThere.length > 0) {
    const difference = [...strangers.map((name) => `+${name}`), ...unknownThere.map((name) => `-${name}`)].join(' ');
    complain(
      turn,
      from,
      'nodelist',
      'WARN',
      `node ${from.name} has other nodes in its ha.cf than we have: ${difference}`,
    );
  }
  if (state.phase === 'asking') communicationUp(turn);
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
