/**
 * The envelope: the fields that the core adds to every message, in the order of the wire.
 */
import type { Field, FieldList } from '../../runtime/message/message.ts';
import { binaryField, field, getBytes, getString } from '../../runtime/message/message.ts';
import { isNilUuid, UUID_BYTES } from './identity.ts';

/** Who sends: constant for one incarnation but for the number of nodes. */
export interface Sender {
  readonly name: string;
  readonly uuid: Uint8Array;
  readonly generation: number;
  /** hopfudge + number of configured nodes, ping nodes included; nobody evaluates it. */
  readonly ttl: number;
}

/** What a destination's name or uuid means here. */
export interface Directory {
  /** The uuid of a configured node, nil while unknown; null for a stranger. */
  uuidOf(name: string): Uint8Array | null;
  nameOf(uuid: Uint8Array): string | null;
}

/** True for types without a number: never retransmitted, no `seq` and no `ld`. */
export function isUnnumbered(messageType: string): boolean {
  return messageType.startsWith('NS_');
}

/**
 * Adds the envelope to a message's own fields. An envelope field that is already there keeps its place but gets our value, so
 * that nobody can send in another's name (the original lets `NS_` messages keep theirs). An `auth` field is the codec's business and is removed.
 *
 * @param seq          number of this message, or null for an `NS_` type
 * @param wallClockS   `ts` [s since 1970]
 * @param loadAverage  `ld`
 */
export function compose(
  own: FieldList,
  sender: Sender,
  directory: Directory,
  seq: number | null,
  wallClockS: number,
  loadAverage: string,
): FieldList {
  const fields = own.filter((entry) => entry[0] !== 'auth');
  const destUuidGiven = getBytes(fields, 'destuuid');
  let dest = getString(fields, 'dest');
  if (dest === undefined && destUuidGiven !== undefined && !isNilUuid(destUuidGiven)) {
    const named = directory.nameOf(destUuidGiven);
    if (named !== null) {
      dest = named;
      fields.push(field('dest', named));
    }
  }
  const envelope: Field[] = [];
  const destUuid = dest === undefined ? null : directory.uuidOf(dest);
  if (destUuid !== null) envelope.push(binaryField('destuuid', destUuid));
  envelope.push(field('src', sender.name), binaryField('srcuuid', sender.uuid));
  if (seq !== null) envelope.push(field('seq', seq.toString(16)));
  envelope.push(field('hg', sender.generation.toString(16)), field('ts', Math.floor(wallClockS).toString(16)));
  if (seq !== null) envelope.push(field('ld', loadAverage));
  envelope.push(field('ttl', String(sender.ttl)));

  for (const entry of envelope) {
    const index = fields.findIndex((present) => present[0] === entry[0]);
    if (index < 0) fields.push(entry);
    else fields[index] = entry;
  }
  return fields;
}

/** Sixteen zero bytes: a destination whose uuid is not known yet. */
export const NIL_UUID = new Uint8Array(UUID_BYTES);
