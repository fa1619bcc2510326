/**
 * The other node is gone, by death or by its own will: everything becomes ours (resources.md sections 5 and 6).
 */
import { keysOf } from './groups.ts';
import { minus, mirrorSet, type ResourceSet } from './holdings.ts';
import { requestOwn } from './legacy.ts';
import { shutdoneMessage, startingMessage, stonithMessage } from './messages.ts';
import { settle } from './negotiation.ts';
import { cancelStandby, disown } from './standby.ts';
import { SETTLE_MS, type Turn } from './turn.ts';
import { type GroupOutcome, type Job, noDeadlines } from './types.ts';

/**
 * The other node was declared dead.
 *
 * @param wasHeard false when it was never heard since our own start: it may hold resources all the same
 */
export function acceptDeath(turn: Turn, wasHeard: boolean): void {
  const { state } = turn;
  const other = state.other;
  if (other === null) return;
  // Legacy clusters report nothing: only a shutdown notice tells that nothing is held.
  const gaveUp = wasHeard && (turn.legacy ? other.leaving === 'released' : gaveUpEverything(turn));
  other.alive = false;
  other.reported = false;
  other.leaving = 'no';
  const exchange = state.standby.step === 'not' ? null : state.standby.set;
  if (exchange !== null) {
    turn.log('info', 'Cancelling pending standby operation');
    cancelStandby(turn);
  }
  state.needsFailback = true;
  state.requested.clear();
  if (gaveUp) {
    turn.log('info', `Dead node ${other.name} gave up resources.`);
    turn.send(stonithMessage(other.name, 'unneeded'));
  } else if (state.config.fences === true) {
    if (state.phase !== 'shutdown') fence(turn, wasHeard, exchange);
    return;
  } else {
    turn.send(stonithMessage(other.name, 'n_stnth'));
    turn.log('WARN', 'No STONITH device configured.');
    turn.log('WARN', 'Shared disks are not protected.');
  }
  if (state.phase === 'shutdown') return;
  // What could not be started here, or was given up for the other node, is this node's alone again.
  if (gaveUp && state.claims === 'all' && ![...state.groups.values()].some((group) => group.activity === 'failed'))
    other.stable = true;
  else takeOver(turn, 'dead');
}

/**
 * Whether a dead node is known to hold nothing.
 *
 * Without a fencing device Heartbeat's rule is good enough: everything is taken anyway. With one, a node is spared only when it has said that
 * it holds nothing and is done with its work: a 3.0.6 says `none` when it begins to release.
 */
function gaveUpEverything(turn: Turn): boolean {
  const { config, other, standby } = turn.state;
  if (other === null || other.holding !== 'none') return false;
  if (config.fences !== true) return true;
  // In the middle of an exchange it may have begun to start what we gave it.
  if (standby.step !== 'not') return false;
  return other.leaving === 'released' || (other.leaving === 'no' && other.reported && other.stable);
}

/** Has the other node switched off; everything else waits. */
function fence(turn: Turn, wasHeard: boolean, exchange: ResourceSet | null): void {
  const { state } = turn;
  const other = state.other;
  if (other === null) return;
  if (state.crippled) {
    // It could not take anything over, so it has no reason to shoot.
    sayCrippled(turn);
    return;
  }
  state.fencing = 'pending';
  state.brokenExchange = exchange;
  turn.effects.push({ type: 'fence', node: other.name, wasHeard });
}

/** A device, or an operator, says that the node is off. */
export function onFenced(turn: Turn, node: string): void {
  const { state } = turn;
  // Heard again in the same moment, or nobody waits any more: nothing is taken.
  if (state.fencing !== 'pending' || state.other?.name !== node || state.other.alive) return;
  state.fencing = 'done';
  takeOver(turn, 'dead');
}

/**
 * The other node need not be fenced any more, or was fenced and speaks all the same.
 *
 * @param inItsLife it did not start again: it goes on where it was, and waits for nothing from us
 */
export function endFencing(turn: Turn, why: 'returned' | 'left' | 'leaving', inItsLife: boolean): void {
  const { state } = turn;
  const { fencing } = state;
  if (fencing === 'no') return;
  if (fencing === 'done') {
    if (!inItsLife) return;
    state.fencing = 'no';
    turn.log(
      'CRIT',
      `node ${state.other?.name} was reported as switched off and goes on as if nothing had been: the STONITH device (or the operator's word) cannot be trusted. Data on shared disks may be damaged.`,
    );
    return;
  }
  state.fencing = 'no';
  turn.effects.push({ type: 'cancel-fencing', why });
  if (why !== 'returned') return;
  // What waited for the takeover is settled with the other node now, as at any start.
  if (inItsLife && state.brokenExchange !== null) disown(turn, state.brokenExchange);
  if (turn.legacy) requestOwn(turn);
  else if (state.phase === 'reported') state.deadlines.settleMs ??= turn.in(SETTLE_MS);
  else if (inItsLife && (state.phase === 'starting' || state.phase === 'both-starting')) turn.send(startingMessage);
}

