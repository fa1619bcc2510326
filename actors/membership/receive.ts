/**
 * One message on its way in: complete? from whom? new? for us? and then to whom it belongs.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { getBytes, getString } from '../../runtime/message/message.ts';
import type { LinkName, Ms } from '../../runtime/units.ts';
import { ms } from '../../runtime/units.ts';
import type { Beats } from '../pulse.ts';
import { takeBeatsOf, takeRun } from './beats.ts';
import { answerNodeList, receiveNodeList } from './coming-up.ts';
import { isUnnumbered } from './envelope.ts';
import { acknowledge, joinFlow, receiveAck } from './flow.ts';
import { formatUuid, isNilUuid, parseHex, sameUuid, UUID_BYTES } from './identity.ts';
import { refreshLink } from './links.ts';
import { deliver, deliverInOrder, releaseHeld } from './order.ts';
import { answerRexmit, firstRequestMs } from './requests.ts';
import { passOn } from './ring.ts';
import { joinByItself, livesOn, receiveAddNode, receiveDelNode } from './roster.ts';
import type { Judgement } from './sequence.ts';
import { judge } from './sequence.ts';
import type { MembershipState, NodeState, Turn } from './state.ts';
import { complain, countDrop, emit, log } from './state.ts';
import { receiveStatus, sendStatus } from './status.ts';

/** Peers' "after a healed partition I restart" comes 2 s after the discovery, so that the news can spread. */
const RESTART_AFTER_MS = ms(2000);

interface Envelope {
  readonly messageType: string;
  readonly source: string;
  /** null in `NS_` messages. */
  readonly seq: number | null;
}

/**
 * Takes in one authenticated message. Never throws, whatever the fields are.
 *
 * @param link    where it came from; null for our own messages on their way out ("loopback")
 * @param heardMs reception by the medium [monotonic ms]
 * @param before  heartbeats of the same node that the medium had left on the board
 */
export function receive(
  turn: Turn,
  link: LinkName | null,
  fields: FieldList,
  heardMs: Ms,
  before?: Readonly<Beats>,
): void {
  const { state } = turn;
  const envelope = readEnvelope(turn, fields);
  if (envelope === null) return;
  const node =
    state.byName.get(envelope.source) ??
    livesOn(turn, envelope.source, {
      type: envelope.messageType,
      generation: readGeneration(fields),
      seq: envelope.seq,
    });
  if (node === undefined) {
    if (joinByItself(turn, envelope.source)) return;
    const shown = printable(envelope.source);
    if (state.deleted.has(envelope.source)) {
      const text = `node ${shown} was deleted from this cluster and speaks: run hb_addnode ${shown}, or stop it`;
      complain(turn, state.self, 'deleted', 'ERROR', text);
      countDrop(turn, null, 'unknown-node');
      return;
    }
    complain(turn, state.self, 'stranger', 'ERROR', `process_status_message: bad node [${shown}] in message`);
    countDrop(turn, null, 'unknown-node');
    return;
  }
  if (link !== null && node !== state.self) {
    if (before !== undefined) takeRun(turn, node, link, before);
    takeBeatsOf(turn, node);
  }
  node.counters.packets += 1;
  const uuid = readUuid(fields);
  if (node === state.self && uuid !== null && !sameUuid(uuid, state.config.uuid)) {
    complain(
      turn,
      node,
      'uuid',
      'ERROR',
      `another node sends in our name ${node.name}: its uuid is ${formatUuid(uuid)}`,
    );
    countDrop(turn, node, 'own-name-taken');
    return;
  }

  const verdict = judge(
    node.track,
    {
      messageType: envelope.messageType,
      seq: envelope.seq,
      generation: readGeneration(fields),
      forUs: isForUs(state, envelope.messageType, fields),
      nakSeq: parseHex(getString(fields, 'firstseq')),
      senderDead: node.status === 'dead',
    },
    () => firstRequestMs(state, turn.nowMs),
  );
  if (verdict.reason !== null) countDrop(turn, node, verdict.reason);
  if (verdict.row === 4) {
    const generation = readGeneration(fields) ?? 0;
    const numbers = `[gen = ${generation}, curgen = ${node.track.generation}]`;
    const text = `should_drop_message: attempted replay attack [${node.name}]? ${numbers}`;
    complain(turn, node, 'replay', 'ERROR', text);
    return;
  }
  if (verdict.row === 3) {
    complain(
      turn,
      node,
      'generation',
      'ERROR',
      `no usable sequence number or generation in message of node ${node.name}`,
    );
    return;
  }
  node.heard = true;
  node.firstHeardMs ??= heardMs;
  if (uuid !== null) learnUuid(turn, node, uuid);
  tellFindings(turn, node, verdict);
  // A fresh message for somebody else proves the link as well as one for us.
  const fresh = verdict.action !== 'drop' || (verdict.row >= 8 && verdict.reason === 'not-for-us');
  if (link !== null && fresh) refreshLink(turn, node, link, heardMs);
  if (link !== null) passOn(turn, node, link, fields, verdict.row === 9);
  if (verdict.action === 'keep') dispatch(turn, node, envelope, fields, heardMs);
  releaseHeld(turn, node);
}

