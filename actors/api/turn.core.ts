/**
 * What the parts of the client core share: a turn with its effects, delivery, notices, complaints.
 */
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import { FILTER } from './requests.core.ts';
import type { Client, ClientsEffect, ClientsState, Connection } from './types.ts';

/** A connection's complaints are logged at most this often [ms]. */
const complaintEveryMs = 1_000;
/** A dump of a message shows at most so many fields. */
const maxDumpedFields = 30;

/** One call of `step`. */
export interface Turn {
  readonly state: ClientsState;
  readonly nowMs: number;
  readonly out: ClientsEffect[];
}

/** Delivers to every client that wants the class; a message with `to_id` to the client of exactly that id only. */
export function toAll(turn: Turn, fields: FieldList, mask: number): void {
  const toId = getString(fields, 'to_id');
  for (const connection of turn.state.connections.values()) {
    const { client } = connection;
    if (client === null || (client.mask & mask) === 0) continue;
    if (toId !== undefined && toId !== client.id && (mask & FILTER.keep) !== 0) continue;
    deliver(turn, connection, fields);
  }
}

export function deliver(turn: Turn, connection: Connection, fields: FieldList): void {
  turn.out.push({ type: 'deliver', connection: connection.id, fields });
  const { client, credentials } = connection;
  if (client === null || client.signal === 0 || !isAlive(turn.state, connection, client)) return;
  turn.out.push({ type: 'signal', pid: credentials.pid, signal: client.signal });
}

/** A process number may belong to another process by now: the time of its start tells. */
export function isAlive({ config }: ClientsState, { credentials }: Connection, client: Client): boolean {
  const startTicks = config.processStart(credentials.pid);
  return startTicks !== null && (client.startTicks === null || startTicks === client.startTicks);
}

export function presenceNotice(
  state: ClientsState,
  client: Pick<Client, 'id' | 'generation'>,
  status: 'join' | 'leave',
  info: string,
): FieldList {
  return [
    field('t', 'hbapi-clstat'),
    field('st', status),
    field('from_id', client.id),
    field('to_id', client.id),
    field('src', state.view.self.name),
    field('info', info),
    field('client_gen', String(client.generation)),
  ];
}

export function log(turn: Turn, severity: 'ERROR' | 'WARN' | 'info', text: string): void {
  turn.out.push({ type: 'log', severity, text });
}

/** Whether what a user's program does wrong may be logged: within that user's budget. Says first how much was left out. */
export function mayComplain(turn: Turn, uid: number): boolean {
  const { log: may, leftOut, isLast } = turn.state.logBudget.take(uid, turn.nowMs);
  if (leftOut > 0) log(turn, 'WARN', `${leftOut} complaints about clients of user ${uid} were not logged`);
  if (isLast)
    log(turn, 'WARN', `further complaints about clients of user ${uid} are counted, not logged, for a minute`);
  return may;
}

/** Logs what is wrong with a client's message, and the message; at most once a second for each connection, and within its user's budget. */
export function complain(
  turn: Turn,
  connection: Connection,
  text: string,
  message: FieldList | null,
  more: readonly string[] = [],
): void {
  if (turn.nowMs - connection.complainedMs < complaintEveryMs || !mayComplain(turn, connection.credentials.uid)) return;
  connection.complainedMs = turn.nowMs;
  log(turn, 'ERROR', text);
  for (const line of more) log(turn, 'info', line);
  if (message === null) return;
  log(turn, 'ERROR', `MSG: Dumping message with ${message.length} fields`);
  message.slice(0, maxDumpedFields).forEach((entry, index) => {
    const value = entry[1] === 0 ? printable(entry[2]) : '...';
    log(turn, 'ERROR', `MSG[${index}] : [${entry[1] === 0 ? '' : `(${entry[1]})`}${printable(entry[0])}=${value}]`);
  });
}

/** A client's text in our log: no control characters, no novels. */
export function printable(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
