/**
 * What an operator asked for, and what becomes of it: `systole standby` and `systole takeover` want an answer, not a line in a log.
 *
 * A request is refused at once with the reason, or accepted; an accepted one ends in `done` or `failed`. One at a time.
 */
import type { Ms } from '../../runtime/units.ts';
import { groupsOf } from './groups.ts';
import { includes, mirrorSet, plus, type ResourceSet } from './holdings.ts';
import { type ClusterMessage, takeoverMessage } from './messages.ts';
import { requestStandby } from './standby.ts';
import type { Turn } from './turn.ts';

export type OperatorVerb = 'standby' | 'takeover';

/** What is told of a request: first `accepted` or `refused`, after `accepted` one of the other two. `text` is one sentence for people. */
export interface OperatorAnswer {
  readonly stage: 'refused' | 'accepted' | 'done' | 'failed';
  readonly text: string;
}

/** The accepted request that is under way. */
export interface OperatorWork {
  /** Number of the asker; null when nobody waits for an answer. */
  readonly request: number | null;
  readonly verb: OperatorVerb;
  /** As seen from this node. */
  readonly set: ResourceSet;
  /** Takeover: how long the other node may take to begin [ms, monotonic]; null once it has, and for a standby, which has its own limits. */
  readonly beginMs: Ms | null;
}

/** How long the other node may take to begin a handover that we asked it for [ms]; it has as long for its own question. */
const BEGIN_MS = 10_000;

/** @param request null: nobody waits for the answer */
export function operatorAsks(turn: Turn, verb: OperatorVerb, set: ResourceSet, request: number | null): void {
  const { state } = turn;
  const answer = verb === 'standby' ? askStandby(turn, set) : askTakeover(turn, set);
  if (request !== null) turn.effects.push({ type: 'operator', request, answer });
  if (answer.stage !== 'accepted') return;
  state.operator = { request, verb, set, beginMs: verb === 'takeover' ? turn.in(BEGIN_MS) : null };
}

const refused = (text: string): OperatorAnswer => ({ stage: 'refused', text });

function askStandby(turn: Turn, set: ResourceSet): OperatorAnswer {
  const { state } = turn;
  if (state.operator !== null) return refused(`an earlier ${state.operator.verb} is still under way`);
  if (state.other !== null && !state.other.alive)
    return refused(`${state.other.name} is dead: there is nobody to take resources`);
  const refusal = requestStandby(turn, set);
  return refusal === null
    ? { stage: 'accepted', text: `${state.other?.name} is asked to take ${set} resources` }
    : refused(refusal);
}

function askTakeover(turn: Turn, set: ResourceSet): OperatorAnswer {
  const { state } = turn;
  const { other, phase } = state;
  if (state.operator !== null) return refused(`an earlier ${state.operator.verb} is still under way`);
  if (other === null) return refused('there is no other node to take resources from');
  if (turn.legacy) return refused('with auto_failback legacy there is no standby and no takeover');
  if (phase !== 'stable') return refused('this node is not ready: it starts, or it stops');
  if (state.crippled) return refused('this node could not stop a resource and needs a reboot');
  if (state.standby.step !== 'not' || state.asking !== null) return refused('another handover is under way');
  if (!includes(other.holding, mirrorSet(set)) && includes(state.claims, set) && turn.holdsReally(set))
    return { stage: 'done', text: `${set} resources run here already` };
  if (!other.alive) return refused(`${other.name} is dead: what it had was taken over, or waits for fencing`);
  if (!other.stable) return refused(`${other.name} is in transition: try again when it is done`);
  turn.send(takeoverMessage(set));
  return { stage: 'accepted', text: `${other.name} is asked for ${set} resources` };
}

/**
 * `req_resource KEY` of the heartbeat package, run by hand or by a script: it says in our own name that we may take the group. The original
 * starts it whatever else goes on. Here it is a second try for a group that could not be started, and only while nobody else has it.
 */
export function scriptAsks(turn: Turn, message: Extract<ClusterMessage, { type: 'ip-request-resp' }>): void {
  const { state } = turn;
  const { key, dest, ok, weOwn } = message;
  const group = state.groups.get(key);
  if (dest !== state.config.self || ok !== 'OK') return;
  turn.script('ip-request-resp', `received ip-request-resp ${key} ${ok} ${weOwn}`);
  if (group === undefined || group.activity === 'held' || group.activity === 'claimed') return;
  const othersHave =
    state.other?.alive === true && (includes(state.other.holding, mirrorSet(group.kind)) || !state.other.stable);
  if (
    othersHave ||
    state.fencing === 'pending' ||
    state.phase !== 'stable' ||
    state.standby.step !== 'not' ||
    state.crippled ||
    turn.isBusy
  ) {
    turn.log(
      'WARN',
      `req_resource ${key} ignored: ${othersHave ? 'the other node has it' : 'resources are in transition'}.`,
    );
    return;
  }
  state.claims = plus(state.claims, group.kind);
  turn.acquireKeys([key], 'own');
  turn.report();
}

/** Runs after every input: has the request come to its end? */
export function followOperator(turn: Turn): void {
  const { state, nowMs } = turn;
  const work = state.operator;
  if (work === null) return;
  if (state.phase === 'shutdown') {
    finish(turn, 'failed', 'this node is stopping');
    return;
  }
  if (turn.exchangeDone) {
    const answer = work.verb === 'standby' ? givenAway(turn, work) : taken(turn, work);
    finish(turn, answer.stage, answer.text);
    return;
  }
  if (state.other?.alive !== true) {
    finish(turn, 'failed', `${state.other?.name} has died meanwhile`);
    return;
  }
  const { step } = state.standby;
  if (work.beginMs !== null && step !== 'not') state.operator = { ...work, beginMs: null };
  else if (work.beginMs !== null) {
    if (work.beginMs <= nowMs)
      finish(
        turn,
        'failed',
        `${state.other.name} has not offered them within ${BEGIN_MS / 1_000} s: it is busy, or refuses; see its log`,
      );
  } else if (step === 'not' && state.asking === null) finish(turn, 'failed', lastWords(turn));
}

function givenAway(turn: Turn, { set }: OperatorWork): OperatorAnswer {
  return { stage: 'done', text: `${turn.state.other?.name} has taken ${set} resources` };
}

function taken(turn: Turn, { set }: OperatorWork): OperatorAnswer {
  const failed = groupsOf(turn.state.groups, set).filter((group) => group.activity !== 'held');
  return failed.length === 0
    ? { stage: 'done', text: `${set} resources run here` }
    : { stage: 'failed', text: `not running here: ${failed.map((group) => group.spec.key).join(' ')}; see the log` };
}

/** The exchange ended without success in this turn: what was logged about it is the reason. */
function lastWords(turn: Turn): string {
  const logged = turn.effects.findLast((effect) => effect.type === 'log' && effect.tag === undefined);
  return logged?.type === 'log' ? logged.text.replaceAll(/\s+/g, ' ') : 'the exchange was given up';
}

function finish(turn: Turn, stage: OperatorAnswer['stage'], text: string): void {
  const { operator } = turn.state;
  turn.state.operator = null;
  if (operator?.request != null)
    turn.effects.push({ type: 'operator', request: operator.request, answer: { stage, text } });
}
