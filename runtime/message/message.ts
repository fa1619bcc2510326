/**
 * Heartbeat's message: an ordered list of fields (name, type, value). Names may repeat; every look-up takes the first
 * match.
 *
 * The form is plain data, cheap to structured-clone between threads: one tuple a field, with the type digit of the
 * wire. Binary values own their memory (they are never views into a datagram), so that a clone costs 16 bytes for a
 * uuid, not the receive buffer.
 *
 * The loops here and in the codecs count: `for…of` makes an object for each step, which was a third of all that a heartbeat left to the collector.
 */

export type Field =
  | readonly [name: string, type: 0, value: string]
  | readonly [name: string, type: 1, value: Uint8Array]
  | readonly [name: string, type: 2, value: FieldList]
  | readonly [name: string, type: 3, value: readonly string[]]
  /** Compressed struct: the compressor's output as it came. */
  | readonly [name: string, type: 4, value: Uint8Array];

export type FieldList = readonly Field[];

/** Makes a string field. */
export function field(name: string, value: string): Field {
  return [name, 0, value];
}

/** Makes a binary field (a uuid is 16 bytes). */
export function binaryField(name: string, value: Uint8Array): Field {
  return [name, 1, value];
}

/** The first string field of that name; undefined when there is none (a field of another type does not count). */
export function getString(fields: FieldList, name: string): string | undefined {
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry !== undefined && entry[0] === name && entry[1] === 0) return entry[2];
  }
  return undefined;
}

/** The first binary field of that name; undefined when there is none. */
export function getBytes(fields: FieldList, name: string): Uint8Array | undefined {
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry !== undefined && entry[0] === name && entry[1] === 1) return entry[2];
  }
  return undefined;
}

/**
 * The number in the first string field of that name, written as `seq`, `hg`, `ts`, `dt` and `ackseq` are: hex without
 * prefix.
 *
 * @returns 0 or more; above 2^53 the nearest representable number; undefined when the field is missing or is no such
 *   number
 */
export function getHex(fields: FieldList, name: string): number | undefined {
  const text = getString(fields, name);
  return text !== undefined && /^[0-9a-fA-F]{1,16}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}
