/**
 * Loss recovery: asking others for what is missing, and answering those who ask us.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { field, getString } from '../../runtime/message/message.ts';
import { answerRequest } from './history.ts';
import { parseDecimal } from './identity.ts';
import type { MembershipState, NodeState, Turn } from './state.ts';
import { complain, log, send } from './state.ts';

/** Shortest wait before the first request, when max_rexmit_delay allows it: late copies and reordering settle within that time. */
const FIRST_REQUEST_MIN_MS = 50;
/** A message that was resent this much less than max_rexmit_delay ago is not resent again. */
const RESEND_SLACK_MS = 10;

/** When to ask first for a number just found missing: random, so that several receivers do not ask at once. [monotonic ms] */
export function firstRequestMs(state: MembershipState, nowMs: number): number {
  const longestMs = state.config.maxRexmitDelayMs;
  const shortestMs = longestMs < 2 * FIRST_REQUEST_MIN_MS ? 0 : FIRST_REQUEST_MIN_MS;
  return nowMs + shortestMs + state.config.random() * (longestMs - shortestMs);
}

/** Asks for every missing number whose time has come: one request each, repeated every max_rexmit_delay. Nothing is asked of dead nodes. */
export function askForMissing(turn: Turn): void {
  const { config, nodes } = turn.state;
  for (const node of nodes) {
    for (const [seq, dueMs] of node.track.missing) {
      if (dueMs > turn.nowMs) continue;
      node.track.missing.set(seq, turn.nowMs + Math.max(1, config.maxRexmitDelayMs));
      if (node.status !== 'up' && node.status !== 'active') continue;
      node.counters.rexmitAsked += 1;
      const number = String(seq);
      // Decimal, unlike every other number of the wire.
      send(turn, [
        field('t', 'NS_rexmit'),
        field('dest', node.name),
        field('firstseq', number),
        field('lastseq', number),
      ]);
    }
  }
}

/** Earliest pending request [monotonic ms], Infinity when nothing is missing. */
export function nextRequestMs(state: MembershipState): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (let at = 0; at < state.nodes.length; at++) {
    const node = state.nodes[at];
    if (node === undefined || node.track.missing.size === 0) continue;
    for (const dueMs of node.track.missing.values()) if (dueMs < earliestMs) earliestMs = dueMs;
  }
  return earliestMs;
}

/** Another node's `NS_rexmit` addressed to us. */
export function answerRexmit(turn: Turn, asker: NodeState, fields: FieldList): void {
  const { state } = turn;
  if (asker === state.self) return;
  const first = parseDecimal(getString(fields, 'firstseq'));
  const last = parseDecimal(getString(fields, 'lastseq'));
  if (first === null || last === null || first === 0 || last < first) {
    complain(turn, asker, 'rexmit', 'ERROR', 'Invalid rexmit seqnos');
    return;
  }
  const quietMs = state.config.maxRexmitDelayMs - RESEND_SLACK_MS;
  for (const answer of answerRequest(state.history, first, last, asker.acked, quietMs, turn.nowMs)) {
    switch (answer.kind) {
      case 'resend':
        asker.counters.rexmitAnswered += 1;
        turn.out.push({
          type: 'transmit',
          messageType: getString(answer.fields, 't') ?? '',
          fields: answer.fields,
          resent: true,
        });
        break;
      case 'nak':
        send(turn, [
          field('t', 'NS_nak_rexmit'),
          field('firstseq', answer.seq.toString(16)),
          field('dest', asker.name),
          field('info', answer.info),
        ]);
        break;
      case 'beyond':
        log(turn, 'WARN', `Rexmit of seq ${answer.seq} requested. ${state.history.highest} is max.`);
        break;
    }
  }
}
