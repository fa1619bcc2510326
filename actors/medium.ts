/**
 * One medium on its own thread: frame, authenticate, stamp, forward. It signs nothing and decides nothing.
 *
 * What cannot be read or verified is counted and dropped. What is verified is stamped on the pulse board at once, before
 * anything queues, and cast to membership unless it is a heartbeat like the one before (beats.ts).
 */

import type { AuthKeys, MediumSpec } from '../conf/settings.ts';
import { type HostedSpec, openMedium } from '../plugins/media/index.ts';
import type { LineCounters, OpenMedium } from '../plugins/media/medium.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import type { Log, LogTarget } from '../runtime/log.ts';
import { decodeDatagram } from '../runtime/message/datagram.ts';
import { type FieldList, getString } from '../runtime/message/message.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { type RealtimeOutcome, setRealtime } from '../runtime/sys/realtime.ts';
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import { openBeatingLog } from './beating-log.ts';
import { BeatFilter } from './beats.ts';
import { rehearseReception } from './membership/rehearsal.ts';
import type { MediumCast, MembershipCast } from './protocols.ts';
import { PulseBoard, type PulseBoardShape } from './pulse.ts';

/** What one medium has seen since it was opened. Counts. */
export interface MediumStatus {
  readonly link: LinkName;
  readonly kind: MediumSpec['kind'];
  readonly description: string;
  readonly realtime: RealtimeOutcome | null;
  readonly received: number;
  readonly sent: number;
  readonly sendErrors: number;
  /** What happened to the bytes of a serial line; null for other media. */
  readonly line: LineCounters | null;
  /**
   * Messages that were not accepted, by reason. `misplaced`: a ping node's heartbeat, which belongs in an echo reply; it bears no number,
   * so that one replayed here could keep a dead ping node alive for ever.
   */
  readonly dropped: Readonly<Record<DropReason, number>>;
}

type DropReason = 'malformed' | 'bad-signature' | 'unknown-key' | 'legacy-method' | 'unsigned' | 'misplaced';

export interface MediumProtocol extends Protocol {
  readonly init: {
    readonly spec: HostedSpec;
    /** Of this medium on the pulse board. */
    readonly column: number;
    readonly self: NodeName;
    readonly warntimeMs: Ms;
    readonly keys: AuthKeys;
    readonly pulse: PulseBoardShape;
    /** SCHED_RR priority; null = ordinary scheduling (ha.cf `realtime off`). */
    readonly realtimePriority: number | null;
    readonly log: LogTarget;
    /** ha.cf `log_badpack`. */
    readonly logBadPackets: boolean;
  };
  readonly cast: MediumCast;
  readonly call: { describe(): MediumStatus };
  readonly emit: never;
}

interface MediumState {
  readonly spec: HostedSpec;
  readonly log: Log;
  readonly beats: BeatFilter;
  readonly realtime: RealtimeOutcome | null;
  readonly dropped: Record<DropReason, number>;
  readonly logBadPackets: boolean;
  keys: AuthKeys;
  open: OpenMedium | null;
  complainedMs: Ms | null;
}

/** A flood of bad packets must not become a flood of lines: at most one line in this time [ms]. */
const complainEveryMs = 10_000;

