/** The text of `systole decode`: one aligned line a packet. */
import { type Field, type FieldList, getHex, getString } from '../message/message.ts';
import type { DecodedPacket } from './decode.ts';
import type { Verdict } from './decode-verdict.ts';

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

/**
 * Lines of the packets: time (UTC; of a serial line the place in the recording), source → destination, format, type, node, `seq` and `gen` in
 * decimal, verdict with the key's number, own fields, and why a node would not accept it.
 */
export function textLines(packets: readonly DecodedPacket[]): string[] {
  const rows = packets.map(cells);
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

function cells({ at, result, verdict }: DecodedPacket): Row {
  const place =
    at.kind === 'capture' ? [timeText(at.timeS), `${at.source} → ${at.destination}`] : [`byte ${at.offset}`, 'serial'];
  if (!result.ok) return { columns: place, rest: `error: ${result.reason} (byte ${result.atByte})` };
  const { fields, format, auth, authIndex } = result;
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
  return { columns, rest: [listed, ...remarks(verdict)].filter((part) => part !== '').join('  ') };
}

function remarks({ refused, lost }: Verdict): string[] {
  if (refused !== null)
    return [`[${refused.reason === 'copy' ? 'a copy' : 'not accepted'}: ${printableWhy(refused.why)}]`];
  return lost > 0 ? [`[${lost} before it not heard]`] : [];
}

/** A reason may name a node, whose name comes from the wire. */
function printableWhy(why: string): string {
  return why.replace(/[^ -~]/g, '?');
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
