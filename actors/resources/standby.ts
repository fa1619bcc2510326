/**
 * The standby protocol: one node gives a set of groups up, the other takes it, each step confirmed (resources.md section 7). An automatic
 * failback is a standby that nobody had to ask for.
 */
import { ms } from '../../runtime/units.ts';
import { groupsOf } from './groups.ts';
import { includes, kindsOf, minus, mirrorSet, type ResourceSet } from './holdings.ts';
import { askMessage, type ClusterMessage } from './messages.ts';
import type { Turn } from './turn.ts';
import type { AskOrigin, GroupOutcome, Job, StandbyState } from './types.ts';

/** How long the other node may take to agree [ms]: Heartbeat's constant. */
const AGREE_MS = 10_000;
/** How long an agreed exchange may take [ms]: Heartbeat's constant. */
const EXCHANGE_MS = 3_600_000;
/** How long after our word the other node may take to begin its release [ms]: it waits {@link AGREE_MS} for our word, then its request is void. */
const BEGIN_MS = 2 * AGREE_MS;
/** `info` of a report that ends the other node's half of an exchange we know nothing of (ours alone: a 3.0.6 ignores the word). */
const NO_EXCHANGE = 'nostandby';
/** A failback or an offer that got no answer is tried again after this pause [ms]. */
const RETRY_MS = 10_000;

/** Heartbeat's numbers of the standby states, for its error text. */
const stepNumber: Readonly<Record<StandbyState['step'], number>> = {
  not: 0,
  asked: 1,
  giving: 1,
  given: 3,
  waiting: 2,
  taking: 3,
};

/**
 * One message of the protocol.
 *
 * @param own it came from this node: a request of an operator, of ipfail or of our own failback. Our `other` and `done` act when they are sent.
 */
export function onAsk(turn: Turn, own: boolean, message: Extract<ClusterMessage, { type: 'ask_resources' }>): void {
  const { state } = turn;
  const other = state.other;
  const { info, set } = message;
  if (turn.legacy) {
    if (info === 'me') turn.log('info', 'Standby mode only implemented when nice_failback on');
    return;
  }
  if (other === null || state.phase === 'shutdown' || (own && info !== 'me')) return;
  const from = own ? state.config.self : other.name;
  const { standby } = state;
  const origin = own ? state.asking : null;
  if (own) state.asking = null;

  if (info === 'me' && 'deadlineMs' in standby) {
    const leftSeconds = Math.max(0, Math.floor((standby.deadlineMs - turn.nowMs) / 1000));
    turn.log('WARN', `Standby in progress- new request from ${from} ignored [${leftSeconds} seconds left]`);
    askAgain(turn, origin);
    return;
  }
  if (standby.step === 'not' && !other.stable) {
    turn.log('WARN', `standby message [${info}] from ${from} ignored.  Other side is in flux.`);
    askAgain(turn, origin);
    if (info !== 'me') disown(turn, set);
    return;
  }
  if (standby.step === 'not' && state.phase !== 'stable') {
    turn.log('WARN', `standby message [${info}] from ${from} ignored.  local resources in flux.`);
    askAgain(turn, origin);
    if (info !== 'me') disown(turn, set);
    return;
  }
  if (set !== undefined && info === 'me' && standby.step === 'not') {
    if (own) ask(turn, from, set, origin);
    else agree(turn, from, set);
  } else if (info === 'other' && standby.step === 'asked' && set === standby.set) giveUp(turn, from, standby.set);
  else if (info === 'done' && standby.step === 'waiting' && set === standby.set) take(turn, from, standby.set);
  else if (info === 'done' && standby.step === 'given' && set === standby.set) {
    turn.log('info', `Other node completed standby takeover of ${standby.set} resources.`);
    state.standby = { step: 'not' };
    turn.exchangeDone = true;
    turn.report();
  } else {
    turn.log('ERROR', `Ignored standby message '${info}' from ${from} in state ${stepNumber[standby.step]}`);
    if (info !== 'me') disown(turn, set);
  }
}

