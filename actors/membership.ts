/**
 * Membership on its thread: timers, randomness, bytes and messages around the pure core in `membership/`.
 *
 * The way of a packet: medium → here → core → subscribers. The way of a heartbeat: the core composes, this file signs once for datagrams (and
 * once for serial lines) and sends the same bytes over every medium: through the sockets that datagram media have offered, else by the
 * medium's own thread; then the ping hosts are asked.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AuthKeys, Settings } from '../conf/settings.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import type { Timer } from '../runtime/clock.ts';
import { CodecError } from '../runtime/errors.ts';
import type { Log, LogTarget } from '../runtime/log.ts';
import { encodeClassic, encodeClassicDatagram, encodeDatagram } from '../runtime/message/datagram.ts';
import { type FieldList, field, getString } from '../runtime/message/message.ts';
import type { Protocol } from '../runtime/protocol.ts';
import type { ActorRef } from '../runtime/ref.ts';
import { type RealtimeOutcome, setRealtime } from '../runtime/sys/realtime.ts';
import { assertNever, type LinkName, type Ms, ms, type NodeName } from '../runtime/units.ts';
import { openBeatingLog } from './beating-log.ts';
import { Heart, type HeartFd } from './heart.ts';
import { observations } from './membership/observe.ts';
import { rehearseDeath, rehearseMembership } from './membership/rehearsal.ts';
import {
  configFromSettings,
  createMembership,
  describe,
  type Effect,
  type MembershipInput,
  type MembershipState,
  type MembershipView,
  nextDeadlineMs,
  nextVerdictMs,
  step,
} from './membership.core.ts';
import { OtherKeys } from './other-keys.ts';
import { Outlets } from './outlets.ts';
import type { ClientsCast, MediumCast, MembershipCast, MembershipEvent, PingCast, ResourcesCast } from './protocols.ts';
import { PulseBoard, type PulseBoardShape } from './pulse.ts';

export interface MembershipProtocol extends Protocol {
  readonly init: {
    /** Only media and nodes that are active in this version: a node that nothing can hear would hold up communication. */
    readonly settings: Settings;
    /** 16 bytes. */
    readonly uuid: Uint8Array;
    readonly generation: number;
    /** Names that were deleted at run time. */
    readonly deleted: readonly NodeName[];
    readonly keys: AuthKeys;
    readonly pulse: PulseBoardShape;
    readonly heart: HeartFd;
    readonly realtimePriority: number | null;
    readonly log: LogTarget;
  };
  readonly cast: MembershipCast;
  readonly call: { describe(): MembershipView & { readonly realtime: RealtimeOutcome | null } };
  readonly emit: {
    readonly type: 'restart-needed';
    readonly reason: 'partition-healed' | 'own-heart-stopped';
    readonly node: NodeName;
    readonly afterMs: Ms;
  };
}

interface ShellState {
  readonly core: MembershipState;
  readonly log: Log;
  readonly realtime: RealtimeOutcome | null;
  readonly msgFmt: Settings['msgFmt'];
  readonly compressOverBytes: number | null;
  readonly compression: Settings['compression']['module'];
  readonly outlets: Outlets;
  readonly otherKeys: OtherKeys;
  readonly heart: Heart;
  readonly board: PulseBoard;
  /** Every medium reaches one peer only: a node that is added needs a line of its own. */
  readonly unicastOnly: boolean;
  /** There are serial lines: what comes over one of them goes on over the others. */
  readonly passesOn: boolean;
  keys: AuthKeys;
  /** Classes of messages that clients want to see beside the delivered ones. */
  observed: number;
  timer: Timer | null;
  timerAtMs: number;
  /** The verdict that we have made ready for [monotonic ms]. */
  readyForMs: number;
  /** When we told others to be ready [monotonic ms]. */
  suspectedMs: number;
}

type Context = ActorContext<MembershipProtocol, ShellState>;

/** How the tree calls the actors of serial media: they are given classic text in place of datagrams. */
const serialMediumPrefix = 'medium:serial:';

/** How long before a death this thread and those that will act on it make themselves ready [ms]. */
const longestSuspicionMs = 1.2;

/** Links that lose every other packet cause many suspicions: each costs a millisecond of CPU or two, so they are made this far apart [ms]. */
const suspicionPauseMs = 100;

/** Media with one peer (or none at all): ping nodes hear nobody. */
const unicastKinds: ReadonlySet<string> = new Set(['ucast', 'ucast6', 'ping', 'ping6', 'ping_group']);

