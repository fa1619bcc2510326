/** The text of `systole decode`: one aligned line a packet. */
import type { AuthKeys } from '../../conf/settings.ts';
import type { DecodeResult } from '../message/datagram.ts';
import { type Field, type FieldList, getHex, getString } from '../message/message.ts';
import type { DecodedPacket } from './decode.ts';

/** Fields with a column of their own, and the envelope's that say the same in every packet. */
const notListed: ReadonlySet<string> = new Set([
  't',
  'src',
  'seq',
  'hg',
  'auth',
  'srcuuid',
  'destuuid',
  'ts',
  'ld',
  'ttl',
]);

/** Longest value shown whole [characters]. */
const maxValueLength = 64;

type Message = Extract<DecodeResult, { ok: true }>;

/**
 * Lines of the packets: time (UTC), source → destination, format, type, node, `seq` and `gen` in decimal, verdict
 * with the key's number, own fields, and why a node would not accept it.
 */
export function textLines(packets: readonly DecodedPacket[], keys: AuthKeys | null): string[] {
  const rows = packets.map((packet) => cells(packet, keys));
  const widths = [0, 1, 2, 3, 4, 5, 6, 7].map((column) =>
    rows.reduce((widest, { columns }) => Math.max(widest, columns[column]?.length ?? 0), 0),
  );
  return rows.map(({ columns, rest }) =>
    [...columns.map((cell, column) => cell.padEnd(widths[column] ?? 0)), rest].join('  ').trimEnd(),
  );
}

interface Row {
  readonly columns: readonly string[];
  readonly rest: string;
}

function cells({ timeS, source, destination, result }: DecodedPacket, keys: AuthKeys | null): Row {
  const place = [timeText(timeS), `${source} → ${destination}`];
  if (!result.ok) return { columns: place, rest: `error: ${result.reason} (byte ${result.atByte})` };
  const { fields, format, auth, authIndex } = result;
  const why = whyNotAccepted(result, keys);
  const columns = [
    ...place,
    format,
    printable(getString(fields, 't') ?? '-'),
    printable(getString(fields, 'src') ?? '-'),
    `seq=${getHex(fields, 'seq') ?? '-'}`,
    `gen=${getHex(fields, 'hg') ?? '-'}`,
    authIndex === null ? auth : `${auth}(${authIndex})`,
  ];
  const listed = fieldsText(fields.filter(([name]) => !notListed.has(name)));
  return { columns, rest: why === null ? listed : `${listed}  [not accepted: ${why}]`.trimStart() };
}

/**
 * Why a node with these keys would drop the message; null when it would accept it, or without keys when only the
 * signature is in doubt.
 */
export function whyNotAccepted({ auth, authIndex, fields }: Message, keys: AuthKeys | null): string | null {
  const method = keys?.keys.find(({ index }) => index === authIndex)?.method;
  switch (auth) {
    case 'none':
      return 'it has no signature';
    case 'bad':
      return authIndex === null
        ? 'its signature cannot be read'
        : `its signature does not fit key ${authIndex} (${method ?? 'crc'})`;
    case 'unknown-key':
      if (keys !== null) return `key ${authIndex ?? '-'} is not in authkeys`;
      break;
    case 'ok':
      break;
  }
  for (const name of ['t', 'src', 'ts']) if (getString(fields, name) === undefined) return `it has no field ${name}`;
  const type = getString(fields, 't') ?? '';
  if (getString(fields, 'seq') === undefined && !type.startsWith('NS_')) return 'it has no field seq';
  return null;
}

function timeText(timeS: number): string {
  const micros = Math.round(timeS * 1e6);
  const seconds = new Date(1000 * Math.floor(micros / 1e6)).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % 1e6).padStart(6, '0')}Z`;
}

function fieldsText(fields: FieldList): string {
  return fields.map((entry) => `${printable(entry[0])}=${valueText(entry)}`).join(' ');
}

function valueText(entry: Field): string {
  switch (entry[1]) {
    case 0:
      return printable(entry[2]);
    case 1:
    case 4:
      return entry[2].length <= 16 ? `<${Buffer.from(entry[2]).toString('hex')}>` : `<${entry[2].length} bytes>`;
    case 2:
      return `{${fieldsText(entry[2])}}`;
    case 3:
      return `[${entry[2].map(printable).join(', ')}]`;
  }
}

/**
 * Text that cannot move the cursor or hide: quoted when it has blanks, controls and invisible characters escaped, cut
 * when long.
 */
function printable(text: string): string {
  const cut = text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…(${text.length} characters)` : text;
  if (/^[!-~]+$/.test(cut) && !cut.includes('"')) return cut;
  return JSON.stringify(cut).replace(
    /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