export default defineActor<MediumProtocol, MediumState>({
  async start(ctx, init) {
    rehearseReception(init.keys, 'classic');
    globalThis.gc?.();
    const log = openBeatingLog(ctx, init.log);
    const state: MediumState = {
      spec: init.spec,
      log,
      beats: new BeatFilter(new PulseBoard(init.pulse), init.column, init.self, init.warntimeMs),
      realtime: init.realtimePriority === null ? null : setRealtime(init.realtimePriority),
      dropped: { malformed: 0, 'bad-signature': 0, 'unknown-key': 0, 'legacy-method': 0, unsigned: 0, misplaced: 0 },
      logBadPackets: init.logBadPackets,
      keys: init.keys,
      open: null,
      complainedMs: null,
    };
    const membership = ctx.ref<MembershipCast>('membership');
    const onDatagram = (bytes: Uint8Array, heardMs: Ms): void => {
      const accepted = accept(ctx, state, bytes);
      if (accepted === null) return;
      const { fields, authIndex } = accepted;
      const isPlain = authIndex === null || authIndex === state.keys.selected;
      const told = state.beats.take(fields, heardMs, isPlain);
      if (told === null) return;
      membership.cast({
        type: 'packet',
        link: init.spec.link,
        fields,
        heardMs,
        ...(told.before === undefined ? {} : { before: told.before }),
        ...(isPlain ? {} : { otherKey: authIndex }),
      });
    };
    state.open = await openMedium(init.spec, { onDatagram, onError: (error) => ctx.fail(error) }, (severity, text) =>
      log.write(severity, `glib: ${text}`),
    );
    offerSockets(ctx, state);
    return state;
  },

  onCast(ctx, state, message) {
    switch (message.type) {
      case 'transmit':
        // Membership sends through our sockets itself; what comes here is what failed there.
        state.open?.send(message.bytes);
        if (state.open?.counters.sendState.ok === true) offerSockets(ctx, state);
        return;
      case 'keys':
        state.keys = message.keys;
        return;
    }
  },

  calls: {
    describe: (_ctx, state) => ({
      link: state.spec.link,
      kind: state.spec.kind,
      description: state.open?.describe() ?? state.spec.kind,
      realtime: state.realtime,
      received: state.open?.counters.received ?? 0,
      sent: state.open?.counters.sent ?? 0,
      sendErrors: state.open?.counters.sendErrors ?? 0,
      line: state.open?.counters.line === undefined ? null : { ...state.open.counters.line },
      dropped: { ...state.dropped },
    }),
  },

  async stop(_ctx, state) {
    await state.open?.close();
    state.log.close();
  },
});

function offerSockets(ctx: ActorContext<MediumProtocol, MediumState>, state: MediumState): void {
  const sockets = state.open?.sockets?.();
  if (sockets !== undefined) ctx.ref<MembershipCast>('membership').cast({ type: 'sockets', medium: ctx.id, sockets });
}

/** The message in a datagram when it is one of ours; otherwise it is counted and, now and then, complained about. */
function accept(
  ctx: ActorContext<MediumProtocol, MediumState>,
  state: MediumState,
  bytes: Uint8Array,
): { readonly fields: FieldList; readonly authIndex: number | null } | null {
  const result = decodeDatagram(bytes, state.keys);
  if (!result.ok) return refuse(ctx, state, 'malformed', `${result.reason} at byte ${result.atByte}`);
  switch (result.auth) {
    case 'ok':
      return getString(result.fields, 't') === 'NS_st'
        ? refuse(ctx, state, 'misplaced', "a ping node's answer outside of ICMP")
        : result;
    case 'bad':
      return refuse(ctx, state, 'bad-signature', `signature with key ${result.authIndex} does not match`);
    case 'unknown-key':
      return refuse(ctx, state, 'unknown-key', `signed with key ${result.authIndex}, which authkeys does not have`);
    case 'legacy-method':
      return refuse(ctx, state, 'legacy-method', legacyPeer(result.fields, state.keys));
    case 'none':
      return refuse(ctx, state, 'unsigned', 'no signature');
  }
}

/** What to do about a node that cannot read us. Its name is what the packet says: nothing vouches for it. */
function legacyPeer(fields: FieldList, keys: AuthKeys): string {
  const source = (getString(fields, 'src') ?? 'without a name').slice(0, 100).replace(/[^\x21-\x7e ]/g, '?');
  const own = keys.keys.find(({ index }) => index === keys.selected)?.method ?? '';
  return (
    `node ${source} signs by a method of Heartbeat 3.0.6, which cannot read our ${own}: ` +
    'in authkeys, sign with a sha1 key that both have, or run Systole with the same key on that node'
  );
}

function refuse(
  ctx: ActorContext<MediumProtocol, MediumState>,
  state: MediumState,
  reason: DropReason,
  why: string,
): null {
  state.dropped[reason] += 1;
  const nowMs = ctx.clock.now();
  if (state.logBadPackets && (state.complainedMs === null || nowMs - state.complainedMs >= complainEveryMs)) {
    state.complainedMs = nowMs;
    const total = Object.values(state.dropped).reduce((sum, count) => sum + count, 0);
    state.log.write('WARN', `packet on ${state.spec.link} dropped: ${why} (${total} dropped so far)`, {
      event: 'packet.dropped',
      link: state.spec.link,
      reason,
    });
  }
  return null;
}