/** Time that the play before a verdict may take [ms]: 0.05 at the median, some times that when nothing of it is in the caches. */
const rehearsalMs = 0.7;

/** How often a medium is looked at that has not taken what waits in its socket [ms]. */
const drainLookMs = 0.05;

/** /proc/loadavg is read at most this often [ms]: the field informs people, and reading costs a system call in the tick. */
const loadAverageEveryMs = 1_000;

export default defineActor<MembershipProtocol, ShellState>({
  start(ctx, init) {
    rehearseMembership(init.keys, init.settings.msgFmt);
    // The first beats are not disturbed by what the start has left.
    globalThis.gc?.();
    const board = new PulseBoard(init.pulse);
    const loadAverage = loadAverageReader(() => ctx.clock.now());
    const config = configFromSettings(init.settings, {
      uuid: init.uuid,
      generation: init.generation,
      random: Math.random,
      wallClockS: () => Math.floor(Date.now() / 1_000),
      loadAverage,
      deleted: init.deleted,
      lastHeardMs: (node: NodeName) => board.heard(node),
      linkHeardMs: (node: NodeName, link: LinkName) => board.heardOn(node, link),
      beats: board,
    });
    const { module, thresholdKb, traditional } = init.settings.compression;
    const state: ShellState = {
      core: createMembership(config, ctx.clock.now()),
      log: openBeatingLog(ctx, init.log),
      realtime: init.realtimePriority === null ? null : setRealtime(init.realtimePriority),
      msgFmt: init.settings.msgFmt,
      compressOverBytes: traditional ? thresholdKb * 1_024 : null,
      compression: module,
      outlets: new Outlets(),
      otherKeys: new OtherKeys(init.settings.self, Math.max(init.settings.initdeadMs, init.settings.deadtimeMs)),
      heart: new Heart(init.heart),
      board,
      passesOn: init.settings.media.some((medium) => medium.kind === 'serial'),
      unicastOnly: init.settings.media.every((medium) => unicastKinds.has(medium.kind)),
      keys: init.keys,
      observed: 0,
      timer: null,
      timerAtMs: Number.POSITIVE_INFINITY,
      readyForMs: Number.NEGATIVE_INFINITY,
      suspectedMs: Number.NEGATIVE_INFINITY,
    };
    tellWhatToTell(state);
    arm(ctx, state);
    return state;
  },

  onCast(ctx, state, message) {
    switch (message.type) {
      case 'packet':
        noteKey(state, message);
        run(ctx, state, message);
        return;
      case 'leaving':
        run(ctx, state, message);
        return;
      case 'send':
        if (message.fromClient !== true || canBeSent(state, message.fields)) run(ctx, state, message);
        // After the effects of sending it: a word to slow down overtakes nothing.
        if (message.fromClient === true) tellClients(ctx, { type: 'client-message-taken' });
        return;
      case 'keys':
        state.otherKeys.changed(
          state.keys.selected,
          message.keys.selected,
          state.core.nodes.filter((node) => node.type === 'normal').map((node) => node.name),
          ctx.clock.now(),
        );
        state.keys = message.keys;
        tellWhatToTell(state);
        return;
      case 'sockets':
        state.outlets.offer(message.medium, message.sockets);
        return;
      case 'observe':
        state.observed = message.mask;
        tellWhatToTell(state);
        return;
      default:
        assertNever(message);
    }
  },

  calls: {
    describe: (ctx, state) => ({ ...describe(state.core, ctx.clock.now()), realtime: state.realtime }),
  },

  stop(_ctx, state) {
    state.timer?.cancel();
    state.outlets.close();
    state.log.close();
  },
});

function run(ctx: Context, state: ShellState, input: MembershipInput): void {
  const effects = step(state.core, input, ctx.clock.now());
  for (const effect of effects) perform(ctx, state, effect);
  if (state.observed !== 0)
    for (const { mask, fields } of observations(input, effects))
      if ((mask & state.observed) !== 0) tellClients(ctx, { type: 'observed', mask, fields });
  arm(ctx, state);
}

/**
 * Keeps one timer: at the core's next deadline, or shortly before a verdict, to be ready for it. A timer that is set and not later than needed
 * stays: it is cheaper to let it fire.
 */
