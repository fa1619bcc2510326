/**
 * All ping media on one thread: asks every ping host whenever membership has sent a status, and hands the answers on as the ping nodes'
 * heartbeats. Like a medium it stamps what it hears on the pulse board at once, and decides nothing.
 *
 * A host that cannot be reached is a counted state, logged when it changes. A host name that nobody knows is looked up again and again:
 * the start of the node waits for no name server.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { AuthKeys } from '../conf/settings.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import { MediumError, SystemCallError } from '../runtime/errors.ts';
import type { Log, LogTarget } from '../runtime/log.ts';
import { decodeDatagram, encodeDatagram } from '../runtime/message/datagram.ts';
import type { Protocol } from '../runtime/protocol.ts';
import type { IcmpFamily } from '../runtime/sys/icmp.core.ts';
import { type EchoReply, type IcmpSocket, openIcmpSocket } from '../runtime/sys/icmp.ts';
import { libc } from '../runtime/sys/libc.ts';
import { type RealtimeOutcome, setRealtime } from '../runtime/sys/realtime.ts';
import { socketAddress } from '../runtime/sys/socket-address.ts';
import { assertNever, type LinkName, type Ms, ms } from '../runtime/units.ts';
import { openBeatingLog } from './beating-log.ts';
import {
  createPingTrack,
  isFrom,
  judgeReply,
  nextRequest,
  type PingKind,
  type PingSpec,
  type PingTrack,
  type ReplyRefusal,
} from './ping.core.ts';
import type { MembershipCast, PingCast } from './protocols.ts';
import { PulseBoard, type PulseBoardShape } from './pulse.ts';

/** Answers that were not accepted: those of the core, and those without a right signature. */
type PingDrop = ReplyRefusal | 'bad-signature' | 'unknown-key' | 'unsigned';

/** What one ping medium has seen since it was opened. Counts. */
export interface PingMediumStatus {
  readonly link: LinkName;
  readonly kind: PingKind;
  readonly description: string;
  readonly realtime: RealtimeOutcome | null;
  readonly received: number;
  readonly sent: number;
  readonly sendErrors: number;
  readonly dropped: Readonly<Partial<Record<PingDrop, number>>>;
  /** From the newest request that was answered to its answer [ms]; null = none yet. */
  readonly roundTripMs: Ms | null;
}

export interface PingStatus {
  readonly media: readonly PingMediumStatus[];
  /** How each open socket is made: `datagram` where a raw one is not permitted. */
  readonly sockets: readonly { readonly family: IcmpFamily; readonly kind: IcmpSocket['kind'] }[];
  /** Replies with our id whose payload names none of our ping nodes, or is no message at all. */
  readonly strangers: number;
}

export interface PingProtocol extends Protocol {
  readonly init: {
    readonly specs: readonly PingSpec[];
    readonly keys: AuthKeys;
    readonly pulse: PulseBoardShape;
    /** SCHED_RR priority; null = ordinary scheduling (ha.cf `realtime off`). */
    readonly realtimePriority: number | null;
    readonly log: LogTarget;
    /** ha.cf `log_badpack`. */
    readonly logBadPackets: boolean;
  };
  readonly cast: PingCast;
  readonly call: { describe(): PingStatus };
  readonly emit: never;
}

interface Host {
  readonly name: string;
  /** Null until the name is resolved. */
  address: { readonly text: string; readonly target: Uint8Array } | null;
  /** The newest request that could not be sent; null = it could. */
  sendErrno: string | null;
}

interface Medium {
  readonly track: PingTrack;
  readonly hosts: readonly Host[];
  readonly family: IcmpFamily;
  readonly row: number;
  readonly column: number;
  readonly dropped: Partial<Record<PingDrop, number>>;
  received: number;
  sent: number;
  sendErrors: number;
  roundTripMs: Ms | null;
}

interface PingState {
  readonly media: readonly Medium[];
  readonly sockets: Map<IcmpFamily, IcmpSocket>;
  readonly board: PulseBoard;
  readonly log: Log;
  readonly realtime: RealtimeOutcome | null;
  readonly logBadPackets: boolean;
  keys: AuthKeys;
  strangers: number;
  complainedMs: Ms | null;
}

type Context = ActorContext<PingProtocol, PingState>;

/** A name that nobody knows is looked up again after this time [ms]. */
const resolveAgainMs = ms(10_000);
/** A flood of bad replies must not become a flood of lines: at most one line in this time [ms]. */
const complainEveryMs = 10_000;

