/**
 * Who owns what after a start: `starting`, `resource`, and the settling that follows (resources.md sections 3 and 4).
 *
 * Heartbeat waits 10 s between the first report and taking its own groups. That wait is for a node that may still be silent about what it
 * holds. A node that says `starting` has just begun its life and claims nothing, so there is nothing to wait for: we settle at once, and our
 * stable report makes the other one, Systole or 3.0.6, settle too. Only when no such word comes do the 10 s run out.
 */
import type { NodeName } from '../../runtime/units.ts';
import { keysOf } from './groups.ts';
import { includes, type Kind, kindsOf, plus } from './holdings.ts';
import type { ClusterMessage } from './messages.ts';
import { restartStandby } from './standby.ts';
import { acceptDeath, endFencing } from './takeover.ts';
import { SETTLE_MS, type Turn } from './turn.ts';
import { PHASES } from './types.ts';

/** Communication is up: the node's life in the cluster begins. Membership has sent our `starting`. */
export function beginNegotiation(turn: Turn, deadNodes: readonly NodeName[]): void {
  const { state } = turn;
  state.phase = 'starting';
  state.joined = true;
  if (state.other === null) {
    turn.workDone('foreign', 'status');
    settle(turn);
    return;
  }
  if (deadNodes.includes(state.other.name)) acceptDeath(turn, state.earlyDeath?.wasHeard ?? false);
  else turn.workDone('foreign', 'status');
  state.earlyDeath = null;
}

/** The other node begins its life: it claims nothing, and wants to know what we hold. */
export function onStarting(turn: Turn): void {
  const { state } = turn;
  const other = state.other;
  if (other === null) return;
  if (state.phase === 'init' || state.phase === 'both-starting') {
    turn.log('ERROR', `Received 'starting' message in state ${PHASES.indexOf(state.phase)}`);
    return;
  }
  other.alive = true;
  endFencing(turn, 'returned', false);
  other.stable = false;
  other.holding = 'none';
  other.reported = false;
  other.leaving = 'no';
  other.deaf = false;
  other.sequence = -1;
  for (const group of state.groups.values()) group.offered = false;
  if (state.phase === 'starting') {
    state.phase = 'both-starting';
    turn.workDone('foreign', 'HB_R_BOTHSTARTING');
    turn.report({ stable: false });
    settle(turn);
    return;
  }
  restartStandby(turn);
  if (state.takeoverFrom !== null) turn.log('WARN', 'T_STARTING received during takeover.');
  reportAll(turn);
  if (state.phase === 'reported' && state.takeoverFrom === null) settle(turn);
}

/**
 * Answers a node that has just begun. What we are still stopping counts as ours here: the new node would otherwise start it meanwhile.
 */
function reportAll(turn: Turn): void {
  const { state } = turn;
  const claims = state.claims;
  for (const group of state.groups.values()) {
    if (group.activity === 'releasing') state.claims = plus(state.claims, group.kind);
  }
  turn.report();
  state.claims = claims;
}

/**
 * A node speaks again (or for the first time) that is in the middle of its life: a partition healed, or both were started apart. Each tells
 * the other what it holds. The change from unstable to stable makes a 3.0.6 answer with its own report; a Systole does this by itself.
 */
export function onContact(turn: Turn): void {
  const { state } = turn;
  const other = state.other;
  if (other === null || (state.phase !== 'stable' && state.phase !== 'reported')) return;
  other.reported = false;
  other.stable = false;
  other.leaving = 'no';
  other.deaf = false;
  for (const kind of kindsOf(state.claims)) state.contested.set(kind, 'open');
  turn.report({ stable: false });
  if (turn.isStable) turn.report();
}

