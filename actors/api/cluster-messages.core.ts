/**
 * Cluster messages on their way to the clients: what the daemon itself answers or swallows, and what is handed on as it came.
 */
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import type { MembershipEvent } from '../protocols.ts';
import { FILTER, isOnline } from './requests.core.ts';
import { deliver, type Turn, toAll } from './turn.core.ts';

/** Messages between daemons: clients do not hear of them. */
const silent = new Set([
  'addnode',
  'delnode',
  'setweight',
  'setsite',
  'reqnodes',
  'repnodes',
  'NS_ackmsg',
  'NS_rexmit',
  'NS_nak_rexmit',
]);

export function clusterMessage(turn: Turn, event: Extract<MembershipEvent, { type: 'message' }>): void {
  const { fields } = event;
  const type = getString(fields, 't') ?? '';
  switch (type) {
    case 'query-cstatus':
      answerQuery(turn, event);
      return;
    case 'hbapi-clstat':
      toAll(turn, fields, FILTER.keep);
      if (event.own && getString(fields, 'st') === 'join') finishSignOn(turn, fields);
      return;
    default:
      if (!silent.has(type)) toAll(turn, fields, FILTER.keep);
  }
}

/** Another node, or a client anywhere, asks whether a client is signed on here. */
function answerQuery(turn: Turn, { from, fields }: Extract<MembershipEvent, { type: 'message' }>): void {
  const name = getString(fields, 'cn');
  const asker = getString(fields, 'from_id');
  if (name === undefined || asker === undefined) return;
  turn.out.push({
    type: 'send',
    fields: [
      field('t', 'respond-cstatus'),
      field('dest', from),
      field('result', 'OK'),
      field('cn', name),
      field('to_id', asker),
      field('cs', isOnline(turn.state, name) ? 'online' : 'offline'),
    ],
  });
}

/** A named client's own join notice has come round: now it gets the answer to its sign-on. */
function finishSignOn(turn: Turn, notice: FieldList): void {
  const id = getString(notice, 'from_id');
  const generation = getString(notice, 'client_gen');
  for (const connection of turn.state.connections.values()) {
    const { client, signOnAnswer } = connection;
    if (signOnAnswer === null || client?.id !== id || String(client?.generation) !== generation) continue;
    connection.signOnAnswer = null;
    deliver(turn, connection, signOnAnswer);
  }
}
