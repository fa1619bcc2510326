/**
 * The simulated nodes of the scale benchmark: their names and their heartbeats.
 */
import type { AuthKeys } from '../../conf/settings.ts';
import { encodeDatagram } from '../../runtime/message/datagram.ts';
import { binaryField, field } from '../../runtime/message/message.ts';

/** `m001` for the first one. Short, so that the name is among the bytes that the referee tells of a packet. */
export function memberName(number: number): string {
  return `m${String(number).padStart(3, '0')}`;
}

/** The number of a member from its status packet; null for anything else. */
export function memberOf(payload: Buffer): number | null {
  const text = payload.toString('latin1');
  const digits = text.includes('t=status') ? /\bsrc=m(\d+)/.exec(text)?.[1] : undefined;
  return digits === undefined ? null : Number(digits);
}

/** The number of the member that a `stonith` packet is about; null for anything else. */
export function memberFound(payload: Buffer): number | null {
  const text = payload.toString('latin1');
  const digits = text.includes('t=stonith') ? /\bnode=m(\d+)/.exec(text)?.[1] : undefined;
  return digits === undefined ? null : Number(digits);
}

/** One key, as in the authkeys of the node that hears them. */
export function crowdKeys(key: string): AuthKeys {
  return { selected: 1, keys: [{ index: 1, method: 'sha1', key }] };
}

export function authkeysFile(key: string): string {
  return `auth 1\n1 sha1 ${key}\n`;
}

/**
 * A signed status as a real node sends it, but for the sign that it takes part in flow control: nobody answers for these nodes.
 *
 * @param seq from 1 @param wallClockS [s since 1970]
 */
export function memberStatus(
  number: number,
  seq: number,
  deadtimeMs: number,
  wallClockS: number,
  keys: AuthKeys,
): Uint8Array {
  const uuid = new Uint8Array(16).fill(0x5a);
  new DataView(uuid.buffer).setUint32(0, number);
  const hex = (value: number): string => value.toString(16);
  return encodeDatagram(
    [
      field('t', 'status'),
      field('st', 'active'),
      field('dt', hex(Math.round(deadtimeMs))),
      field('src', memberName(number)),
      binaryField('srcuuid', uuid),
      field('seq', hex(seq)),
      field('hg', '6b02d1f8'),
      field('ts', hex(wallClockS)),
      field('ld', '0.00 0.00 0.00 1/100 1000'),
      field('ttl', '3'),
    ],
    { msgfmt: 'netstring', keys },
  );
}
