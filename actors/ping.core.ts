/**
 * Ping nodes, the pure part: what is asked, and which answers count.
 *
 * With every own `status` each ping medium sends one echo request to each of its hosts. The request carries a whole signed message in the
 * ping node's name, so what comes back is the ping node's heartbeat. An answer counts when it belongs to one of the newest
 * {@link rememberedRequests} requests that nobody has answered yet: a copy or an old packet cannot keep a dead ping node alive. (The original
 * looks after copies in ping groups only, and by the number alone.)
 */
import { cutName } from '../conf/nodes.ts';
import type { MediumSpec } from '../conf/settings.ts';
import { type FieldList, field, getString } from '../runtime/message/message.ts';
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import { ms } from '../runtime/units.ts';

export type PingKind = 'ping' | 'ping6' | 'ping_group';
export type PingSpec = Extract<MediumSpec, { readonly kind: PingKind }>;

/** Whether a medium is one of the ping actor's. */
export function isPingSpec(spec: MediumSpec): spec is PingSpec {
  return spec.kind === 'ping' || spec.kind === 'ping6' || spec.kind === 'ping_group';
}

/** The ping node behind a ping medium. */
export function pingNodeOf(spec: PingSpec): NodeName {
  return spec.kind === 'ping_group' ? spec.name : cutName(spec.host);
}

/** Requests whose answers still count, as in the original's groups. */
const rememberedRequests = 128;

interface Request {
  readonly sequence: number;
  /** The `ts` field that it carries. */
  readonly ts: string;
  readonly sentMs: Ms;
  answered: boolean;
}

/** One ping medium. Mutated in place by the functions of this file. */
export interface PingTrack {
  readonly kind: PingKind;
  readonly node: NodeName;
  readonly link: LinkName;
  /** As written; a group's in the order of the file. */
  readonly hosts: readonly string[];
  /** 16 bits: the number of the next request. */
  nextSequence: number;
  /** The newest requests by their number modulo the length. */
  readonly requests: (Request | undefined)[];
}

export function createPingTrack(spec: PingSpec): PingTrack {
  return {
    kind: spec.kind,
    node: pingNodeOf(spec),
    link: spec.link,
    hosts: spec.kind === 'ping_group' ? spec.hosts : [spec.host],
    nextSequence: 0,
    requests: Array.from({ length: rememberedRequests }),
  };
}

/**
 * The next request: its number, and the message that it carries (to be signed in the form of `msgfmt classic`, whatever ha.cf says).
 *
 * @param ts the field of our status that triggers it [hex seconds]
 */
export function nextRequest(
  track: PingTrack,
  ts: string,
  nowMs: Ms,
): { readonly sequence: number; readonly fields: FieldList } {
  const sequence = track.nextSequence;
  track.nextSequence = (sequence + 1) & 0xffff;
  track.requests[sequence % rememberedRequests] = { sequence, ts, sentMs: nowMs, answered: false };
  const fields = [
    field('t', 'NS_st'),
    field('st', 'ping'),
    field('info', track.kind),
    field('src', track.node),
    field('ts', ts),
  ];
  return { sequence, fields };
}

/** Whether a message names this ping node. */
export function isFrom(track: PingTrack, fields: FieldList): boolean {
  return getString(fields, 'info') === track.kind && getString(fields, 'src') === track.node;
}

/**
 * Why an answer does not count: no request of that number (any more), one that was answered before, another message than was sent, or a
 * group's answer from a host that is not in the group.
 */
export type ReplyRefusal = 'unsent' | 'duplicate' | 'altered' | 'foreign-host';

export type ReplyVerdict =
  | { readonly ok: true; readonly roundTripMs: Ms }
  | { readonly ok: false; readonly reason: ReplyRefusal };

/**
 * Judges an answer whose signature is right, and whose message names this ping node ({@link isFrom}).
 *
 * @param reply `fromMember`: it came from an address of this medium's hosts. A single host may answer from any of its addresses.
 */
export function judgeReply(
  track: PingTrack,
  reply: { readonly sequence: number; readonly fields: FieldList; readonly fromMember: boolean },
  heardMs: Ms,
): ReplyVerdict {
  if (track.kind === 'ping_group' && !reply.fromMember) return { ok: false, reason: 'foreign-host' };
  const request = track.requests[reply.sequence % rememberedRequests];
  if (request === undefined || request.sequence !== reply.sequence) return { ok: false, reason: 'unsent' };
  const { fields } = reply;
  const same =
    getString(fields, 't') === 'NS_st' && getString(fields, 'st') === 'ping' && getString(fields, 'ts') === request.ts;
  if (!same) return { ok: false, reason: 'altered' };
  if (request.answered) return { ok: false, reason: 'duplicate' };
  request.answered = true;
  return { ok: true, roundTripMs: ms(Math.max(0, heardMs - request.sentMs)) };
}