/** The other node has released everything and leaves: what it held is taken without waiting for its silence. */
export function onShutdone(turn: Turn): void {
  const { state } = turn;
  const other = state.other;
  if (other === null || state.phase === 'init') return;
  turn.log('info', `Received shutdown notice from '${other.name}'.`);
  endFencing(turn, 'left', false);
  other.holding = 'none';
  other.leaving = 'released';
  if (state.standby.step !== 'not' && state.phase !== 'shutdown') cancelStandby(turn);
  takeOver(turn, 'left');
}

function takeOver(turn: Turn, why: 'dead' | 'left'): void {
  const { state } = turn;
  const other = state.other;
  if (other === null) return;
  if (state.phase === 'shutdown') {
    turn.log('info', 'Resource takeover cancelled - shutdown in progress.');
    return;
  }
  if (state.crippled) {
    sayCrippled(turn);
    return;
  }
  turn.log('info', `Resources being acquired from ${other.name}.`);
  turn.event({ event: 'takeover.begun', from: other.name });
  other.holding = 'none';
  other.stable = true;
  state.takeoverFrom = other.name;
  const missing = minus('all', state.claims);
  const localRuns = turn.holdsReally('local');
  if (turn.legacy || why === 'dead' || missing === 'none' || !localRuns) ownGroups(turn);
  else {
    // Heartbeat names the wrong kind here, and says it before anything ran; operators know these lines.
    const kind = mirrorSet(missing);
    turn.log('info', `acquire ${kind} HA resources (standby).`);
    ownGroups(turn);
    turn.log('info', `${kind} HA resource acquisition completed (standby).`);
    turn.log('info', 'Standby resource acquisition done [all].');
  }
  turn.script('harc', `info: Running ${state.config.configDir}/rc.d/status status`);
  if (state.phase === 'starting' || state.phase === 'both-starting') state.phase = 'reported';
  turn.acquire('foreign', 'takeover');
  if (!localRuns) turn.acquire('local', 'own');
}

function sayCrippled(turn: Turn): void {
  turn.log(
    'CRIT',
    `Resources of ${turn.state.other?.name} are not acquired: this node could not stop a resource and needs a reboot.`,
  );
}

/** The forced acquisition of the own groups that goes with every takeover: a report, and the jobs only where something does not run. */
function ownGroups(turn: Turn): void {
  const { state } = turn;
  const keys = keysOf(state.groups, 'local');
  state.claims = 'all';
  if (keys.length === 0) turn.log('info', `No local resources [${state.config.self}] to acquire.`);
  else turn.log('info', 'Local Resource acquisition completed.');
  turn.report({ stable: true, info: 'req_our_resources()' });
  turn.workDone('local', turn.legacy ? 'req_our_resources' : 'T_RESOURCES(us)');
}

/** The dead or departed node's groups have been tried. */
export function onTakeoverDone(turn: Turn, job: Job, outcomes: readonly GroupOutcome[]): void {
  const { state } = turn;
  const from = state.takeoverFrom;
  if (from === null) return;
  const failed = outcomes.filter((outcome) => outcome.result === 'failed' || outcome.result === 'stuck');
  for (const outcome of failed) turn.script('mach_down', `ERROR: Takeover of resource group ${outcome.key} failed.`);
  state.takeoverFrom = null;
  if (!turn.legacy && (failed.length < job.keys.length || job.keys.length === 0)) {
    turn.script('mach_down', 'info: /usr/share/heartbeat/mach_down: nice_failback: foreign resources acquired');
  }
  turn.script('mach_down', `info: mach_down takeover complete for node ${from}.`);
  turn.event({ event: 'takeover.ended', from });
  state.needsFailback = true;
  if (state.phase === 'shutdown') return;
  if (!turn.legacy) {
    turn.log('info', 'mach_down takeover complete.');
    if (state.other !== null && !state.other.alive) state.other.stable = true;
    turn.report({ stable: true, info: 'mach_down' });
  }
  turn.workDone('foreign', turn.legacy ? 'status' : 'mach_down');
  settle(turn);
}

/** A graceful stop: everything goes down, and the other node is told only when it is. */
export function giveUpAll(turn: Turn): void {
  const { state } = turn;
  if (state.phase === 'shutdown') return;
  if (turn.isBusy) turn.log('WARN', 'Shutdown delayed until current resource activity finishes.');
  state.phase = 'shutdown';
  state.standby = { step: 'not' };
  state.takeoverFrom = null;
  endFencing(turn, 'leaving', false);
  state.offers.clear();
  Object.assign(state.deadlines, noDeadlines);
  state.claims = 'none';
  if (state.joined) turn.report({ stable: false, info: 'shutdown' });
  turn.log('info', 'Giving up all HA resources.');
  turn.release('all', 'shutdown');
}

/** Everything that could be stopped is stopped. */
export function onAllReleased(turn: Turn, outcomes: readonly GroupOutcome[]): void {
  const { state } = turn;
  const stuck = outcomes.filter((outcome) => outcome.result === 'stuck').map((outcome) => outcome.key);
  if (stuck.length === 0) {
    turn.log('info', 'All HA resources relinquished.');
    if (state.joined) turn.send(shutdoneMessage);
  } else {
    turn.log(
      'CRIT',
      `Not all HA resources are relinquished (${stuck.join(' ')}): the other node is not told to take them.`,
    );
    turn.report({ stable: false });
  }
  turn.effects.push({ type: 'released', stuck });
}
