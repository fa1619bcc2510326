/**
 * What is done when the picture is complete and not as it should be: groups held twice, groups held by nobody, groups that wait to go home,
 * groups that could not start here.
 *
 * Both nodes run these rules on the same facts and come to opposite halves of one decision. Of a group that both hold, the node that it
 * does not prefer gives it up, at once. The preferred owner keeps it. Another node that does not react is a Heartbeat 3.0.6, which never
 * resolves this by itself: after {@link TAKE_BACK_MS} it is asked for the groups in its own protocol, which also clears a claim without a group
 * behind it (3.0.6 claims everything when any third node dies). Only when that has not helped after {@link YIELD_MS}, or {@link YIELD_TO_DEAF_MS}
 * when it has declared us dead (one direction is blocked), does the owner give way instead: one owner is better than the right one. Of a group
 * that nobody holds, only its preferred owner takes it.
 */
import { groupsOf } from './groups.ts';
import { includes, type Kind, kindsOf, mirrorSet } from './holdings.ts';
import { askMessage, takeoverMessage } from './messages.ts';
import { acquireOwn } from './negotiation.ts';
import type { Turn } from './turn.ts';

/** How long the other node may take to react by itself before it is asked to give up what both hold [ms]. */
const TAKE_BACK_MS = 2_000;
/** How long the preferred owner waits for the other node to give a group up that both hold [ms]. */
const YIELD_MS = 5_000;
/** The same when the other node has declared us dead: it can hardly react to what it does not hear [ms]. */
const YIELD_TO_DEAF_MS = 1_000;
/** How long groups must be without an owner before their preferred node takes them [ms]. */
const ADOPT_MS = 2_000;

/** Runs after every input. */
export function keepBalance(turn: Turn): void {
  resolveDoubleHolding(turn);
  announceKept(turn);
  audit(turn);
  failBack(turn);
  offerFailed(turn);
  adoptOwnerless(turn);
}

/** Both nodes speak, both have said what they hold, and nothing is under way that will change it. */
function bothKnown(turn: Turn): boolean {
  const { state } = turn;
  const other = state.other;
  return (
    !turn.legacy &&
    other !== null &&
    other.alive &&
    other.reported &&
    other.leaving === 'no' &&
    state.standby.step === 'not'
  );
}

function bothSettled(turn: Turn): boolean {
  const { state } = turn;
  return (
    bothKnown(turn) &&
    state.phase === 'stable' &&
    state.other?.stable === true &&
    state.takeoverFrom === null &&
    !turn.isBusy
  );
}

function heldTwice(turn: Turn, kind: Kind): boolean {
  const { claims, other } = turn.state;
  return other !== null && includes(claims, kind) && includes(other.holding, mirrorSet(kind));
}

function resolveDoubleHolding(turn: Turn): void {
  const { state } = turn;
  const able = bothKnown(turn) && (state.phase === 'stable' || state.phase === 'reported');
  if (able && heldTwice(turn, 'foreign')) {
    state.needsFailback = false;
    giveWay(turn, 'foreign', 'it is their preferred owner');
  }
  if (!heldTwice(turn, 'local')) state.takeBackAsked = false;
  if (!able || !heldTwice(turn, 'local')) {
    state.deadlines.yieldMs = null;
    state.deadlines.takeBackMs = null;
    return;
  }
  takeBack(turn);
  const patienceMs = state.other?.deaf === true ? YIELD_TO_DEAF_MS : YIELD_MS;
  state.deadlines.yieldMs ??= turn.in(patienceMs);
  if (state.deadlines.yieldMs > turn.nowMs) return;
  state.deadlines.yieldMs = null;
  const deaf = patienceMs === YIELD_TO_DEAF_MS ? ' and does not hear us' : '';
  giveWay(turn, 'local', `it did not give them up within ${patienceMs / 1000} s${deaf}`);
}

/** Once in each such state, and only a node that hears us. */
function takeBack(turn: Turn): void {
  const { state } = turn;
  const { deadlines, other } = state;
  if (state.takeBackAsked || other?.deaf === true) {
    deadlines.takeBackMs = null;
    return;
  }
  deadlines.takeBackMs ??= turn.in(TAKE_BACK_MS);
  if (deadlines.takeBackMs > turn.nowMs) return;
  deadlines.takeBackMs = null;
  if (other?.stable !== true || state.phase !== 'stable' || turn.isBusy) return;
  state.takeBackAsked = true;
  turn.log('WARN', `Both machines own local resources: asking ${other.name} to give them up.`);
  turn.send(takeoverMessage('local'));
}

