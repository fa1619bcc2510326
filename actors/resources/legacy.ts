/**
 * `auto_failback legacy`: nobody reports holdings. A node takes its own groups when it comes up, after asking the other one for each of them,
 * and whoever holds a group that is asked for gives it up at once (resources.md section 9).
 */
import { keysOf } from './groups.ts';
import { plus } from './holdings.ts';
import { type ClusterMessage, ipRequestMessage, ipResponseMessage } from './messages.ts';
import { acceptDeath } from './takeover.ts';
import type { Turn } from './turn.ts';
import type { GroupOutcome, Job } from './types.ts';

/** Pause before an `ip-request` that got no answer is repeated [ms]; the original waits for ever. */
const ASK_AGAIN_MS = 5_000;

/** Communication is up. */
export function beginLegacy(turn: Turn, deadNodes: readonly string[]): void {
  const { state } = turn;
  state.phase = 'stable';
  state.joined = true;
  const early = state.earlyDeath;
  state.earlyDeath = null;
  if (state.other !== null && deadNodes.includes(state.other.name)) {
    acceptDeath(turn, early?.wasHeard ?? false);
    return;
  }
  turn.workDone('foreign', 'status');
  requestOwn(turn);
}

/** Gets the own groups: first those that run here already are told from the others. */
export function requestOwn(turn: Turn): void {
  const keys = keysOf(turn.state.groups, 'local');
  if (keys.length === 0) turn.log('info', `No local resources [${turn.state.config.self}] to acquire.`);
  else turn.probe(keys, 'own');
  if (keys.length === 0) turn.workDone('local', 'req_our_resources');
}

/**
 * The other node speaks again after we took it for dead: both may hold everything. Each gets its own groups: we ask for ours although they
 * run here, and give the others up unasked, since the other node need not have missed us.
 */
export function divideOnContact(turn: Turn): void {
  const { groups, phase } = turn.state;
  if (phase === 'shutdown') return;
  for (const key of keysOf(groups, 'local')) request(turn, key);
  turn.releaseKeys(keysOf(groups, 'foreign'), 'ip-request');
}

export function onProbed(turn: Turn, outcomes: readonly GroupOutcome[]): void {
  const { state } = turn;
  if (state.phase === 'shutdown' || state.crippled) return;
  turn.log('info', 'Local Resource acquisition completed.');
  for (const { key, result } of outcomes) {
    const group = state.groups.get(key);
    if (group === undefined) continue;
    if (result === 'held') {
      group.activity = 'held';
      state.claims = plus(state.claims, 'local');
    } else if (state.other?.alive) request(turn, key);
    // Being fenced: what it holds is taken when it is off.
    else if (state.fencing !== 'pending') take(turn, key, true);
  }
  turn.workDone('local', 'req_our_resources');
}

function request(turn: Turn, key: string): void {
  turn.state.requested.add(key);
  turn.state.deadlines.askMs ??= turn.in(ASK_AGAIN_MS);
  turn.send(ipRequestMessage(key));
}

/** Asks again for what nobody answered: a node that was coming up just then did not hear it. */
export function requestAgain(turn: Turn): void {
  const { requested, other, deadlines } = turn.state;
  deadlines.askMs = null;
  if (other?.alive !== true) requested.clear();
  for (const key of requested) request(turn, key);
}

/** The owner asks for its group. */
export function onIpRequest(turn: Turn, message: Extract<ClusterMessage, { type: 'ip-request' }>): void {
  const { state } = turn;
  const group = state.groups.get(message.key);
  if (group === undefined || group.kind !== 'foreign' || state.phase === 'shutdown' || !turn.legacy) return;
  turn.script('harc', `info: Running ${state.config.configDir}/rc.d/ip-request ip-request`);
  turn.releaseKeys([message.key], 'ip-request');
}

/**
 * The group that was asked for is stopped. One that is stuck, or that a later job has taken up again (its owner died or left meanwhile), is
 * not promised to anybody.
 */
export function onRequestReleased(turn: Turn, job: Job, outcomes: readonly GroupOutcome[]): void {
  const { other } = turn.state;
  if (other === null || turn.state.phase === 'shutdown') return;
  for (const outcome of outcomes) {
    if (outcome.result !== 'released' || turn.state.groups.get(outcome.key)?.job !== job.id) continue;
    turn.send(ipResponseMessage(other.name, outcome.key, outcome.wasHeld));
  }
}

/** The other node does not hold the group, or not any more. */
export function onIpResponse(turn: Turn, message: Extract<ClusterMessage, { type: 'ip-request-resp' }>): void {
  const { state } = turn;
  const group = state.groups.get(message.key);
  if (message.dest !== state.config.self || group === undefined || group.kind !== 'local') return;
  if (!turn.legacy || state.phase === 'shutdown' || state.crippled) return;
  turn.script('harc', `info: Running ${state.config.configDir}/rc.d/ip-request-resp ip-request-resp`);
  turn.script('ip-request-resp', `received ip-request-resp ${message.key} ${message.ok} ${message.weOwn}`);
  state.requested.delete(message.key);
  if (message.ok === 'OK') take(turn, message.key, false);
}

function take(turn: Turn, key: string, unasked: boolean): void {
  const { state } = turn;
  if (unasked) turn.script('ip-request-resp', `received ip-request-resp ${key} OK yes`);
  state.claims = plus(state.claims, 'local');
  turn.acquireKeys([key], 'ip-request-resp');
}
