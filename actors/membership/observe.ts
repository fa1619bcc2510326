/**
 * What clients with a wider filter see beside delivered messages: heartbeats that change nothing, dropped packets, copies, requests.
 *
 * The classes are bits of the client API's filter mask (client-api.md 2.6).
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { getString } from '../../runtime/message/message.ts';
import type { Effect, MembershipInput } from './types.ts';

const heartbeatClass = 0x02;
const droppedClass = 0x04;
const duplicateClass = 0x08;
const protocolClass = 0x20;

/** The messages of one step that nobody was told of, with their class. Called only while somebody wants to see them. */
export function observations(
  input: MembershipInput,
  effects: readonly Effect[],
): readonly { readonly mask: number; readonly fields: FieldList }[] {
  const seen: { mask: number; fields: FieldList }[] = [];
  for (const effect of effects) {
    // Our own heartbeat, as it comes back to us.
    if (effect.type === 'transmit' && effect.messageType === 'status' && !effect.resent)
      seen.push({ mask: heartbeatClass, fields: effect.fields });
  }
  if (input.type !== 'packet') return seen;
  const { fields } = input;
  const drop = effects.find((effect) => effect.type === 'drop');
  const messageType = getString(fields, 't');
  const told = effects.some(
    (effect) => effect.type === 'event' && 'fields' in effect.event && effect.event.fields === fields,
  );
  if (drop !== undefined) seen.push({ mask: drop.reason === 'duplicate' ? duplicateClass : droppedClass, fields });
  else if (messageType === 'NS_rexmit') seen.push({ mask: protocolClass, fields });
  else if (!told && (messageType === 'status' || messageType === 'NS_st')) seen.push({ mask: heartbeatClass, fields });
  return seen;
}