export default defineActor<PingProtocol, PingState>({
  start(ctx, init) {
    const log = openBeatingLog(ctx, init.log);
    const board = new PulseBoard(init.pulse);
    const state: PingState = {
      media: init.specs.map((spec) => openTrack(spec, board)),
      sockets: new Map(),
      board,
      log,
      realtime: init.realtimePriority === null ? null : setRealtime(init.realtimePriority),
      logBadPackets: init.logBadPackets,
      keys: init.keys,
      strangers: 0,
      complainedMs: null,
    };
    ctx.onExit(() => closeSockets(state));
    for (const medium of state.media) {
      if (!state.sockets.has(medium.family)) openSocket(ctx, state, medium);
      log.write('info', `glib: ${medium.track.kind === 'ping_group' ? 'ping group' : 'ping'} heartbeat started.`);
      for (const host of medium.hosts) if (!resolveLiteral(host, medium.family)) void resolve(ctx, host, medium, true);
    }
    return state;
  },

  onCast(ctx, state, message) {
    switch (message.type) {
      case 'status-sent':
        for (const medium of state.media) request(ctx, state, medium, message.ts);
        return;
      case 'keys':
        state.keys = message.keys;
        return;
      default:
        assertNever(message);
    }
  },

  calls: {
    describe: (_ctx, state) => ({
      media: state.media.map((medium) => ({
        link: medium.track.link,
        kind: medium.track.kind,
        description: `${medium.track.kind} ${medium.track.node}: ${medium.hosts.map(describeHost).join(', ')}`,
        realtime: state.realtime,
        received: medium.received,
        sent: medium.sent,
        sendErrors: medium.sendErrors,
        dropped: { ...medium.dropped },
        roundTripMs: medium.roundTripMs,
      })),
      sockets: [...state.sockets].map(([family, { kind }]) => ({ family, kind })),
      strangers: state.strangers,
    }),
  },

  stop(_ctx, state) {
    closeSockets(state);
    state.log.close();
  },
});

function openTrack(spec: PingSpec, board: PulseBoard): Medium {
  const track = createPingTrack(spec);
  return {
    track,
    hosts: track.hosts.map((name): Host => ({ name, address: null, sendErrno: null })),
    family: track.kind === 'ping6' ? 6 : 4,
    row: board.row(track.node),
    column: board.column(track.link),
    dropped: {},
    received: 0,
    sent: 0,
    sendErrors: 0,
    roundTripMs: null,
  };
}

function describeHost(host: Host): string {
  const address =
    host.address === null ? 'not resolved' : host.address.text === host.name ? null : `at ${host.address.text}`;
  const trouble = host.sendErrno === null ? null : `cannot send: ${host.sendErrno}`;
  const remarks = [address, trouble].filter((remark) => remark !== null);
  return remarks.length === 0 ? host.name : `${host.name} (${remarks.join(', ')})`;
}

/** One socket a family carries all media of it. @throws MediumError */
function openSocket(ctx: Context, state: PingState, medium: Medium): void {
  const { family } = medium;
  try {
    const socket = openIcmpSocket({
      family,
      // Heartbeat's choice; all ping media of a node share it.
      id: process.pid & 0xffff,
      onReply: (reply, heardMs) => take(ctx, state, family, reply, heardMs),
      onFailure: (errno) =>
        ctx.fail(
          new MediumError('HB_MEDIUM_RECEIVE', `ping: cannot receive: ${errno}: the ICMP socket must be opened again`, {
            link: medium.track.link,
            errno,
          }),
        ),
    });
    state.sockets.set(family, socket);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const { node, kind, link } = medium.track;
    const details = { link, errno: error.details.errno };
    throw new MediumError('HB_MEDIUM_OPEN', `${kind} ${node}: ${error.message}`, details, { cause: error });
  }
}

function closeSockets(state: PingState): void {
  for (const socket of state.sockets.values()) socket.close();
  state.sockets.clear();
}

/** Takes the host's name as an address, if it is one. */
function resolveLiteral(host: Host, family: IcmpFamily): boolean {
  const [address = '', scope] = host.name.split('%');
  if (isIP(address) !== family) return false;
  setAddress(host, family, address, scope);
  return true;
}

function setAddress(host: Host, family: IcmpFamily, text: string, scope?: string): void {
  const index = scope === undefined ? 0 : libc().if_nametoindex(scope);
  host.address = {
    text: scope === undefined ? text : `${text}%${scope}`,
    target: socketAddress(family, text, 0, index),
  };
}