/** Checks what every message must have; counts and complains when it has not. */
function readEnvelope(turn: Turn, fields: FieldList): Envelope | null {
  const { self } = turn.state;
  const messageType = getString(fields, 't');
  const source = getString(fields, 'src');
  const ts = getString(fields, 'ts');
  if (messageType === undefined || source === undefined || ts === undefined) {
    complain(turn, self, 'incomplete', 'ERROR', 'missing from/ts/type');
    countDrop(turn, null, 'incomplete');
    return null;
  }
  const seqText = getString(fields, 'seq');
  const seq = parseHex(seqText);
  if (seqText === undefined ? !isUnnumbered(messageType) : seq === null) {
    complain(turn, self, 'sequence', 'ERROR', `missing or bad sequence number in message of [${printable(source)}]`);
    countDrop(turn, turn.state.byName.get(source) ?? null, 'bad-sequence');
    return null;
  }
  const sentS = parseHex(ts);
  if (sentS === null || sentS === 0) {
    countDrop(turn, turn.state.byName.get(source) ?? null, 'bad-time');
    return null;
  }
  return { messageType, source, seq: seq === 0 ? null : seq };
}

/** 0 when there is no `hg`, null when it is no number. */
function readGeneration(fields: FieldList): number | null {
  const text = getString(fields, 'hg');
  return text === undefined ? 0 : parseHex(text);
}

function readUuid(fields: FieldList): Uint8Array | null {
  const uuid = getBytes(fields, 'srcuuid');
  return uuid === undefined || uuid.length !== UUID_BYTES || isNilUuid(uuid) ? null : uuid;
}

/**
 * Addressed to us, or to all. Names decide; the uuid counts where the name is missing or nobody's. (In the original the uuid alone
 * decides numbered messages: two nodes with a copied uuid file then take each other's mail.)
 */
function isForUs(state: MembershipState, messageType: string, fields: FieldList): boolean {
  const dest = getString(fields, 'dest');
  if (dest === state.self.name) return true;
  if (isUnnumbered(messageType)) return dest === undefined;
  const uuid = getBytes(fields, 'destuuid');
  const uuidIsOurs = uuid !== undefined && sameUuid(uuid, state.config.uuid);
  if (dest !== undefined) return uuidIsOurs && !state.byName.has(dest);
  return uuid === undefined || isNilUuid(uuid) || uuidIsOurs;
}

/**
 * Remembers a node's uuid, which we need to address it. A name is never changed because of a uuid (the original renames the node, so that
 * a copied uuid file ends in two nodes taking turns in one entry): who carries a foreign uuid is told of instead.
 */
