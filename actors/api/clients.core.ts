/**
 * The clients of a node: who has signed on, who hears what, and what they say to the cluster. Pure; the sockets are in server.ts.
 *
 * ```ts
 * const state = createClients(config);
 * for (const effect of step(state, { type: 'connected', connection: 1, credentials }, now())) perform(effect);
 * for (const effect of step(state, { type: 'frame', connection: 1, fields }, now())) perform(effect);
 * ```
 *
 * The rules are Heartbeat's (client-api.md 2). Who a client is comes from the kernel's credentials and from its own connection: the ids in a
 * message are compared with them, never believed.
 */
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import { assertNever } from '../../runtime/units.ts';
import type { MembershipEvent } from '../protocols.ts';
import { clusterMessage } from './cluster-messages.core.ts';
import { LogBudget } from './log-budget.core.ts';
import { answerRequest, FILTER } from './requests.core.ts';
import { answerSignOn } from './sign-on.core.ts';
import {
  complain,
  deliver,
  isAlive,
  log,
  mayComplain,
  presenceNotice,
  printable,
  type Turn,
  toAll,
} from './turn.core.ts';
import type { Client, ClientsConfig, ClientsEffect, ClientsInput, ClientsState, Connection } from './types.ts';
import { createView, updateView } from './view.core.ts';

/** As many unreadable messages in a row end a connection. */
const maxUnreadable = 10;

/** What no client may send: the daemons would take it for their own word. (The original lets a client send even `status`.) */
const daemonsOnly = new Set([
  'status',
  'NS_st',
  'NS_ackmsg',
  'NS_rexmit',
  'NS_nak_rexmit',
  'reqnodes',
  'repnodes',
  'hbapi-clstat',
]);

/** @throws RangeError when the configuration does not list the node itself */
export function createClients(config: ClientsConfig): ClientsState {
  return {
    config,
    view: createView(config, config.uuid),
    connections: new Map(),
    rscStatus: 'none',
    attempts: 0,
    logBudget: new LogBudget(),
    observed: 0,
  };
}

/**
 * Takes one input; the state is changed in place, the effects are to be carried out in order. Never throws, whatever clients send.
 *
 * @param nowMs monotonic time
 */
export function step(state: ClientsState, input: ClientsInput, nowMs: number): ClientsEffect[] {
  const turn: Turn = { state, nowMs, out: [] };
  switch (input.type) {
    case 'connected':
      state.connections.set(input.connection, {
        id: input.connection,
        credentials: input.credentials,
        client: null,
        signOnAnswer: null,
        unreadable: 0,
        complainedMs: Number.NEGATIVE_INFINITY,
      });
      break;
    case 'frame': {
      const connection = state.connections.get(input.connection);
      if (connection !== undefined) onFrame(turn, connection, input.fields);
      break;
    }
    case 'unreadable': {
      const connection = state.connections.get(input.connection);
      if (connection === undefined) break;
      connection.unreadable += 1;
      complain(turn, connection, 'no message', null);
      if (connection.unreadable >= maxUnreadable) remove(turn, connection, 'noinput');
      break;
    }
    case 'disconnected': {
      const connection = state.connections.get(input.connection);
      if (connection !== undefined) remove(turn, connection, input.info, true);
      break;
    }
    case 'refused':
      if (mayComplain(turn, input.uid)) log(turn, 'WARN', input.text);
      break;
    case 'audit':
      for (const connection of [...state.connections.values()]) {
        if (connection.client === null || isAlive(state, connection, connection.client)) continue;
        log(turn, 'info', `api_audit_clients: client ${connection.credentials.pid} died`);
        remove(turn, connection, 'died-audit');
      }
      break;
    case 'process-ended':
      for (const connection of [...state.connections.values()])
        if (connection.credentials.pid === input.pid && connection.client !== null) remove(turn, connection, 'died');
      break;
    case 'rscstatus':
      state.rscStatus = input.value;
      break;
    case 'observed':
      toAll(turn, input.fields, input.mask);
      break;
    case 'comm-up':
    case 'node-status':
    case 'node-dead':
    case 'partition-healed':
    case 'node-restarted':
    case 'node-added':
    case 'node-removed':
    case 'link-status':
    case 'message':
      onMembership(turn, input);
      break;
    default:
      assertNever(input);
  }
  observe(turn);
  return turn.out;
}

/** Clients as `systole status` shows them. */
export function viewClients(state: ClientsState): readonly {
  readonly id: string;
  readonly pid: number;
  readonly uid: number;
  readonly kind: 'named' | 'casual';
}[] {
  return [...state.connections.values()].flatMap(({ client, credentials: { pid, uid } }) =>
    client === null ? [] : [{ id: client.id, pid, uid, kind: client.casual ? 'casual' : 'named' } as const],
  );
}

