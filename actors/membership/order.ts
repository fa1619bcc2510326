/**
 * Messages of clients in the order of their sending, also when some had to be asked for again.
 *
 * What the nodes say to each other is dealt with as it comes, as in the original: it is idempotent and often urgent. What a client says to its
 * partners waits until everything that its node sent before has come or is known to be lost: a partner must not hear of a client's leaving
 * before what it said last, and programs that talk to each other count on the order (the original leaves it to their library).
 */
import { type FieldList, getHex, getString } from '../../runtime/message/message.ts';
import type { NodeState, Turn } from './state.ts';
import { emit } from './state.ts';

/** What may wait of one node; as many numbers as can be missing. A gap that does not close must not keep the rest for ever. */
const heldMax = 500;

/** To the subscribers, now. */
export function deliver(turn: Turn, node: NodeState, fields: FieldList): void {
  emit(turn, { type: 'message', from: node.name, own: node === turn.state.self, fields });
}

/** To the subscribers: a client's message in its turn, another one now. {@link releaseHeld} must follow. */
export function deliverInOrder(turn: Turn, node: NodeState, messageType: string, fields: FieldList): void {
  const ofClient = messageType === 'hbapi-clstat' || getString(fields, 'to_id') !== undefined;
  const seq = getHex(fields, 'seq');
  if (!ofClient || seq === undefined || (node.track.missing.size === 0 && node.held.length === 0)) {
    deliver(turn, node, fields);
    return;
  }
  let at = node.held.length;
  while (at > 0 && numberOf(node.held[at - 1]) > seq) at--;
  node.held.splice(at, 0, fields);
}

/** Delivers what waits for nothing any more: all below the lowest number that is still missing. */
export function releaseHeld(turn: Turn, node: NodeState): void {
  if (node.held.length === 0) return;
  let lowestMissing = Number.POSITIVE_INFINITY;
  if (node.held.length <= heldMax)
    for (const number of node.track.missing.keys()) lowestMissing = Math.min(lowestMissing, number);
  let ready = 0;
  while (ready < node.held.length && numberOf(node.held[ready]) < lowestMissing) ready++;
  for (const fields of node.held.splice(0, ready)) deliver(turn, node, fields);
}

function numberOf(fields: FieldList | undefined): number {
  return (fields === undefined ? undefined : getHex(fields, 'seq')) ?? 0;
}