/** An exchange goes on over there of which we know nothing (any more): it has to end there too. */
export function disown(turn: Turn, set: ResourceSet | undefined): void {
  if (set !== undefined) turn.report({ info: NO_EXCHANGE, asked: set });
}

function ask(turn: Turn, from: string, set: ResourceSet, origin: AskOrigin | null): void {
  const { state } = turn;
  if (state.other === null) return;
  turn.log('info', `${from} wants to go standby [${set}]`);
  state.other.stable = false;
  state.standby = { step: 'asked', set, deadlineMs: turn.in(AGREE_MS), origin };
}

function agree(turn: Turn, from: string, set: ResourceSet): void {
  const { state } = turn;
  if (state.crippled) {
    turn.log(
      'CRIT',
      `standby message [me] from ${from} ignored: this node could not stop a resource and needs a reboot.`,
    );
    return;
  }
  turn.log('info', `${from} wants to go standby [${set}]`);
  turn.send(askMessage(set, 'other'));
  state.standby = { step: 'waiting', set, deadlineMs: turn.in(BEGIN_MS) };
}

function giveUp(turn: Turn, from: string, set: ResourceSet): void {
  const { state } = turn;
  turn.log('info', `standby: ${from} can take our ${set} resources`);
  state.claims = minus(state.claims, set);
  turn.report({ stable: false, info: 'standby' });
  turn.log('info', `give up ${set} HA resources (standby).`);
  state.standby = { step: 'giving', set, job: turn.release(set, 'standby').id };
}

function take(turn: Turn, from: string, set: ResourceSet): void {
  const mine = mirrorSet(set);
  turn.log('info', `standby: acquire [${set}] resources from ${from}`);
  turn.log('info', `acquire ${mine} HA resources (standby).`);
  if (turn.state.other !== null) turn.state.other.holding = minus(turn.state.other.holding, set);
  turn.state.standby = { step: 'taking', set, job: turn.acquire(mine, 'standby').id };
}

/** The engine finished the release or the acquisition of an exchange. */
export function onStandbyJob(turn: Turn, job: Job, outcomes: readonly GroupOutcome[]): void {
  const { state } = turn;
  const { standby } = state;
  if (standby.step === 'giving' && standby.job === job.id) {
    if (outcomes.some((outcome) => outcome.result === 'stuck')) {
      // The other node must not start what may still run here, so it never hears that we are done.
      turn.log('CRIT', `${standby.set} HA resources could not be released: standby cancelled.`);
      state.standby = { step: 'not' };
      turn.report({ stable: false });
      return;
    }
    turn.log('info', `${standby.set} HA resource release completed (standby).`);
    turn.log('info', `Local standby process completed [${standby.set}].`);
    turn.send(askMessage(standby.set, 'done'));
    state.standby = { step: 'given', set: standby.set, deadlineMs: turn.in(EXCHANGE_MS) };
  } else if (standby.step === 'taking' && standby.job === job.id) {
    turn.log('info', `${mirrorSet(standby.set)} HA resource acquisition completed (standby).`);
    turn.log('info', `Standby resource acquisition done [${standby.set}].`);
    for (const kind of kindsOf(mirrorSet(standby.set))) turn.workDone(kind, 'auto_failback');
    state.standby = { step: 'not' };
    turn.exchangeDone = true;
    // The report goes first: 3.0.6 sees it so, since it numbers `done` first but transmits it last.
    turn.report();
    turn.send(askMessage(standby.set, 'done'));
  }
}

/** The time allowed for the present step is over. */
export function onStandbyTimeout(turn: Turn): void {
  const { state } = turn;
  turn.log('WARN', 'No reply to standby request.  Standby request cancelled.');
  if (state.standby.step === 'asked') askAgain(turn, state.standby.origin);
  if (state.other !== null) state.other.stable = true;
  state.standby = { step: 'not' };
  turn.report();
}

