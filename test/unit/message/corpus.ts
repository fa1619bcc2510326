/**
 * The recorded packets of real Heartbeat 3.0.6 nodes, with keys, format and counts from the tables in
 * test/corpus/wire/README.md.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { AuthKeys } from '../../../conf/settings.ts';
import { type Datagram, Dissector } from '../../../runtime/dissect.ts';
import { ClassicSplitter } from '../../../runtime/message/splitter.ts';
import { readCapture } from '../../../runtime/pcap.ts';

const folder = new URL('../../corpus/wire/', import.meta.url);

export interface CorpusFile {
  readonly name: string;
  readonly keys: AuthKeys;
  readonly msgfmt: 'classic' | 'netstring';
  readonly messages: number;
  /** Messages of each type, sorted: `status:80`. */
  readonly types: readonly string[];
}

function tableRows(): string[][] {
  const readme = readFileSync(new URL('README.md', folder), 'utf8');
  return readme
    .split('\n')
    .filter((line) => line.startsWith('| A'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
}

const method = v.picklist(['crc', 'md5', 'sha1']);
const format = v.picklist(['classic', 'netstring']);

/** Reads `` `auth 1 / 1 sha1 alpha-key-1` ``. */
function keysOf(cell: string): AuthKeys {
  const [, selected, index, name, key = ''] = /`auth (\d+) \/ (\d+) (\w+) ?(\S+)?`/.exec(cell) ?? [];
  return { selected: Number(selected), keys: [{ index: Number(index), method: v.parse(method, name), key }] };
}

/** Every file of the corpus. */
export function corpusFiles(): CorpusFile[] {
  const rows = tableRows();
  const counts = new Map(
    rows.filter((row) => row.length === 6).map(([, name = '', messages, , types = '']) => [name, { messages, types }]),
  );
  return rows
    .filter((row) => row.length === 8)
    .flatMap(([, names = '', keys = '', msgfmt]) =>
      names.split('<br>').map((name) => {
        const count = counts.get(name);
        if (count === undefined) throw new Error(`no counts for ${name}`);
        return {
          name,
          keys: keysOf(keys),
          msgfmt: v.parse(format, msgfmt),
          messages: Number(count.messages),
          types: count.types.split(' ').sort(),
        };
      }),
    );
}

export function corpusPath(name: string): URL {
  return new URL(name, folder);
}

/** The datagrams and echoes of a capture that are heartbeat's (all that are not neighbour discovery). */
export function datagramsOf(name: string): Datagram[] {
  const dissector = new Dissector();
  const datagrams: Datagram[] = [];
  for (const { bytes, linkType } of readCapture(readFileSync(corpusPath(name)))) {
    const datagram = dissector.next(bytes, linkType);
    if (datagram !== null && datagram !== 'unknown-link') datagrams.push(datagram);
  }
  return datagrams;
}

/** The messages of a serial recording. */
export function serialMessagesOf(name: string): Uint8Array[] {
  return new ClassicSplitter().push(readFileSync(corpusPath(name)));
}
