/**
 * The decision table: is this message of a node new, a copy, or to be dropped? One track per sending node.
 *
 * A stream of numbers is identified by (node, generation). Gaps go to the missing set, are asked for (requests.ts) and filled.
 * Row numbers are those of the table in the protocol reference: first match wins.
 */
import type { DropReason } from './types.ts';

/** More lost numbers than this in one jump are given up at once (half of the history). */
const LOST_A_LOT = 250;
/** Size of the missing set; beyond it the lowest number is given up. */
const MISSING_MAX = 500;
/** ACK_MSG_DIV: one acknowledgement in ten numbers. */
export const ACK_EVERY = 10;

export interface SequenceTrack {
  /** Generation of the stream; 0 before the first status. Survives the node's death. */
  generation: number;
  /** Highest number seen; null before the first and after a death. */
  last: number | null;
  /** Number of the newest accepted status of this generation. Survives the node's death. */
  statusSeq: number;
  /** Missing number → when to ask for it next [ms, monotonic]. */
  readonly missing: Map<number, number>;
  /** 0 to 9: numbers congruent to it are acknowledged. */
  readonly ackTrigger: number;
}

export function createTrack(ackTrigger: number): SequenceTrack {
  return { generation: 0, last: null, statusSeq: 0, missing: new Map(), ackTrigger };
}

/** What the table needs to know of a message. */
export interface MessageFacts {
  readonly messageType: string;
  /** null: no such field, or not a hexadecimal number, or 0. */
  readonly seq: number | null;
  /** 0: no such field; null: not a hexadecimal number. */
  readonly generation: number | null;
  /** Addressed to us or to everyone; for `NS_` types judged by name only. */
  readonly forUs: boolean;
  /** The number in an `NS_nak_rexmit` [hex on the wire], else null. */
  readonly nakSeq: number | null;
  /** The sender is declared dead at present. */
  readonly senderDead: boolean;
}

/** One row's decision and what it noticed. */
export interface Judgement {
  readonly row: 1 | 2 | 3 | 4 | 5 | 8 | 9 | 10 | 11 | 12 | 13;
  readonly action: 'keep' | 'duplicate' | 'drop';
  /** Why it is dropped (or that it is a duplicate); null when kept. */
  readonly reason: DropReason | null;
  /** Row 6: a node declared dead speaks again with the same generation. */
  readonly healed: boolean;
  /** Row 7 with a generation known before: the node was started again. */
  readonly restarted: boolean;
  /** Rows 10 and 11: the numbers between `after` and `before` (both exclusive) were lost. */
  readonly lost: { readonly after: number; readonly before: number; readonly count: number } | null;
  /** Row 12: the last gap closed. */
  readonly complete: boolean;
  /** Number to acknowledge now. */
  readonly ack: number | null;
  /** Row 1: this number will never come. */
  readonly irretrievable: number | null;
}

const NOTHING = {
  reason: null,
  healed: false,
  restarted: false,
  lost: null,
  complete: false,
  ack: null,
  irretrievable: null,
};

function drop(row: Judgement['row'], reason: DropReason): Judgement {
  return { ...NOTHING, row, action: 'drop', reason };
}

/**
 * Judges one message and updates the track **in place**.
 *
 * @param firstRequestMs gives the time to ask first for a number that is found missing [ms, monotonic]
 */
export function judge(track: SequenceTrack, message: MessageFacts, firstRequestMs: () => number): Judgement {
  if (message.messageType === 'NS_nak_rexmit') return judgeNak(track, message);
  if (message.messageType.startsWith('NS_')) {
    return message.forUs ? { ...NOTHING, row: 2, action: 'keep' } : drop(2, 'not-for-us');
  }
  const { seq, generation } = message;
  if (seq === null) return drop(3, 'bad-sequence');
  if (generation === null) return drop(3, 'bad-generation');
  if (generation < track.generation) return drop(4, 'replay');

  let healed = false;
  let restarted = false;
  if (message.messageType === 'status') {
    if (generation > track.generation) {
      restarted = track.generation > 0;
      track.generation = generation;
      track.statusSeq = 0;
      forget(track);
    } else if (generation > 0 && message.senderDead) {
      if (seq <= track.statusSeq) return drop(5, 'stale-status');
      healed = true;
    }
  }
  const numbered = judgeNumber(track, seq, message.forUs, firstRequestMs);
  return healed || restarted ? { ...numbered, healed, restarted } : numbered;
}

/** Forgets the numbers of a node that died or was started again. Generation and status number stay. */
export function forget(track: SequenceTrack): void {
  track.missing.clear();
  track.last = null;
}

/** Row 1. A refusal of an older generation is a replay: it must not make us give up a number of the present one. */
function judgeNak(track: SequenceTrack, message: MessageFacts): Judgement {
  const gone = message.generation === track.generation ? message.nakSeq : null;
  if (gone !== null) track.missing.delete(gone);
  return { ...drop(1, 'nak'), irretrievable: message.forUs ? gone : null };
}

/** Rows 8 to 13. */
function judgeNumber(track: SequenceTrack, seq: number, forUs: boolean, firstRequestMs: () => number): Judgement {
  const action = forUs ? 'keep' : 'drop';
  const reason = forUs ? null : 'not-for-us';
  const { last } = track;
  if (last === null || seq === last + 1) {
    track.last = seq;
    const ack = seq % ACK_EVERY === track.ackTrigger && track.missing.size === 0 ? seq : null;
    return { ...NOTHING, row: 8, action, reason, ack };
  }
  if (seq === last) return { ...NOTHING, row: 9, action: 'duplicate', reason: 'duplicate' };
  if (seq > last) {
    const lost = { after: last, before: seq, count: seq - last - 1 };
    track.last = seq;
    if (lost.count > LOST_A_LOT) {
      track.missing.clear();
      return { ...NOTHING, row: 10, action, reason, lost };
    }
    for (let number = last + 1; number < seq; number++) {
      if (track.missing.size >= MISSING_MAX) track.missing.delete(lowest(track.missing));
      track.missing.set(number, firstRequestMs());
    }
    return { ...NOTHING, row: 11, action, reason, lost };
  }
  if (!track.missing.delete(seq)) return drop(13, 'old');
  const ack = ackAfterFilling(track, seq, last);
  return { ...NOTHING, row: 12, action, reason, complete: track.missing.size === 0, ack };
}

/**
 * After the lowest gap was filled, everything below the next gap has arrived: acknowledge the largest number there that is congruent
 * to the trigger. The original stays silent when the last gap closes; we acknowledge then as well, so that a lossy line does not
 * fill the sender's history.
 */
function ackAfterFilling(track: SequenceTrack, filled: number, last: number): number | null {
  const nextGap = track.missing.size === 0 ? last + 1 : lowest(track.missing);
  if (filled > nextGap) return null;
  const below = nextGap - 1;
  const offset = (((below - track.ackTrigger) % ACK_EVERY) + ACK_EVERY) % ACK_EVERY;
  const candidate = below - offset;
  return candidate >= filled && candidate > 0 ? candidate : null;
}

function lowest(numbers: ReadonlyMap<number, number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const number of numbers.keys()) if (number < least) least = number;
  return least;
}
