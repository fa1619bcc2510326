/**
 * What we have sent and may be asked for again: a ring of the newest 500 numbered messages.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import type { Ms } from '../../runtime/units.ts';

/** MAXMSGHIST of the protocol. */
export const HISTORY_SIZE = 500;
/** MAX_REXMIT_BATCH: messages resent for one request. */
const MAX_BATCH = 50;
/** Even an acknowledged message stays this long: another node's request may be under way. */
const KEEP_AT_LEAST_MS = 2500;

interface Sent {
  readonly seq: number;
  readonly fields: FieldList;
  readonly sentMs: Ms;
  resentMs: number;
}

export interface SentHistory {
  readonly ring: (Sent | undefined)[];
  /** Highest number sent, 0 before the first. */
  highest: number;
  /** Every number up to here has left the history. */
  low: number;
}

export function createHistory(): SentHistory {
  return { ring: Array.from<undefined>({ length: HISTORY_SIZE }), highest: 0, low: 0 };
}

/** Stores the message with the next number (`history.highest + 1`); the oldest of 500 falls out, acknowledged or not. */
export function remember(history: SentHistory, fields: FieldList, nowMs: Ms): void {
  const seq = history.highest + 1;
  history.highest = seq;
  history.low = Math.max(history.low, seq - HISTORY_SIZE);
  history.ring[seq % HISTORY_SIZE] = { seq, fields, sentMs: nowMs, resentMs: Number.NEGATIVE_INFINITY };
}

/** Frees what every live node has acknowledged and what is at least 2.5 s old. @param ackedSeq global acknowledged number */
export function free(history: SentHistory, ackedSeq: number, nowMs: Ms): void {
  while (history.low < Math.min(ackedSeq, history.highest)) {
    const slot = (history.low + 1) % HISTORY_SIZE;
    const oldest = history.ring[slot];
    if (oldest !== undefined && oldest.sentMs > nowMs - KEEP_AT_LEAST_MS) return;
    history.ring[slot] = undefined;
    history.low += 1;
  }
}

export type RexmitAnswer =
  | { readonly kind: 'resend'; readonly seq: number; readonly fields: FieldList }
  /** It cannot be resent any more: tell everyone with `NS_nak_rexmit`. */
  | { readonly kind: 'nak'; readonly seq: number; readonly info: 'seqno too low' }
  | { readonly kind: 'beyond'; readonly seq: number };

/**
 * Answers one request for the numbers `first` to `last`. Ignored: what the asker has acknowledged, and what was resent less than
 * `quietMs` ago. Unlike the original, the newest message is resent too when it is asked for alone.
 *
 * @param askerAcked highest number that the asker acknowledged
 * @param quietMs    max_rexmit_delay - 10 ms
 * @returns at most 50 answers, in order of the numbers
 */
export function answerRequest(
  history: SentHistory,
  first: number,
  last: number,
  askerAcked: number,
  quietMs: number,
  nowMs: Ms,
): RexmitAnswer[] {
  const answers: RexmitAnswer[] = [];
  for (let seq = Math.max(first, askerAcked + 1); seq <= last && answers.length < MAX_BATCH; seq++) {
    if (seq > history.highest) {
      answers.push({ kind: 'beyond', seq });
      break;
    }
    const sent = history.ring[seq % HISTORY_SIZE];
    if (seq <= history.low || sent === undefined || sent.seq !== seq) {
      answers.push({ kind: 'nak', seq, info: 'seqno too low' });
    } else if (nowMs - sent.resentMs >= quietMs) {
      sent.resentMs = nowMs;
      answers.push({ kind: 'resend', seq, fields: sent.fields });
    }
  }
  return answers;
}
