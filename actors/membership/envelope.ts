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
  readonly memo: FieldMemo;
}

/**
 * Fields of a name that mostly have the same value, heartbeat after heartbeat: one object for all of them. The history keeps 500 messages; were
 * each of new objects, they would outlive the young generation and bring on a full collection every few seconds, milliseconds long.
 */
export class FieldMemo {
  readonly #newest = new Map<string, Field>();

  /** The field of that name and value. */
  string(name: string, value: string): Field {
    const known = this.#newest.get(name);
    if (known?.[1] === 0 && known[2] === value) return known;
    const made = field(name, value);
    this.#newest.set(name, made);
    return made;
  }

  /** @param value the same object as long as the value is the same */
  binary(name: string, value: Uint8Array): Field {
    const known = this.#newest.get(name);
    if (known?.[1] === 1 && known[2] === value) return known;
    const made = binaryField(name, value);
    this.#newest.set(name, made);
    return made;
  }
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
  const { memo } = sender;
  envelope.push(memo.string('src', sender.name), memo.binary('srcuuid', sender.uuid));
  if (seq !== null) envelope.push(field('seq', seq.toString(16)));
  envelope.push(
    memo.string('hg', sender.generation.toString(16)),
    memo.string('ts', Math.floor(wallClockS).toString(16)),
  );
  if (seq !== null) envelope.push(memo.string('ld', loadAverage));
  envelope.push(memo.string('ttl', String(sender.ttl)));

  for (let at = 0; at < envelope.length; at++) {
    const entry = envelope[at];
    if (entry !== undefined) put(fields, entry);
  }
  return fields;
}

/** In the place of the field of that name, or at the end. */
function put(fields: Field[], entry: Field): void {
  for (let at = 0; at < fields.length; at++) {
    if (fields[at]?.[0] !== entry[0]) continue;
    fields[at] = entry;
    return;
  }
  fields.push(entry);
}

/** Sixteen zero bytes: a destination whose uuid is not known yet. */
export const NIL_UUID = new Uint8Array(UUID_BYTES);