function arm(ctx: Context, state: ShellState): void {
  const dueMs = nextDeadlineMs(state.core);
  const verdictMs = nextVerdictMs(state.core);
  // Heartbeats that come as they should cause no suspicion.
  const leadMs = Math.min(longestSuspicionMs, state.core.config.keepaliveMs / 2);
  const readyMs = verdictMs === state.readyForMs ? Number.POSITIVE_INFINITY : verdictMs - leadMs;
  const wakeMs = ms(Math.min(dueMs, readyMs));
  if (state.timer !== null && state.timerAtMs <= wakeMs) return;
  state.timer?.cancel();
  state.timerAtMs = wakeMs;
  const wake = (current: ShellState): void => {
    current.timer = null;
    const nowMs = ctx.clock.now();
    if (nowMs >= dueMs) {
      // A verdict that is due asks for a drain first: it gets the answer with the question when nothing waits.
      const drained = dueMs === verdictMs && current.outlets.settled;
      run(ctx, current, drained ? { type: 'drained', untilMs: nowMs } : { type: 'tick' });
      return;
    }
    current.readyForMs = verdictMs;
    // What has come since the last tick is on the board.
    run(ctx, current, { type: 'look' });
    if (nextVerdictMs(current.core) <= verdictMs) beReady(ctx, current, verdictMs);
  };
  // A verdict is due to the point, and rarely. All else comes often, and may be late by the time of a wake-up.
  state.timer = ctx.at(wakeMs, wake, { accuracy: wakeMs === verdictMs ? 'exact' : 'precise' });
}

/** A death may be due in a moment: tells those who will act on it, and plays one to bring the code of it back into the processor's caches. */
function beReady(ctx: Context, state: ShellState, verdictMs: number): void {
  const nowMs = ctx.clock.now();
  if (nowMs - state.suspectedMs < suspicionPauseMs) return;
  state.suspectedMs = nowMs;
  for (const resources of ctx.refs<ResourcesCast>('resources'))
    resources.cast({ type: 'suspicion', verdictMs: ms(verdictMs) });
  if (verdictMs - nowMs > rehearsalMs) rehearseDeath();
}

function perform(ctx: Context, state: ShellState, effect: Effect): void {
  switch (effect.type) {
    case 'transmit':
      transmit(ctx, state, effect);
      return;
    case 'event':
      if (effect.event.type === 'node-added') welcome(state, effect.event.node);
      publish(ctx, effect.event);
      return;
    case 'log':
      state.log.write(effect.severity, effect.text);
      return;
    case 'restart':
      ctx.emit({ type: 'restart-needed', reason: effect.reason, node: effect.node, afterMs: effect.afterMs });
      return;
    case 'drain':
      drain(ctx, state, ctx.clock.now() + state.core.config.keepaliveMs);
      return;
    case 'pass-on':
      passOn(ctx, state, effect);
      return;
    case 'flow-control':
      tellClients(ctx, { type: 'clients-paused', paused: effect.paused });
      return;
    case 'drop':
      // Counted by the core.
      return;
    default:
      assertNever(effect);
  }
}

/** In the steady state one look at an absent field. */
function noteKey(state: ShellState, { fields, otherKey, heardMs }: Extract<MembershipCast, { type: 'packet' }>): void {
  if (otherKey === undefined && !state.otherKeys.any) return;
  const source = getString(fields, 'src');
  if (source === undefined || !state.core.byName.has(source)) return;
  state.otherKeys.note(source, otherKey, heardMs);
  tellWhatToTell(state);
}

/** Whether the media have to tell of heartbeats that change nothing: somebody watches, or they have to be passed on. */
function tellWhatToTell(state: ShellState): void {
  state.board.everything = state.observed !== 0 || state.otherKeys.any || state.passesOn;
}

/** A node came into the cluster while we run. */
function welcome(state: ShellState, node: NodeName): void {
  state.board.add(node);
  if (state.unicastOnly)
    state.log.write(
      'WARN',
      `node ${node} was added, but all media here are unicast: write a ucast line for it into ha.cf, and start again, to reach it`,
    );
}