function giveWay(turn: Turn, kind: Kind, because: string): void {
  if (turn.hasGroups(kind)) {
    turn.log(
      'CRIT',
      `Both machines own ${kind} resources: giving them up, since ${turn.state.other?.name} holds them and ${because}.`,
    );
  }
  turn.release(kind, 'double-holding');
  turn.report({ stable: false });
}

/**
 * What both held is this node's alone again: its addresses are announced anew, since the neighbours believe whoever announced last. Once when
 * the other node says that it gives up, and once more when it is done with it.
 */
function announceKept(turn: Turn): void {
  const { contested, claims, other } = turn.state;
  if (other === null) return;
  for (const kind of kindsOf('all')) {
    if (heldTwice(turn, kind)) contested.set(kind, 'open');
    const stage = contested.get(kind);
    if (stage === undefined) continue;
    if (!includes(claims, kind)) contested.delete(kind);
    else if (heldTwice(turn, kind) || (other.alive && !other.reported)) continue;
    else if (stage === 'open' || other.stable || !other.alive) {
      const keys = groupsOf(turn.state.groups, kind).flatMap(({ activity, spec }) =>
        activity === 'held' ? [spec.key] : [],
      );
      if (keys.length > 0) turn.effects.push({ type: 'announce', keys });
      if (other.stable || !other.alive) contested.delete(kind);
      else contested.set(kind, 'told');
    }
  }
}

const auditLines = {
  twice: { local: 'Both machines own our resources!', foreign: 'Both machines own foreign resources!' },
  nobody: { local: 'No one owns our local resources!', foreign: 'No one owns foreign resources!' },
} as const;

/** Heartbeat's audit: each line is logged once when it becomes true. */
function audit(turn: Turn): void {
  const { state } = turn;
  const other = state.other;
  const found = new Set<string>();
  if (other !== null && bothKnown(turn)) {
    for (const kind of kindsOf('all')) {
      if (!turn.hasGroups(kind)) continue;
      if (heldTwice(turn, kind)) found.add(auditLines.twice[kind]);
      const owned = includes(state.claims, kind) || includes(other.holding, mirrorSet(kind));
      if (bothSettled(turn) && !owned) found.add(auditLines.nobody[kind]);
    }
  }
  for (const line of found) if (!state.audit.has(line)) turn.log('ERROR', line);
  state.audit = found;
}

function mayAsk(turn: Turn): boolean {
  const { asking, deadlines } = turn.state;
  if (asking !== null || (deadlines.retryMs !== null && deadlines.retryMs > turn.nowMs)) return false;
  deadlines.retryMs = null;
  return true;
}

/** Sends the groups home that prefer the other node, when it is back and auto_failback is on. */
function failBack(turn: Turn): void {
  const { state } = turn;
  if (state.config.autoFailback !== 'on' || !state.needsFailback || state.phase === 'shutdown') return;
  if (!includes(state.claims, 'foreign') || state.crippled || !bothKnown(turn)) return;
  if (state.phase !== 'stable' || state.other?.stable !== true) return;
  if (!mayAsk(turn)) return;
  state.needsFailback = false;
  state.asking = { why: 'failback' };
  turn.send(askMessage('foreign', 'me'));
}

/** Lets the other node try, once, what could not be started here. */
function offerFailed(turn: Turn): void {
  const { state } = turn;
  const kind = [...state.offers][0];
  if (kind === undefined || state.crippled || !bothSettled(turn) || !mayAsk(turn)) return;
  state.offers.delete(kind);
  const failed = groupsOf(state.groups, kind).filter((group) => group.activity === 'failed');
  if (failed.length === 0) return;
  for (const group of failed) group.offered = true;
  state.asking = { why: 'offer', kind };
  turn.script('hb_standby', `Going standby [${kind}].`);
  turn.send(askMessage(kind, 'me'));
}

/** Takes the own groups when nobody has them, and nothing says that they cannot run here. */
function adoptOwnerless(turn: Turn): void {
  const { state } = turn;
  const other = state.other;
  const ownerless =
    bothSettled(turn) &&
    !state.crippled &&
    state.offers.size === 0 &&
    state.asking === null &&
    other !== null &&
    !includes(state.claims, 'local') &&
    !includes(other.holding, 'foreign') &&
    !groupsOf(state.groups, 'local').some((group) => group.activity === 'failed' || group.activity === 'stuck');
  if (!ownerless) {
    state.deadlines.adoptMs = null;
    return;
  }
  state.deadlines.adoptMs ??= turn.in(ADOPT_MS);
  if (state.deadlines.adoptMs > turn.nowMs) return;
  state.deadlines.adoptMs = null;
  turn.log('WARN', 'No one owns our local resources: acquiring them.');
  acquireOwn(turn);
}
