/** The JSON of `systole decode --json`: one object a line, its keys are a contract (ARCHITECTURE.md). */
import { type Field, type FieldList, getHex, getString } from '../message/message.ts';
import type { DecodedPacket } from './decode.ts';

type Json = null | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * One packet as JSON. Numbers that are hex on the wire (`seq`, `generation`) are numbers here, what is missing is null. `accepted` says whether
 * a node that has heard the capture from its beginning would take it, `reason` and `why` why not, `lost` how many numbers of its sender
 * before it were not heard. A packet that is no message has `error` in place of all about the message. What comes from a serial line has no
 * time and no addresses, but `offset`, its place in the recording.
 */
export function jsonLine({ at, result, verdict }: DecodedPacket): string {
  const where =
    at.kind === 'capture'
      ? { ts: Math.round(at.timeS * 1e6) / 1e6, src: at.source, dst: at.destination }
      : { ts: null, src: null, dst: null, offset: at.offset };
  const { refused, lost } = verdict;
  const judged = { accepted: refused === null, reason: refused?.reason ?? null, why: refused?.why ?? null, lost };
  if (!result.ok) return JSON.stringify({ ...where, ...judged, error: `${result.reason} (byte ${result.atByte})` });
  const { fields, format, auth, authIndex } = result;
  return JSON.stringify({
    ...where,
    format,
    type: getString(fields, 't') ?? null,
    node: getString(fields, 'src') ?? null,
    seq: getHex(fields, 'seq') ?? null,
    generation: getHex(fields, 'hg') ?? null,
    auth,
    authIndex,
    ...judged,
    fields: fieldsToJson(fields),
  });
}

/** A message as an object. Of fields with the same name the first counts, as it does for every look-up of a node. */
function fieldsToJson(fields: FieldList): Json {
  // No prototype: `__proto__` is a name like any other.
  const object: Record<string, Json> = Object.create(null);
  for (const entry of fields) if (!(entry[0] in object)) object[entry[0]] = valueToJson(entry);
  return object;
}

function valueToJson(entry: Field): Json {
  switch (entry[1]) {
    case 0:
    case 3:
      return entry[2];
    case 2:
      return fieldsToJson(entry[2]);
    case 1:
    case 4:
      return { base64: Buffer.from(entry[2]).toString('base64') };
  }
}