/** Signs once in each form that some medium wants, hands the bytes to the media, and has the ping hosts asked after a status. */
function transmit(ctx: Context, state: ShellState, message: Extract<Effect, { type: 'transmit' }>): void {
  const { fields } = message;
  let datagram: Uint8Array | null = null;
  let line: Uint8Array | null | undefined;
  for (const medium of ctx.refs<MediumCast>('medium:')) {
    if (!medium.up) state.outlets.forget(medium.id);
    if (medium.id.startsWith(serialMediumPrefix)) {
      line ??= encodeLine(state, fields);
      if (line !== null) medium.cast({ type: 'transmit', bytes: line });
    } else {
      datagram ??= state.otherKeys.anyAt(ctx.clock.now())
        ? encodeClassicDatagram(fields, encoding(state))
        : encodeDatagram(fields, encoding(state));
      if (!state.outlets.send(medium.id, datagram)) medium.cast({ type: 'transmit', bytes: datagram });
    }
  }
  if (message.messageType !== 'status' || message.resent) return;
  state.heart.beat('membership');
  // Peers that sign with another key may have fallen silent meanwhile.
  tellWhatToTell(state);
  const ts = getString(fields, 'ts');
  if (ts !== undefined) for (const ping of ctx.refs<PingCast>('ping')) ping.cast({ type: 'status-sent', ts });
}

function encoding(state: ShellState): Parameters<typeof encodeDatagram>[1] {
  return {
    msgfmt: state.msgFmt,
    keys: state.keys,
    compression: state.compression,
    ...(state.compressOverBytes === null ? {} : { compressOverBytes: state.compressOverBytes }),
  };
}

/** Room for the envelope that is still to come, which no compression makes small. */
const envelopeRoom = field('room', randomBytes(600).toString('hex'));

/**
 * Whether a program's message can go out. It is found out before the message has a number: a number that is never sent would be asked for by
 * all others, again and again.
 */
function canBeSent(state: ShellState, fields: FieldList): boolean {
  try {
    encodeDatagram([...fields, envelopeRoom], encoding(state));
    return true;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    state.log.write('ERROR', `a message of a client cannot be sent: ${error.message}`);
    return false;
  }
}

/** Another node's message, over all serial lines but the one that brought it. */
function passOn(ctx: Context, state: ShellState, { fields, from }: Extract<Effect, { type: 'pass-on' }>): void {
  const bytes = encodeLine(state, fields);
  if (bytes === null) return;
  for (const medium of ctx.refs<MediumCast>(serialMediumPrefix))
    if (!medium.id.startsWith(`${serialMediumPrefix}${from}:`)) medium.cast({ type: 'transmit', bytes });
}

/** The text of a message for serial lines; null when it cannot be written in that form, which is its own fault and no medium's. */
function encodeLine(state: ShellState, fields: FieldList): Uint8Array | null {
  try {
    return encodeClassic(fields, { keys: state.keys, nul: false });
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    state.log.write('ERROR', `a message cannot be sent over serial lines: ${error.message}`);
    return null;
  }
}

function publish(ctx: Context, event: MembershipEvent): void {
  for (const subscriber of subscribers(ctx)) subscriber.cast(event);
}

function tellClients(ctx: Context, message: ClientsCast): void {
  for (const api of ctx.refs<ClientsCast>('api')) api.cast(message);
}

function subscribers(ctx: Context): readonly ActorRef<MembershipEvent>[] {
  return [...ctx.refs<MembershipEvent>('resources'), ...ctx.refs<MembershipEvent>('api')];
}

/**
 * Says to the core that everything heard so far is on the pulse board, which it reads itself before it declares a death: at once, when each
 * medium has taken and stamped what has arrived. One that has not is waited for, since its thread may have stood still, but no longer than a
 * keepalive time (a medium that hangs is the MCP's business). What the media have stamped and cast but we have not yet taken needs no waiting:
 * the stamp alone keeps its sender alive.
 */
function drain(ctx: Context, state: ShellState, patienceUntilMs: number): void {
  const nowMs = ctx.clock.now();
  if (state.outlets.settled || nowMs >= patienceUntilMs) {
    run(ctx, state, { type: 'drained', untilMs: nowMs });
    return;
  }
  // Asleep: the medium may be waiting for this very processor.
  ctx.at(ms(nowMs + drainLookMs), (current) => drain(ctx, current, patienceUntilMs), { accuracy: 'precise' });
}

/** The text of /proc/loadavg, `n/a` where there is none. */
function loadAverageReader(now: () => Ms): () => string {
  let text = 'n/a';
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = now();
    if (nowMs - readMs < loadAverageEveryMs) return text;
    readMs = nowMs;
    try {
      text = readFileSync('/proc/loadavg', 'latin1').trim();
    } catch {
      text = 'n/a';
    }
    return text;
  };
}