function learnUuid(turn: Turn, node: NodeState, uuid: Uint8Array): void {
  if (node.uuid !== null && sameUuid(node.uuid, uuid)) return;
  if (node.uuid !== null) log(turn, 'info', `node ${node.name} changed its uuid to ${formatUuid(uuid)}`);
  node.uuid = uuid.slice();
  const twin = turn.state.nodes.find((other) => other !== node && other.uuid !== null && sameUuid(other.uuid, uuid));
  if (twin === undefined) return;
  log(
    turn,
    'ERROR',
    `both nodes ${[node.name, twin.name].sort().join(' and ')} carry uuid ${formatUuid(uuid)} (a copied state directory?): ` +
      'remove hb_uuid on one and restart it',
  );
}

/** Logs, events and answers for what the decision table noticed. */
function tellFindings(turn: Turn, node: NodeState, verdict: Judgement): void {
  const { state } = turn;
  if (verdict.irretrievable !== null) {
    log(turn, 'ERROR', `Irretrievably lost packet: node ${node.name} seq ${verdict.irretrievable}`);
  }
  if (verdict.restarted) {
    log(turn, 'info', `Heartbeat restart on node ${node.name}`);
    node.lastStatusMs = null;
    for (const link of node.links) link.takenTo = 0;
    joinFlow(state, node);
    for (const held of node.held.splice(0)) deliver(turn, node, held);
    emit(turn, { type: 'node-restarted', node: node.name });
  }
  if (verdict.healed) healPartition(turn, node);
  if (verdict.lost !== null) {
    const { after, before, count } = verdict.lost;
    node.counters.lost += count;
    log(turn, 'WARN', `${count} lost packet(s) for [${node.name}] [${after}:${before}]`);
    if (verdict.row === 10) log(turn, 'ERROR', 'lost a lot of packets!');
  }
  if (verdict.complete) log(turn, 'info', `No pkts missing from ${node.name}!`);
  if (verdict.ack !== null) acknowledge(turn, node, verdict.ack);
}

/** A node that we had declared dead has been alive all the time: both sides may hold the same resources. */
function healPartition(turn: Turn, node: NodeState): void {
  const { state } = turn;
  log(turn, 'CRIT', `Cluster node ${node.name} returning after partition.`);
  log(turn, 'info', 'For information on cluster partitions, See URL: http://linux-ha.org/wiki/Split_Brain');
  log(turn, 'WARN', 'Deadtime value may be too small.');
  log(turn, 'info', 'See FAQ for information on tuning deadtime.');
  log(turn, 'info', 'URL: http://linux-ha.org/wiki/FAQ#Heavy_Load');
  emit(turn, { type: 'partition-healed', node: node.name });
  if (!state.config.managesResources) return;
  sendStatus(turn);
  if (state.restartAsked || state.leaving) return;
  state.restartAsked = true;
  turn.out.push({ type: 'restart', reason: 'partition-healed', node: node.name, afterMs: RESTART_AFTER_MS });
}

/** A kept message goes to its handler; everything that is not the core's own business goes to the subscribers. */
function dispatch(turn: Turn, node: NodeState, envelope: Envelope, fields: FieldList, heardMs: Ms): void {
  switch (envelope.messageType) {
    case 'status':
      if (node.type === 'normal') receiveStatus(turn, node, fields, envelope.seq, heardMs);
      else countDrop(turn, node, 'bad-status');
      return;
    case 'NS_st':
      if (node.type === 'ping') receiveStatus(turn, node, fields, null, heardMs);
      else countDrop(turn, node, 'bad-status');
      return;
    case 'NS_ackmsg':
      receiveAck(turn, node, fields);
      return;
    case 'NS_rexmit':
      answerRexmit(turn, node, fields);
      return;
    case 'reqnodes':
      answerNodeList(turn, node);
      return;
    case 'repnodes':
      receiveNodeList(turn, node, fields);
      return;
    case 'addnode':
      receiveAddNode(turn, fields);
      return;
    case 'delnode':
      receiveDelNode(turn, fields);
      return;
    default:
      deliverInOrder(turn, node, envelope.messageType, fields);
  }
}

/** A stranger's text in our log: no control characters, no novels. */
function printable(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
