/**
 * Membership, the heart of a node: who is alive, on which links, and the numbered streams of messages between the nodes.
 *
 * Pure and deterministic: no clock, no randomness, no I/O but the five functions of {@link MembershipConfig}. The shell feeds inputs
 * with the time and carries out the effects, in their order:
 *
 * ```ts
 * const state = createMembership(configFromSettings(settings, doors), now());
 * const feed = (input: MembershipInput): void => {
 *   let drain = false;
 *   for (const effect of step(state, input, now())) drain = perform(effect) || drain; // true for the effect `drain`
 *   if (drain) feedWaitingPacketsThen({ type: 'drained', untilMs: now() });
 *   armTimer(nextDeadlineMs(state)); // calls feed({ type: 'tick' })
 * };
 * ```
 *
 * The parts, one idea a file, are in `membership/`: sequence (the decision table), history and requests (loss recovery), flow
 * (acknowledgements), status, coming-up, roster (nodes that come and go), links, death, stall, envelope, identity.
 */
import type { MediumSpec, Settings } from '../conf/settings.ts';
import { getString } from '../runtime/message/message.ts';
import type { Ms } from '../runtime/units.ts';
import { assertNever, ms } from '../runtime/units.ts';
import { takeAllBeats } from './membership/beats.ts';
import { advance, leave, linksUpFromMs, settle, startBeating } from './membership/coming-up.ts';
import { judgeSilence, nextSilenceMs } from './membership/death.ts';
import type { Directory } from './membership/envelope.ts';
import { compose, isUnnumbered, NIL_UUID } from './membership/envelope.ts';
import { updateFlow } from './membership/flow.ts';
import { remember } from './membership/history.ts';
import { sameUuid } from './membership/identity.ts';
import { receive } from './membership/receive.ts';
import { askForMissing, nextRequestMs } from './membership/requests.ts';
import { noteLateness, settleDoubt } from './membership/stall.ts';
import type { MembershipState, Turn } from './membership/state.ts';
import { createState, emit, send } from './membership/state.ts';
import { sendStatus } from './membership/status.ts';
import type { Effect, MembershipConfig, MembershipInput, MembershipLink } from './membership/types.ts';
import { isPingSpec, pingNodeOf } from './ping.core.ts';

export { describe, type MembershipView } from './membership/describe.ts';
export type { MembershipState } from './membership/state.ts';
export type { Effect, MembershipConfig, MembershipInput } from './membership/types.ts';

/** What ha.cf does not say: identity, and the doors to the outside. */
type Doors = Pick<
  MembershipConfig,
  'uuid' | 'generation' | 'random' | 'wallClockS' | 'loadAverage' | 'lastHeardMs' | 'linkHeardMs' | 'beats' | 'deleted'
>;

/** The core's configuration from the settings of ha.cf. */
export function configFromSettings(settings: Settings, doors: Doors): MembershipConfig {
  const { self, nodes, keepaliveMs, warntimeMs, deadtimeMs, initdeadMs, deadpingMs, hopfudge } = settings;
  const { maxRexmitDelayMs, autoFailback, managesResources, autojoin } = settings;
  const times = { keepaliveMs, warntimeMs, deadtimeMs, initdeadMs, deadpingMs, maxRexmitDelayMs };
  return {
    self,
    nodes,
    ...times,
    hopfudge,
    autoFailback,
    managesResources,
    autojoin,
    links: settings.media.map(linkOf),
    ...doors,
  };
}

function linkOf(medium: MediumSpec): MembershipLink {
  const pingNode = isPingSpec(medium) ? pingNodeOf(medium) : null;
  return { name: medium.link, pingNode, ring: medium.kind === 'serial' };
}

/**
 * Makes the state of a node that is about to start. The first tick is due at once and sends the first statuses.
 * @param nowMs start of this incarnation [monotonic ms]
 * @throws RangeError when the configuration does not list the node itself
 */
export function createMembership(config: MembershipConfig, nowMs: Ms): MembershipState {
  return createState(config, nowMs);
}

/** When to call `step(state, { type: 'tick' }, now)` at the latest [monotonic ms]; never before the newest step's time. */
export function nextDeadlineMs(state: MembershipState): Ms {
  return ms(state.dueMs);
}

/**
 * The earliest end of somebody's silence [monotonic ms]: {@link nextDeadlineMs} itself when a verdict is what is due, else later; Infinity when
 * nobody can die.
 */
export function nextVerdictMs(state: MembershipState): number {
  return state.verdictDueMs;
}

/**
 * Takes one input. The state is changed **in place** (one packet allocates no new state); the effects are to be carried out in order.
 *
 * Never throws on arbitrary fields. Costs a few microseconds: constant in the history, linear in nodes × links and in missing numbers.
 *
 * @param nowMs monotonic time, never decreasing from call to call
 */
