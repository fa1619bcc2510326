import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type DecodeResult, decodeDatagram, encodeClassic, encodeDatagram } from '../../../runtime/message/datagram.ts';
import { type FieldList, getString } from '../../../runtime/message/message.ts';
import { decodeNetstring } from '../../../runtime/message/netstring.ts';
import { sourceOf } from '../../../runtime/message/parse.ts';
import { corpusFiles, corpusPath, datagramsOf, serialMessagesOf } from './corpus.ts';

const files = corpusFiles();

function fieldsOf(result: DecodeResult): FieldList {
  if (!result.ok) throw new Error(`${result.reason} at byte ${result.atByte}`);
  expect(result.auth).toBe('ok');
  return result.fields;
}

function countTypes(messages: readonly FieldList[]): string[] {
  const counts = new Map<string, number>();
  for (const fields of messages) {
    const type = getString(fields, 't') ?? 'none';
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return [...counts].map(([type, count]) => `${type}:${count}`).sort();
}

function isCompressed(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).includes('_compressed_payload');
}

test('the table names every recording', () => {
  const present = readdirSync(corpusPath('.')).filter((name) => name.startsWith('A'));
  expect(files.map(({ name }) => name).sort()).toEqual(present.sort());
});

describe.each(files.filter(({ name }) => name.endsWith('.pcap')))(
  '$name',
  ({ name, keys, msgfmt, messages, types }) => {
    const payloads = datagramsOf(name).map(({ payload }) => payload);

    test('every datagram decodes, verifies, and the types are as counted', () => {
      const decoded = payloads.map((payload) => fieldsOf(decodeDatagram(payload, keys)));
      expect(decoded).toHaveLength(messages);
      expect(countTypes(decoded)).toEqual(types);
    });

    test('every datagram re-encodes to the same bytes', () => {
      for (const payload of payloads) {
        // The outer fields: compressed again, a message has the bytes of another zlib version.
        const outer = decodeNetstring(sourceOf(payload), 0, payload.length);
        if (!outer.ok) throw new Error(outer.reason);
        const compressed = outer.fields.some(([field]) => field === '_compressed_payload');
        const again = encodeDatagram(outer.fields, { msgfmt: compressed ? 'netstring' : msgfmt, keys });
        expect(Buffer.from(again).toString('latin1')).toBe(Buffer.from(payload).toString('latin1'));
      }
    });

    test('no datagram verifies with another key', () => {
      const selected = keys.keys.map((slot) => ({ ...slot, method: 'sha1' as const, key: 'another' }));
      for (const payload of payloads) {
        const result = decodeDatagram(payload, { ...keys, keys: selected });
        expect(result.ok && result.auth).toBe('bad');
      }
    });
  },
);

describe.each(files.filter(({ name }) => name.endsWith('.tty')))('$name', ({ name, keys, messages, types }) => {
  const serial = serialMessagesOf(name);

  test('every message decodes, verifies, and the types are as counted', () => {
    const decoded = serial.map((message) => fieldsOf(decodeDatagram(message, keys)));
    expect(decoded).toHaveLength(messages);
    expect(countTypes(decoded)).toEqual(types);
  });

  test('every message re-encodes to the same bytes', () => {
    for (const message of serial) {
      const again = encodeClassic(fieldsOf(decodeDatagram(message, keys)), { keys, nul: false });
      expect(Buffer.from(again).toString('latin1')).toBe(Buffer.from(message).toString('latin1'));
    }
  });
});

describe('A08: traditional compression, threshold 2 KB', () => {
  const name = 'A08_compression_zlib_traditional_sha1_classic.pcap';
  const keys = files.find((file) => file.name === name)?.keys ?? { selected: 1, keys: [] };

  test('we compress the same messages as the real node, to something that reads the same', () => {
    let compressed = 0;
    for (const { payload } of datagramsOf(name)) {
      const fields = fieldsOf(decodeDatagram(payload, keys));
      const again = encodeDatagram(fields, { msgfmt: 'classic', keys, compressOverBytes: 2048 });
      expect(isCompressed(again)).toBe(isCompressed(payload));
      expect(fieldsOf(decodeDatagram(again, keys))).toEqual(fields);
      if (isCompressed(again)) compressed++;
    }
    expect(compressed).toBe(3);
  });
});