/** Remembers a request of our own that came to nothing. */
function askAgain(turn: Turn, origin: AskOrigin | null): void {
  const { state } = turn;
  if (origin === null || origin.why === 'operator') return;
  state.deadlines.retryMs = turn.in(RETRY_MS);
  if (origin.why === 'failback') state.needsFailback = true;
  if (origin.why === 'offer') {
    state.offers.add(origin.kind);
    for (const group of groupsOf(state.groups, origin.kind)) group.offered = false;
  }
}

/** Ends an exchange whose other half is gone. Jobs that run go on; what they give is counted when they are done. */
export function cancelStandby(turn: Turn): void {
  const { standby } = turn.state;
  turn.state.standby = { step: 'not' };
  if (standby.step === 'asked') askAgain(turn, standby.origin);
}

/**
 * The other node began a new life in the middle of an exchange. What it was to get is in nobody's hands now: the groups that prefer this
 * node are taken back at once, and the others as well as long as they may still run here (the new life could start them otherwise).
 */
export function restartStandby(turn: Turn): void {
  const { standby } = turn.state;
  if (standby.step === 'not') return;
  cancelStandby(turn);
  if (standby.step === 'giving') {
    turn.state.needsFailback = true;
    turn.acquire(standby.set, 'standby');
  } else if (standby.step === 'given' && standby.set !== 'foreign') turn.acquire('local', 'standby');
}

/**
 * What a report says about an exchange. `info=standby`: the other node began to release what it asked us to take, and may take its time. A
 * stable report that claims what we released: the other node has it, so its `done` is due (or will never come, when it took us for dead
 * meanwhile).
 */
export function noticeReport(turn: Turn, report: Extract<ClusterMessage, { type: 'resource' }>): void {
  const { state } = turn;
  const { standby } = state;
  if (
    report.info === NO_EXCHANGE &&
    (standby.step === 'waiting' || standby.step === 'given') &&
    report.asked === standby.set
  ) {
    turn.log('WARN', `standby [${standby.set}] is unknown to the other node.  Standby request cancelled.`);
    state.standby = { step: 'not' };
  } else if (standby.step === 'waiting' && report.info === 'standby') {
    state.standby = { ...standby, deadlineMs: turn.in(EXCHANGE_MS) };
  } else if (standby.step === 'given' && report.stable === true && includes(report.holding, mirrorSet(standby.set))) {
    state.standby = { ...standby, deadlineMs: ms(Math.min(standby.deadlineMs, turn.in(AGREE_MS))) };
  }
}

/**
 * A request of this node, by its operator. One that we would ignore ourselves is not sent, since the other node would agree to it.
 *
 * @returns why it was not sent, null when it was
 */
export function requestStandby(turn: Turn, set: ResourceSet): string | null {
  turn.script('hb_standby', `Going standby [${set}].`);
  const { other, standby, phase, config } = turn.state;
  const refuse = (severity: 'info' | 'WARN', text: string): string => {
    turn.log(severity, text);
    return text;
  };
  if (turn.legacy) return refuse('info', 'Standby mode only implemented when nice_failback on');
  if (other === null || phase === 'shutdown')
    return refuse('WARN', `standby request [${set}] ignored: there is nobody to take resources.`);
  if (!other.stable && standby.step === 'not')
    return refuse('WARN', `standby message [me] from ${config.self} ignored.  Other side is in flux.`);
  if (phase !== 'stable')
    return refuse('WARN', `standby message [me] from ${config.self} ignored.  local resources in flux.`);
  if (standby.step !== 'not' || turn.state.asking !== null)
    return refuse('WARN', `Standby in progress- new request from ${config.self} ignored`);
  turn.state.asking = { why: 'operator' };
  turn.send(askMessage(set, 'me'));
  return null;
}
