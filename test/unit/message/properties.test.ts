import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeDatagram, encodeClassic, encodeDatagram } from '../../../runtime/message/datagram.ts';
import type { Field, FieldList } from '../../../runtime/message/message.ts';
import { ClassicSplitter } from '../../../runtime/message/splitter.ts';
import { bytesToText, textToBytes } from '../../../runtime/message/text.ts';
import { latin1, nested, oneKey, sha1Keys, status } from './vectors.ts';

const name = fc
  .string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcdefXYZ_09-.)ü€') })
  .filter((text) => text !== 'auth');
/** Any Unicode text; the classic format has no way to carry 0x13 and the depth symbols in it. */
const anyText = fc.string({ maxLength: 80, unit: 'binary' }).map((text) => text.replaceAll('\0', ''));
const plainText = anyText.map((text) => text.replaceAll(/[^\n -\uffff]/g, '-'));
const bytes = fc.uint8Array({ maxLength: 80 });

function fieldOf(text: fc.Arbitrary<string>, element: fc.Arbitrary<string>, depth: number): fc.Arbitrary<Field> {
  const simple: fc.Arbitrary<Field>[] = [
    fc.tuple(name, fc.constant(0 as const), text),
    fc.tuple(name, fc.constant(1 as const), bytes),
    fc.tuple(name, fc.constant(3 as const), fc.array(element, { maxLength: 4 })),
    fc.tuple(name, fc.constant(4 as const), bytes),
  ];
  if (depth === 0) return fc.oneof(...simple);
  return fc.oneof(
    ...simple,
    fc.tuple(name, fc.constant(2 as const), fc.array(fieldOf(text, element, depth - 1), { maxLength: 4 })),
  );
}

const anyMessage: fc.Arbitrary<FieldList> = fc.array(fieldOf(anyText, anyText, 3), { maxLength: 10 });
const plainMessage: fc.Arbitrary<FieldList> = fc.array(
  fieldOf(
    plainText,
    plainText.map((text) => text.replaceAll('\n', '')),
    3,
  ),
  { maxLength: 10 },
);
const anyKeys = fc.oneof(
  fc.constant(oneKey('crc')),
  fc
    .tuple(fc.constantFrom('md5' as const, 'sha1' as const), fc.string({ minLength: 1, maxLength: 100 }), fc.nat(15))
    .map(([method, key, index]) => oneKey(method, key, index)),
);

function withoutAuth(fields: FieldList): FieldList {
  return fields.filter(([field]) => field !== 'auth');
}

describe('round trips', () => {
  test.each(['classic', 'netstring'] as const)('any message as a datagram, msgfmt %s', (msgfmt) => {
    fc.assert(
      fc.property(plainMessage, anyKeys, (message, keys) => {
        const result = decodeDatagram(encodeDatagram(message, { msgfmt, keys }), keys);
        expect(result).toMatchObject({ ok: true, format: 'netstring', auth: 'ok', authIndex: keys.selected });
        expect(result.ok && withoutAuth(result.fields)).toEqual(message);
      }),
    );
  });

  test('any text and bytes as netstring', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(
          decodeDatagram(encodeDatagram(message, { msgfmt: 'netstring', keys: sha1Keys }), sha1Keys),
        ).toMatchObject({
          auth: 'ok',
          fields: message,
        });
      }),
    );
  });

  test('any message as classic, with and without NUL', () => {
    fc.assert(
      fc.property(plainMessage, anyKeys, fc.boolean(), (message, keys, nul) => {
        const result = decodeDatagram(encodeClassic(message, { keys, nul }), keys);
        expect(result).toMatchObject({ ok: true, format: 'classic', auth: 'ok' });
        expect(result.ok && withoutAuth(result.fields)).toEqual(message);
      }),
    );
  });

  test('any message through compression', () => {
    fc.assert(
      fc.property(plainMessage, fc.constantFrom('classic' as const, 'netstring' as const), (message, msgfmt) => {
        const result = decodeDatagram(
          encodeDatagram(message, { msgfmt, keys: sha1Keys, compressOverBytes: 0 }),
          sha1Keys,
        );
        expect(result.ok && withoutAuth(result.fields)).toEqual(message);
      }),
    );
  });

  test('any bytes through text', () => {
    const mixed = fc
      .array(
        fc.oneof(
          fc.uint8Array({ maxLength: 5 }),
          fc.string({ unit: 'binary', maxLength: 3 }).map((text) => Buffer.from(text)),
        ),
      )
      .map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(mixed, (original) => {
        expect(textToBytes(bytesToText(original))).toEqual(original);
      }),
      { numRuns: 500 },
    );
  });

  test('valid UTF-8 is ordinary text', () => {
    expect(bytesToText(Buffer.from('größe €'))).toBe('größe €');
    expect(bytesToText(Buffer.of(0x61, 0xff, 0x62))).toBe('a\udcffb');
    expect(textToBytes('\ud800')).toEqual(Buffer.from('\ufffd'));
  });
});

/**
 * Bytes that carry the signed part unchanged verify rightly: junk after a trailer, a NUL, an `auth` field inside a
 * netstring, a tab for the blank within the signature.
 */
