/**
 * The sign-on: the checks of client-api.md 2.3 in their order, and the answer with what a client needs to know of us.
 */
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import { authorize } from './authorization.core.ts';
import { FILTER, isOnline } from './requests.core.ts';
import { deliver, log, mayComplain, presenceNotice, printable, type Turn } from './turn.core.ts';
import type { Client, ClientsState, Connection } from './types.ts';

/** Longer names are cut in the original's own messages, so that two clients could be taken for one. */
const maxIdBytes = 31;

/**
 * What `hbversion` says: clients print it, and some compare it. It names the release whose interface this is, with that release's
 * build id, so that `cl_status` prints what it always printed.
 */
const apiBuild = '3.0.6 (node: 958e11be8686759f1b99204c17812f2c2633b169)';

export function answerSignOn(turn: Turn, connection: Connection, request: FieldList): void {
  const { state } = turn;
  const { config } = state;
  const generation = state.attempts;
  state.attempts += 1;
  const pidText = getString(request, 'pid') ?? '';
  const pid = /^\d{1,10}$/.test(pidText) ? Number(pidText) : 0;
  const fromId = getString(request, 'from_id') ?? '';
  const casual = fromId === '' || Number.parseInt(fromId, 10) === pid;
  const id = fromId === '' ? String(pid) : fromId;

  const refusal = check(state, connection, request, { pid, id, casual });
  if (refusal !== null) {
    refuse(turn, connection, { id, generation, casual, pid }, refusal);
    return;
  }
  const client: Client = {
    id,
    casual,
    generation,
    startTicks: config.processStart(pid),
    mask: FILTER.keep,
    signal: 0,
  };
  connection.client = client;
  const answer = [field('t', 'hbapi-resp'), field('reqtype', 'signon'), field('result', 'OK'), ...ourFacts(state)];
  if (casual) {
    deliver(turn, connection, answer);
    return;
  }
  // The original's clients hear of their own joining before they have the answer: it waits until the notice has come round.
  connection.signOnAnswer = answer;
  turn.out.push({ type: 'send', fields: presenceNotice(state, client, 'join', 'signon') });
}

interface Claim {
  readonly pid: number;
  readonly id: string;
  readonly casual: boolean;
}

/** The first check that fails, as the original words it; null when all pass. */
function check(state: ClientsState, { credentials }: Connection, request: FieldList, claim: Claim): string | null {
  const { config } = state;
  if (claim.pid === 0 || config.processStart(claim.pid) === null) return 'bad pid';
  if (isOnline(state, claim.id)) return 'duplicate add request';
  const uid = getString(request, 'uid') ?? '';
  const gid = getString(request, 'gid') ?? '';
  if (!/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid)) return 'invalid id info';
  if (Number(uid) !== credentials.uid || Number(gid) !== credentials.gid) return 'incorrect/false credentials';
  // A plugin of our own process: it is this daemon that asks.
  const isOurs = credentials.pid === config.daemon.pid && credentials.uid === config.daemon.uid;
  const failure = isOurs ? null : authorize(config.apiAuth, claim.casual ? null : claim.id, credentials);
  if (failure !== null) return failure;
  if (claim.pid !== credentials.pid) return 'pid mismatch';
  return Buffer.byteLength(claim.id) > maxIdBytes || /[^\x21-\x7e]/.test(claim.id)
    ? 'client failed authorization'
    : null;
}

function refuse(
  turn: Turn,
  connection: Connection,
  claim: Claim & { readonly generation: number },
  reason: string,
): void {
  const { state, out } = turn;
  if (mayComplain(turn, connection.credentials.uid)) logRefusal(turn, connection, claim, reason);
  const answer = [
    field('t', 'hbapi-resp'),
    field('reqtype', 'signon'),
    field('info', reason),
    field('result', 'badreq'),
    ...ourFacts(state),
  ];
  out.push({ type: 'deliver', connection: connection.id, fields: answer });
  if (!claim.casual) {
    // Only to the one who asked: the original tells the whole cluster, so that anybody could fill it with such notices.
    const early = reason === 'bad pid' || reason === 'duplicate add request';
    const id = printable(claim.id).slice(0, maxIdBytes);
    const notice = presenceNotice(state, { id: early ? '' : id, generation: claim.generation }, 'leave', reason);
    out.push({ type: 'deliver', connection: connection.id, fields: notice });
  }
  state.connections.delete(connection.id);
  out.push({ type: 'close', connection: connection.id });
}

function logRefusal(turn: Turn, connection: Connection, claim: Claim, reason: string): void {
  const id = printable(claim.id).slice(0, maxIdBytes);
  switch (reason) {
    case 'bad pid':
      log(turn, 'WARN', `api_add_client: bad pid [${claim.pid}]`);
      break;
    case 'duplicate add request':
      log(turn, 'WARN', `duplicate client add request [${id}] [${claim.pid}]`);
      break;
    case 'pid mismatch':
      log(turn, 'info', `PID mismatch: ${claim.pid} vs farside_pid: ${connection.credentials.pid}`);
      break;
    default:
      log(turn, 'WARN', `Client [${id}] pid ${connection.credentials.pid} failed authorization [${reason}]`);
  }
  log(turn, 'ERROR', `api_process_registration_msg: cannot add client(${id})`);
}

/** The facts that every sign-on answer carries; a refused client tells by them that a daemon runs. */
function ourFacts({ config, view }: ClientsState): FieldList {
  return [
    field('deadtime', Math.round(config.deadtimeMs).toString(16)),
    field('keepalive', Math.round(config.keepaliveMs).toString(16)),
    field('node', view.self.name),
    field('hbversion', apiBuild),
    field('pacemaker', config.recorded.pacemaker ?? 'false'),
    field('logfacility', String(config.logFacility)),
  ];
}