function onFrame(turn: Turn, connection: Connection, fields: FieldList): void {
  connection.unreadable = 0;
  const isRequest = getString(fields, 't') === 'hbapi-req';
  const { client } = connection;
  if (client === null) {
    if (isRequest && getString(fields, 'reqtype') === 'signon') answerSignOn(turn, connection, fields);
    else complain(turn, connection, 'api_process_registration_msg: bad message', fields);
    return;
  }
  if (isRequest) {
    onRequest(turn, connection, client, fields);
    return;
  }
  if (client.casual) {
    if (mayComplain(turn, connection.credentials.uid))
      log(turn, 'info', 'api_process_request: general message from casual client!');
    remove(turn, connection, 'badclient');
    return;
  }
  const type = getString(fields, 't');
  if (type === undefined || type === '') {
    complain(turn, connection, 'Invalid message in send_cluster_msg', fields);
    return;
  }
  if (daemonsOnly.has(type)) {
    complain(turn, connection, `client ${client.id} may not send ${type}: that is between the daemons`, null);
    return;
  }
  turn.out.push({
    type: 'send',
    fields: withFields(fields, [
      field('from_id', client.id),
      field('to_id', client.id),
      field('client_gen', String(client.generation)),
    ]),
  });
}

function onRequest(turn: Turn, connection: Connection, client: Client, fields: FieldList): void {
  const pid = getString(fields, 'pid');
  const fromId = getString(fields, 'from_id');
  const known = pid !== undefined || fromId !== undefined;
  const ownPid = String(connection.credentials.pid);
  if (!known || (pid !== undefined && pid !== ownPid) || (fromId !== undefined && fromId !== client.id)) {
    complain(turn, connection, 'Client mismatch! (impersonation?)', null, [
      `pids (${printable(pid ?? '')} vs ${ownPid}), Client IDs (${printable(fromId ?? '')} vs ${client.id})`,
    ]);
    return;
  }
  toAll(turn, fields, FILTER.api);
  const answer = answerRequest(turn.state, connection, client, fields);
  switch (answer.type) {
    case 'frames':
    case 'mask':
      if (answer.type === 'frames' && answer.refused === true)
        complain(
          turn,
          connection,
          `api_process_request: bad request [${printable(getString(fields, 'reqtype') ?? '')}]`,
          fields,
        );
      for (const frame of answer.frames) deliver(turn, connection, frame);
      return;
    case 'sign-off':
      remove(turn, connection, 'signoff');
      return;
    case 'queue-length':
      if (mayComplain(turn, connection.credentials.uid))
        log(turn, 'info', `the send queue length from heartbeat to client ${client.id} is set to ${answer.messages}`);
      turn.out.push({ type: 'queue-length', connection: connection.id, messages: answer.messages });
      return;
    case 'query':
      turn.out.push({ type: 'send', fields: answer.fields });
      return;
    default:
      assertNever(answer);
  }
}

/** What membership tells, as clients hear it: after the view, so that an answer to a question fits the news. */
function onMembership(turn: Turn, event: MembershipEvent): void {
  const { state } = turn;
  updateView(state.view, event);
  switch (event.type) {
    case 'node-status':
      if (event.node !== state.view.self.name && event.fields !== undefined) toAll(turn, event.fields, FILTER.keep);
      return;
    case 'node-dead':
      toAll(turn, deadNotice(turn, event.node, event.nodeType === 'ping'), FILTER.keep);
      return;
    case 'link-status':
      toAll(
        turn,
        [field('t', 'ifstat'), field('node', event.node), field('ifname', event.link), field('st', event.status)],
        FILTER.keep,
      );
      return;
    case 'message':
      clusterMessage(turn, event);
      return;
    case 'comm-up':
    case 'partition-healed':
    case 'node-restarted':
    case 'node-added':
      return;
    case 'node-removed':
      toAll(turn, [field('t', 'delnode'), field('node', event.node)], FILTER.keep);
      return;
    default:
      assertNever(event);
  }
}

/** The internal message by which clients hear of a death: it never was on the wire. */
function deadNotice(turn: Turn, node: string, ping: boolean): FieldList {
  const notice = [
    field('t', 'status'),
    field('seq', '1'),
    field('ts', turn.state.config.wallClockS().toString(16)),
    field('src', node),
    field('st', 'dead'),
  ];
  return ping ? [...notice, field('info', 'ping')] : notice;
}

/**
 * Ends a connection: a named client is told why, and so are the cluster and the clients of its name.
 *
 * @param gone nobody is there to be told or disconnected any more
 */
function remove(turn: Turn, connection: Connection, info: string, gone = false): void {
  const { state, out } = turn;
  const { client } = connection;
  state.connections.delete(connection.id);
  if (client !== null && !client.casual) {
    const notice = presenceNotice(state, client, 'leave', info);
    if (!gone) out.push({ type: 'deliver', connection: connection.id, fields: notice });
    out.push({ type: 'send', fields: notice });
  }
  if (!gone) out.push({ type: 'close', connection: connection.id });
}

/** Sets fields: one that is there keeps its place. */
function withFields(fields: FieldList, changes: FieldList): FieldList {
  const result = [...fields];
  for (const change of changes) {
    const index = result.findIndex((entry) => entry[0] === change[0]);
    if (index < 0) result.push(change);
    else result[index] = change;
  }
  return result;
}

/** Tells membership when other classes of messages are wanted than before. */
function observe(turn: Turn): void {
  const { state } = turn;
  let mask = 0;
  for (const { client } of state.connections.values()) mask |= client?.mask ?? 0;
  mask &= FILTER.heartbeat | FILTER.dropped | FILTER.duplicate | FILTER.protocol;
  if (mask === state.observed) return;
  state.observed = mask;
  turn.out.push({ type: 'observe', mask });
}