function sameMessage(mutant: Uint8Array, original: Uint8Array): boolean {
  const first = decodeDatagram(mutant, sha1Keys);
  const second = decodeDatagram(original, sha1Keys);
  return (
    first.ok &&
    second.ok &&
    first.format === second.format &&
    JSON.stringify(withoutAuth(first.fields)) === JSON.stringify(withoutAuth(second.fields))
  );
}

describe('garbage', () => {
  const samples = [
    encodeDatagram(status, { msgfmt: 'classic', keys: sha1Keys }),
    encodeDatagram(nested, { msgfmt: 'classic', keys: sha1Keys }),
    encodeDatagram(status, { msgfmt: 'classic', keys: sha1Keys, compressOverBytes: 0 }),
    encodeClassic(status, { keys: sha1Keys, nul: true }),
    encodeClassic(nested, { keys: sha1Keys, nul: false }),
  ];
  const sample = fc.constantFrom(...samples);

  test('a message with any byte changed never throws and never verifies as another message', () => {
    fc.assert(
      fc.property(sample, fc.nat(), fc.nat(255), (original, place, value) => {
        const mutant = original.slice();
        mutant[place % mutant.length] = value;
        const result = decodeDatagram(mutant, sha1Keys);
        if (result.ok && result.auth === 'ok') expect(sameMessage(mutant, original)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('every truncation is refused, down to the last byte that matters', () => {
    for (const original of samples) {
      const needed = original.at(-1) === 0 ? original.length - 1 : original.length;
      for (let length = 0; length < needed; length++) {
        const result = decodeDatagram(original.subarray(0, length), sha1Keys);
        expect(result.ok && result.auth === 'ok').toBe(false);
      }
    }
  });

  test('parts put in, taken out and doubled never throw and never verify as another message', () => {
    fc.assert(
      fc.property(sample, fc.nat(), fc.nat(40), fc.uint8Array({ maxLength: 40 }), (original, place, drop, insert) => {
        const at = place % original.length;
        const mutant = Buffer.concat([
          original.subarray(0, at),
          insert,
          original.subarray(Math.min(original.length, at + drop)),
        ]);
        const result = decodeDatagram(mutant, sha1Keys);
        if (result.ok && result.auth === 'ok') expect(sameMessage(mutant, original)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('random bytes after either opening never throw and never verify', () => {
    const alphabet = fc.string({ maxLength: 200, unit: fc.constantFrom(...'0123456789:(),=abt%#<>\n\0\x13\x14\x15 ') });
    fc.assert(
      fc.property(
        fc.constantFrom('###\n', '>>>\n', ''),
        fc.oneof(
          alphabet,
          bytes.map((raw) => Buffer.from(raw).toString('latin1')),
        ),
        (opening, rest) => {
          const result = decodeDatagram(latin1(opening + rest), sha1Keys);
          if (result.ok) expect(result.auth).not.toBe('ok');
          else expect(result.atByte).toBeLessThanOrEqual(opening.length + rest.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('the serial splitter', () => {
  const message = encodeClassic(status, { keys: sha1Keys, nul: false });

  test('finds every message however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(plainMessage, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
        (messages, cuts) => {
          const encoded = messages.map((fields) => encodeClassic(fields, { keys: sha1Keys, nul: false }));
          const stream = Buffer.concat(encoded);
          const splitter = new ClassicSplitter();
          const found: Uint8Array[] = [];
          let at = 0;
          for (let index = 0; at < stream.length; index++) {
            const end = at + (cuts[index % cuts.length] ?? 1);
            found.push(...splitter.push(stream.subarray(at, end)));
            at = end;
          }
          expect(found.map((part) => Buffer.from(part))).toEqual(encoded.map((part) => Buffer.from(part)));
          expect(splitter.skippedBytes).toBe(0);
        },
      ),
    );
  });

  test('skips and counts garbage between messages', () => {
    const splitter = new ClassicSplitter();
    const found = splitter.push(Buffer.concat([Buffer.from('login: \nxyz\n'), message, Buffer.from('\n\n'), message]));
    expect(found.map((part) => Buffer.from(part))).toEqual([Buffer.from(message), Buffer.from(message)]);
    expect(splitter.skippedBytes).toBe(14);
  });

  test('a lost end costs one message', () => {
    const half = Buffer.from(message.subarray(0, 60));
    const splitter = new ClassicSplitter();
    const found = splitter.push(Buffer.concat([half, Buffer.from('\n'), message]));
    expect(found.map((part) => Buffer.from(part))).toEqual([Buffer.from(message)]);
    expect(splitter.skippedBytes).toBe(61);
  });

  test('an endless message, or an endless line, is dropped at the size limit', () => {
    for (const filler of ['a=b\n', 'ab']) {
      const splitter = new ClassicSplitter();
      expect(splitter.push(Buffer.from(`>>>\n${filler.repeat(200_000)}`))).toEqual([]);
      expect(splitter.push(Buffer.from('\n'))).toEqual([]);
      expect(splitter.push(message).map((part) => Buffer.from(part))).toEqual([Buffer.from(message)]);
      expect(splitter.skippedBytes).toBeGreaterThan(262_144);
    }
  });

  test('never throws', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(bytes, fc.constantFrom(latin1('>>>'), latin1('\n'), latin1('<<<\n'), latin1('>>>\n')))),
        (chunks) => {
          const splitter = new ClassicSplitter();
          for (const chunk of chunks) for (const found of splitter.push(chunk)) decodeDatagram(found, sha1Keys);
        },
      ),
    );
  });
});