/** Looks a name up until it is known. Never rejects. */
async function resolve(ctx: Context, host: Host, medium: Medium, first: boolean): Promise<void> {
  const { family, track } = medium;
  const found = await lookup(host.name, { family }).then(
    ({ address }) => address,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
  ctx.enqueue((state) => {
    if (typeof found === 'string') {
      setAddress(host, family, found);
      if (!first) state.log.write('info', `${track.kind} ${track.node}: host ${host.name} is ${found}`);
      return;
    }
    if (first)
      state.log.write(
        'WARN',
        `${track.kind} ${track.node}: unknown host: ${host.name} (${found.message}): put it into /etc/hosts or write the address`,
      );
    ctx.after(resolveAgainMs, () => void resolve(ctx, host, medium, false));
  });
}

/** Asks every host of one medium. The original asks the last configured host first. */
function request(ctx: Context, state: PingState, medium: Medium, ts: string): void {
  const socket = state.sockets.get(medium.family);
  if (socket === undefined) return;
  const { sequence, fields } = nextRequest(medium.track, ts, ctx.clock.now());
  const payload = encodeDatagram(fields, { msgfmt: 'classic', keys: state.keys });
  for (const host of medium.hosts.toReversed()) {
    if (host.address === null) continue;
    const errno = socket.send(host.address.target, sequence, payload);
    if (errno === null) medium.sent++;
    else medium.sendErrors++;
    noteSending(state, medium, host, errno);
  }
}

function noteSending(state: PingState, { track }: Medium, host: Host, errno: string | null): void {
  if (errno === host.sendErrno) return;
  host.sendErrno = errno;
  const what = `${track.kind} ${track.node}`;
  if (errno === null) state.log.write('info', `${what}: sending to ${host.name} works again`);
  else state.log.write('ERROR', `glib: Error sending packet: ${what}: ${host.name}: ${errno}`);
}

/** One reply with our id: verified, judged, stamped and handed on. */
function take(ctx: Context, state: PingState, family: IcmpFamily, reply: EchoReply, heardMs: Ms): void {
  const result = decodeDatagram(reply.payload, state.keys);
  const medium = result.ok
    ? state.media.find((candidate) => candidate.family === family && isFrom(candidate.track, result.fields))
    : undefined;
  if (!result.ok || medium === undefined) {
    state.strangers++;
    return;
  }
  const { track } = medium;
  if (result.auth !== 'ok') {
    refuse(
      ctx,
      state,
      medium,
      result.auth === 'bad' || result.auth === 'legacy-method'
        ? 'bad-signature'
        : result.auth === 'none'
          ? 'unsigned'
          : result.auth,
    );
    return;
  }
  const fromMember = medium.hosts.some(
    (host) => host.address !== null && isFromTarget(reply.source, host.address.target),
  );
  const verdict = judgeReply(track, { sequence: reply.sequence, fields: result.fields, fromMember }, heardMs);
  if (!verdict.ok) {
    // The second and third host of a group answer the same question: that is no fault of theirs.
    if (verdict.reason === 'duplicate') medium.dropped.duplicate = (medium.dropped.duplicate ?? 0) + 1;
    else refuse(ctx, state, medium, verdict.reason);
    return;
  }
  medium.received++;
  medium.roundTripMs = verdict.roundTripMs;
  if (medium.row >= 0 && medium.column >= 0) state.board.stamp(medium.row, medium.column, heardMs);
  ctx.ref<MembershipCast>('membership').cast({ type: 'packet', link: track.link, fields: result.fields, heardMs });
}

/** Whether a sender's address is that in a sockaddr_in or sockaddr_in6. */
function isFromTarget(source: Uint8Array, target: Uint8Array): boolean {
  const offset = source.length === 4 ? 4 : 8;
  return source.every((byte, index) => byte === target[offset + index]);
}

function refuse(ctx: Context, state: PingState, medium: Medium, reason: PingDrop): void {
  medium.dropped[reason] = (medium.dropped[reason] ?? 0) + 1;
  const nowMs = ctx.clock.now();
  if (!state.logBadPackets || (state.complainedMs !== null && nowMs - state.complainedMs < complainEveryMs)) return;
  state.complainedMs = nowMs;
  state.log.write('WARN', `echo reply in the name of ping node ${medium.track.node} dropped: ${reason}`, {
    event: 'packet.dropped',
    link: medium.track.link,
    reason,
  });
}