/** A holdings report of the other node. */
export function onReport(turn: Turn, report: Extract<ClusterMessage, { type: 'resource' }>): void {
  const { state } = turn;
  const other = state.other;
  if (other === null || state.phase === 'init') return;
  if (report.sequence !== undefined) {
    if (report.sequence < other.sequence) return;
    other.sequence = report.sequence;
  }
  if (report.full) {
    other.holding = report.holding;
    other.reported = true;
  } else other.holding = report.holding === 'none' ? 'none' : plus(other.holding, report.holding);
  if (report.info === 'shutdown') other.leaving = 'releasing';

  const settled = state.phase === 'stable' || state.phase === 'shutdown';
  if (state.phase === 'starting' || state.phase === 'both-starting') {
    state.phase = 'reported';
    state.deadlines.settleMs ??= turn.in(SETTLE_MS);
    if (state.config.autoFailback === 'off') turn.workDone('foreign', 'T_RESOURCES');
  }
  if (report.stable === false) other.stable = false;
  if (report.stable !== true || other.stable) return;

  other.stable = true;
  turn.log('info', 'remote resource transition completed.');
  if (state.phase === 'shutdown') return;
  turn.report();
  if (settled) return;
  turn.log('info', 'remote resource transition completed.');
  becomeStable(turn, 'T_RESOURCES(them)');
}

/** The wait is over, or not needed: takes the own groups and declares itself stable. */
export function settle(turn: Turn): void {
  const { phase, other } = turn.state;
  if (phase === 'stable' || phase === 'shutdown') return;
  // What it held, our own groups perhaps, is not ours before it is off.
  if (turn.state.fencing === 'pending') return;
  // It said that it holds nothing, but it is still stopping things. Its notice, or its death, ends the wait.
  if (other?.alive === true && other.leaving === 'releasing') return;
  becomeStable(turn, null);
}

/** @param remoteWord how the line `Initial resource acquisition complete` names it when nothing has to be acquired; null when we settled ourselves */
function becomeStable(turn: Turn, remoteWord: string | null): void {
  const { state } = turn;
  state.phase = 'stable';
  state.deadlines.settleMs = null;
  const needed = needsOwnGroups(turn);
  if (needed) state.claims = plus(state.claims, 'local');
  else turn.log('info', 'Local Resource acquisition completed. (none)');
  if (remoteWord === null) turn.log('info', 'local resource transition completed.');
  turn.report({ stable: true });
  if (includes(state.claims, 'local')) turn.workDone('local', 'T_RESOURCES(us)');
  else if (remoteWord !== null && state.config.autoFailback === 'off') turn.workDone('local', remoteWord);
  if (needed) acquireOwn(turn);
  verifyIdle(turn);
}

function needsOwnGroups(turn: Turn): boolean {
  const { state } = turn;
  if (state.crippled) return false;
  if (state.standby.step !== 'not') return true;
  return !(state.other !== null && includes(state.other.holding, 'foreign')) && !includes(state.claims, 'local');
}

/** Claims the local groups, says so, and has them started unless they run already. */
export function acquireOwn(turn: Turn): void {
  const { state } = turn;
  state.claims = plus(state.claims, 'local');
  const keys = keysOf(state.groups, 'local');
  if (keys.length === 0) turn.log('info', `No local resources [${state.config.self}] to acquire.`);
  else turn.log('info', 'Local Resource acquisition completed.');
  turn.report({ stable: true, info: 'req_our_resources()' });
  turn.workDone('local', 'T_RESOURCES(us)');
  if (!turn.holdsReally('local')) turn.acquire('local', 'own');
}

/**
 * Has the engine look for groups that run here although we do not claim them (left by a crash, or started by the init system) and stop
 * them: they belong to the other node, or to nobody yet.
 */
function verifyIdle(turn: Turn): void {
  const unclaimed = kindsOf('all').filter((kind: Kind) => !includes(turn.state.claims, kind));
  const keys = unclaimed.flatMap((kind) => keysOf(turn.state.groups, kind));
  if (keys.length > 0) turn.releaseKeys(keys, 'verify-idle');
}