export function step(state: MembershipState, input: MembershipInput, nowMs: Ms): Effect[] {
  const turn: Turn = { state, nowMs, out: [] };
  noteLateness(turn);
  let drainNeeded = false;
  if (state.phase === 'starting' && (input.type === 'packet' || input.type === 'send')) speakFirst(turn);
  switch (input.type) {
    case 'packet':
      receive(turn, input.link, input.fields, input.heardMs, input.before);
      break;
    case 'tick':
      beat(turn);
      takeAllBeats(turn);
      askForMissing(turn);
      drainNeeded = judgeSilence(turn);
      break;
    case 'look':
      takeAllBeats(turn);
      break;
    case 'send':
      send(turn, input.fields);
      break;
    case 'leaving':
      leave(turn, input.forRestart === true);
      break;
    case 'drained':
      drainNeeded = drained(turn, input.untilMs);
      break;
    default:
      assertNever(input);
  }
  flush(turn);
  advance(turn);
  flush(turn);
  if (drainNeeded || (state.doubt !== null && state.drainAskedMs === null)) {
    state.drainAskedMs = nowMs;
    turn.out.push({ type: 'drain' });
  }
  state.dueMs = Math.max(nowMs, nextDueMs(state, nowMs));
  return turn.out;
}

/**
 * The answer to `drain`. One that does not reach back to the question settles nothing (the next tick asks again); one that does leaves
 * only deadlines that passed since, so asking again here comes to an end.
 */
function drained(turn: Turn, untilMs: Ms): boolean {
  const { state } = turn;
  state.drainedUntilMs = Math.max(state.drainedUntilMs, untilMs);
  if (state.drainAskedMs !== null && untilMs < state.drainAskedMs) return false;
  state.drainAskedMs = null;
  takeAllBeats(turn);
  settleDoubt(turn);
  return judgeSilence(turn);
}

/**
 * What waits for us at a slow start is answered after our first statuses: a 3.0.6 that has waited longer than our dead time, and then hears
 * anything of us but a status, declares us dead at once.
 */
function speakFirst(turn: Turn): void {
  beat(turn);
  flush(turn);
}

/** The keepalive tick, on absolute times: tick k is due at start + k × keepalive; when late, one status goes out, not a burst. */
function beat(turn: Turn): void {
  const { state, nowMs } = turn;
  const { keepaliveMs } = state.config;
  if (state.phase === 'starting') startBeating(turn);
  else if (nowMs >= state.nextKeepaliveMs) sendStatus(turn);
  if (nowMs >= state.nextKeepaliveMs) {
    const ticks = Math.floor((nowMs - state.startMs) / keepaliveMs) + 1;
    state.nextKeepaliveMs = ms(state.startMs + ticks * keepaliveMs);
  }
  settle(turn);
}

/** Numbers, delivers to ourselves and transmits what the input made us say; and what that makes us say in turn. */
function flush(turn: Turn): void {
  const { state, nowMs, out } = turn;
  for (let next = state.outbox.shift(); next !== undefined; next = state.outbox.shift()) {
    if (next.kind === 'event') {
      emit(turn, next.event);
      continue;
    }
    const messageType = getString(next.fields, 't');
    if (messageType === undefined) {
      out.push({ type: 'log', severity: 'ERROR', text: 'a message without a type cannot be sent' });
      continue;
    }
    const seq = isUnnumbered(messageType) ? null : state.history.highest + 1;
    const { config } = state;
    const sender = {
      name: state.self.name,
      uuid: config.uuid,
      generation: config.generation,
      ttl: config.hopfudge + state.nodes.length,
      memo: state.memo,
    };
    const fields = compose(next.fields, sender, directory(state), seq, config.wallClockS(), config.loadAverage());
    if (seq !== null) {
      remember(state.history, fields, nowMs);
      updateFlow(turn);
    }
    receive(turn, null, fields, nowMs);
    out.push({ type: 'transmit', messageType, fields, resent: false });
  }
}

function directory(state: MembershipState): Directory {
  return {
    uuidOf(name) {
      const node = state.byName.get(name);
      return node === undefined ? null : (node.uuid ?? NIL_UUID);
    },
    nameOf: (uuid) => state.nodes.find((node) => node.uuid !== null && sameUuid(node.uuid, uuid))?.name ?? null,
  };
}

function nextDueMs(state: MembershipState, nowMs: Ms): number {
  const ownMs = Math.min(
    state.nextKeepaliveMs,
    state.phase === 'waiting' && linksUpFromMs(state) > nowMs ? linksUpFromMs(state) : Number.POSITIVE_INFINITY,
    state.settleAtMs ?? Number.POSITIVE_INFINITY,
    state.nextAskMs ?? Number.POSITIVE_INFINITY,
    nextRequestMs(state),
  );
  state.verdictDueMs = nextSilenceMs(state, nowMs);
  return Math.min(ownMs, state.verdictDueMs);
}
