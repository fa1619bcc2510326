import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { AuthKeys } from '../../../conf/settings.ts';
import { crc32 } from '../../../runtime/message/crc.ts';
import { decodeDatagram, encodeClassic, encodeDatagram, encodeNetstring } from '../../../runtime/message/datagram.ts';
import { binaryField, type FieldList, field, getBytes, getHex, getString } from '../../../runtime/message/message.ts';
import { bzip2Compress } from '../../../runtime/sys/bzip2.ts';
import { latin1, latin1Text, nested, oneKey, sha1Keys, status } from './vectors.ts';

const crcKeys = oneKey('crc');

/** A netstring body with a right crc trailer. */
function signed(body: string, prefix = '1 '): Uint8Array {
  const text = `${prefix}${crc32(latin1(body)).toString(16)}`;
  return latin1(`${body}${text.length}:${text},`);
}

/** Classic lines with a right crc in an `auth` line at their end. */
function signedClassic(lines: string): Uint8Array {
  return latin1(`>>>\n${lines}auth=1 ${crc32(latin1(lines)).toString(16)}\n<<<\n`);
}

/** A message inside `depth` structs. */
function deep(depth: number): FieldList {
  let fields: FieldList = [field('t', 'x')];
  for (let level = 0; level < depth; level++) fields = [['s', 2, fields]];
  return fields;
}

/** Incompressible text, so that sizes are what they say. */
const noise = (sizeBytes: number): string =>
  randomBytes(Math.ceil(sizeBytes / 2))
    .toString('hex')
    .slice(0, sizeBytes);
const packed = (payload: Uint8Array, algorithm = 'zlib'): FieldList => [
  binaryField('_compressed_payload', payload),
  field('_compression_algorithm', algorithm),
];
/** By the system's library, which every machine that builds this has. */
function bz2(bytes: Uint8Array): Uint8Array {
  const packedBytes = bzip2Compress(bytes);
  if (packedBytes === null) throw new Error('libbz2.so.1.0 is not installed');
  return packedBytes;
}
const send = (fields: FieldList): Uint8Array => encodeDatagram(fields, { msgfmt: 'netstring', keys: sha1Keys });

describe('look-ups', () => {
  const fields: FieldList = [
    binaryField('a', new Uint8Array([1])),
    field('a', '1f'),
    field('a', '2'),
    field('b', 'xyz'),
  ];

  test('take the first field of the name that has the wanted type', () => {
    expect(getString(fields, 'a')).toBe('1f');
    expect(getBytes(fields, 'a')).toEqual(new Uint8Array([1]));
    expect(getString(fields, 'c')).toBeUndefined();
    expect(getBytes(fields, 'b')).toBeUndefined();
  });

  test('read hex numbers, and nothing else as one', () => {
    expect(getHex(fields, 'a')).toBe(31);
    expect(getHex(fields, 'b')).toBeUndefined();
    expect(getHex([field('n', '')], 'n')).toBeUndefined();
    expect(getHex([field('n', '-1')], 'n')).toBeUndefined();
    expect(getHex([field('n', '0x1')], 'n')).toBeUndefined();
  });
});

describe('a netstring is accepted', () => {
  test.each([
    ['with leading zeros in a length', '###\n0006:(0)t=x,%%%\n'],
    ['with bytes between a length and its colon', '###\n6abc:(0)t=x,%%%\n'],
    ['without fields', '###\n%%%\n'],
    ['with an empty value', '###\n5:(0)t=,%%%\n'],
    ['with a comma, a newline and %%% in a value', '###\n12:(0)t=,\n%%%\n,,%%%\n'],
    ['with an empty list', '###\n5:(3)t=,%%%\n'],
    ['with a wrong auth field inside', '###\n14:(0)auth=1 0000,%%%\n'],
  ])('%s', (_name, body) => {
    expect(decodeDatagram(signed(body), crcKeys)).toMatchObject({
      ok: true,
      format: 'netstring',
      auth: 'ok',
      authIndex: 1,
    });
  });

  test('with bytes after the trailer', () => {
    const bytes = Buffer.concat([
      encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys }),
      Buffer.from('\0junk'),
    ]);
    expect(decodeDatagram(bytes, sha1Keys)).toMatchObject({ auth: 'ok', fields: status });
  });

  test('with more blanks and a sign in the trailer', () => {
    expect(decodeDatagram(signed('###\n6:(0)t=x,%%%\n', ' +1   '), crcKeys)).toMatchObject({
      auth: 'ok',
      authIndex: 1,
    });
  });

  test('at any place in a larger buffer', () => {
    const bytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys });
    const larger = new Uint8Array(bytes.length + 20).fill(0x2c);
    larger.set(bytes, 10);
    const result = decodeDatagram(larger.subarray(10, 10 + bytes.length), sha1Keys);
    expect(result).toMatchObject({ auth: 'ok', fields: status });
    if (!result.ok) throw new Error(result.reason);
    // A view into the datagram would make a clone between threads copy the whole receive buffer.
    expect(getBytes(result.fields, 'srcuuid')?.buffer.byteLength).toBe(16);
  });
});

describe('a netstring is no message', () => {
  test.each([
    ['empty', '', 0],
    ['shorter than its first line', '###', 0],
    ['another protocol', 'GET / HTTP/1.0\r\n', 0],
    ['without end', '###\n6:(0)t=x,', 13],
    ['with a field that has no type', '###\n3:t=x,%%%\n', 6],
    ['with a type of two digits', '###\n7:(00)t=x,%%%\n', 6],
    ['with a type that is a letter', '###\n6:(a)t=x,%%%\n', 6],
    ['with an empty field', '###\n0:,%%%\n', 6],
    ['with type 5, which stays in memory', '###\n6:(5)t=x,%%%\n', 6],
    ['with type 6', '###\n6:(6)t=x,%%%\n', 6],
    ['with type 9', '###\n6:(9)t=x,%%%\n', 6],
    ['with a field without value', '###\n4:(0)t,%%%\n', 6],
    ['with a field without name', '###\n5:(0)=x,%%%\n', 6],
    ['with a NUL in a string', '###\n7:(0)t=\0x,%%%\n', 11],
    ['with a newline in a name', '###\n7:(0)t\n=x,%%%\n', 6],
    ['with a length that is too short', '###\n5:(0)t=x,%%%\n', 11],
    ['with a length past the end', '###\n99:(0)t=x,%%%\n', 4],
    ['with a length of 40 digits', `###\n${'9'.repeat(40)}:(0)t=x,%%%\n`, 4],
    ['with a negative length', '###\n-6:(0)t=x,%%%\n', 4],
    ['with a length without colon', '###\n6', 4],
    ['with a list element past its end', '###\n9:(3)t=9:a,,%%%\n', 11],
    ['with a list element without comma', '###\n9:(3)t=1:ab,%%%\n', 11],
    ['with a struct that is no message', '###\n6:(2)t=x,%%%\n', 11],
    ['with a struct that goes on after its message', '###\n14:(2)t=###\n%%%\nx,%%%\n', 20],
  ])('%s', (_name, text, atByte) => {
    expect(decodeDatagram(latin1(text), crcKeys)).toEqual({ ok: false, reason: expect.any(String), atByte });
  });
});

describe('structs', () => {
  test('nest 16 deep in both formats', () => {
    const netstring = encodeDatagram(deep(16), { msgfmt: 'classic', keys: sha1Keys });
    expect(decodeDatagram(netstring, sha1Keys)).toMatchObject({ auth: 'ok', fields: deep(16) });
    const classic = encodeClassic(deep(16), { keys: null, nul: false });
    expect(decodeDatagram(classic, null)).toMatchObject({ fields: deep(16) });
  });

  test('and not deeper', () => {
    expect(() => encodeNetstring(deep(17))).toThrow('nested deeper than 16');
    expect(() => encodeClassic(deep(17), { keys: null, nul: false })).toThrow('nested deeper than 16');
    const inner = latin1Text(encodeNetstring(deep(16)));
    const seventeen = `###\n${inner.length + 5}:(2)s=${inner},%%%\n`;
    expect(decodeDatagram(signed(seventeen), crcKeys)).toMatchObject({
      ok: false,
      reason: 'structs are nested deeper than 16',
    });
  });

  test('cannot be classic when a value has the byte that stands for its newlines', () => {
    const fields: FieldList = [['s', 2, [field('a', 'x\x14y')]]];
    expect(() => encodeClassic(fields, { keys: null, nul: false })).toThrow('byte 20');
    expect(decodeDatagram(encodeNetstring(fields), null)).toMatchObject({ fields });
  });
});

describe('a classic message is accepted', () => {
  test.each([
    ['as a serial line has it', signedClassic('t=x\n')],
    ['with a NUL and more after it', Buffer.concat([signedClassic('t=x\n'), Buffer.from('\0junk')])],
    ['with empty lines', latin1(`>>>\n\nt=x\n\nauth=1 ${crc32(latin1('t=x\n')).toString(16)}\n\n<<<\n`)],
    ['with auth first', latin1(`>>>\nauth=1 ${crc32(latin1('t=x\n')).toString(16)}\nt=x\n<<<\n`)],
    ['with auth between', latin1(`>>>\nt=x\nauth=1 ${crc32(latin1('t=x\nb=y\n')).toString(16)}\nb=y\n<<<\n`)],
    ['with an equals sign in a value', signedClassic('t=x\na=b=c\n')],
    ['with parentheses in a value', signedClassic('t=x\na=(1)b\n')],
  ])('%s', (_name, bytes) => {
    const result = decodeDatagram(bytes, crcKeys);
    expect(result).toMatchObject({ ok: true, format: 'classic', auth: 'ok', authIndex: 1 });
    expect(result.ok && getString(result.fields, 't')).toBe('x');
  });
});

describe('a classic message is no message', () => {
  test.each([
    ['without end', '>>>\nt=x\n'],
    ['cut by a NUL', '>>>\nt=x\n\0<<<\n'],
    ['with a half last line', '>>>\nt=x\n<<<'],
    ['with a string that has a type', '>>>\n(0)t=x\n<<<\n'],
    ['with type 6', '>>>\n(6)t=x\n<<<\n'],
    ['with an open type', '>>>\n(1t=x\n<<<\n'],
    ['with a line without value', '>>>\nt\n<<<\n'],
    ['with a line without name', '>>>\n=x\n<<<\n'],
    ['with base64 of a wrong length', '>>>\n(1)t=AAA\n<<<\n'],
    ['with a wrong base64 letter', '>>>\n(1)t=AA-A\n<<<\n'],
    ['with padding inside base64', '>>>\n(1)t=A===\n<<<\n'],
    ['with a struct of the wrong depth', '>>>\n(2)s=>>>\x15a=1\x15<<<\x15\n<<<\n'],
  ])('%s', (_name, text) => {
    expect(decodeDatagram(latin1(text), crcKeys)).toEqual({
      ok: false,
      reason: expect.any(String),
      atByte: expect.any(Number),
    });
  });
});

describe('signatures', () => {
  const keys: AuthKeys = {
    selected: 1,
    keys: [
      { index: 1, method: 'sha1', key: 'new' },
      { index: 2, method: 'md5', key: 'old' },
      { index: 7, method: 'crc', key: '' },
    ],
  };

  test.each([1, 2, 7])('made with listed slot %i count, selected or not', (selected) => {
    for (const bytes of [
      encodeDatagram(status, { msgfmt: 'classic', keys: { ...keys, selected } }),
      encodeClassic(status, { keys: { ...keys, selected }, nul: true }),
    ]) {
      expect(decodeDatagram(bytes, keys)).toMatchObject({ auth: 'ok', authIndex: selected });
    }
  });

  test("the defect of 3.0.6, a slot's method with the selected slot's key, does not count", () => {
    const mixed: AuthKeys = { selected: 2, keys: [{ index: 2, method: 'md5', key: 'new' }] };
    expect(decodeDatagram(encodeDatagram(status, { msgfmt: 'netstring', keys: mixed }), keys)).toMatchObject({
      auth: 'bad',
      authIndex: 2,
    });
  });

  test.each([
    ['an unlisted slot', '3 abc', 'unknown-key', 3],
    ['a slot over 15', '16 abc', 'unknown-key', 16],
    ['a negative slot', '-1 abc', 'unknown-key', -1],
    ['no number', 'x abc', 'bad', null],
    ['no digest', '1', 'bad', null],
    ['nothing', '', 'bad', null],
  ])('naming %s', (_name, signature, auth, authIndex) => {
    const netstring = latin1(`###\n6:(0)t=x,%%%\n${signature.length}:${signature},`);
    expect(decodeDatagram(netstring, keys)).toMatchObject({ ok: true, auth, authIndex });
    const classic = latin1(`>>>\nt=x\nauth=${signature}\n<<<\n`);
    expect(decodeDatagram(classic, keys)).toMatchObject({ ok: true, auth, authIndex });
  });

  test('in upper case are bad, as for a real node', () => {
    const text = latin1Text(encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys }));
    const upper = text.replace(/:1 [0-9a-f]+,$/, (trailer) => trailer.toUpperCase());
    expect(upper).not.toBe(text);
    expect(decodeDatagram(latin1(upper), sha1Keys)).toMatchObject({ auth: 'bad', authIndex: 1 });
  });

  test.each(['garbage', '42:1 abc', ':,', '3:1 x'])('a trailer %j is bad', (trailer) => {
    expect(decodeDatagram(latin1(`###\n6:(0)t=x,%%%\n${trailer}`), sha1Keys)).toMatchObject({
      ok: true,
      auth: 'bad',
      authIndex: null,
    });
  });

  test('by a method of 3.0.6 are told apart when ours is one that it cannot read, and only then', () => {
    const own: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'hmac-sha256', key: 'new' }] };
    for (const method of ['sha1', 'md5', 'crc'] as const)
      for (const index of [1, 2])
        for (const bytes of [
          encodeDatagram(status, { msgfmt: 'classic', keys: oneKey(method, 'new', index) }),
          encodeClassic(status, { keys: oneKey(method, 'new', index), nul: true }),
        ]) {
          expect(decodeDatagram(bytes, own)).toMatchObject({ auth: 'legacy-method', authIndex: index });
          // Beside our own key, one of theirs: what it signs is accepted, as while keys are changed.
          const both: AuthKeys = {
            selected: 3,
            keys: [{ index: 3, method: 'hmac-sha256', key: 'x' }, ...oneKey(method, 'new', index).keys],
          };
          expect(decodeDatagram(bytes, both)).toMatchObject({ auth: 'ok' });
        }
    const stranger = oneKey('hmac-sha256', 'another');
    expect(decodeDatagram(encodeDatagram(status, { msgfmt: 'netstring', keys: stranger }), own)).toMatchObject({
      auth: 'bad',
    });
    const ours = encodeDatagram(status, { msgfmt: 'netstring', keys: own });
    expect(decodeDatagram(ours, own)).toMatchObject({ auth: 'ok', fields: status });
    expect(decodeDatagram(ours, oneKey('sha1', 'new'))).toMatchObject({ auth: 'bad' });
    expect(latin1Text(ours)).toMatch(/%%%\n66:1 [0-9a-f]{64},$/);
  });

  test('missing is none, without keys unknown', () => {
    expect(decodeDatagram(encodeNetstring(status), sha1Keys)).toMatchObject({ auth: 'none', authIndex: null });
    expect(decodeDatagram(encodeClassic(status, { keys: null, nul: false }), sha1Keys)).toMatchObject({
      auth: 'none',
      authIndex: null,
    });
    const bytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys });
    expect(decodeDatagram(bytes, null)).toMatchObject({ auth: 'unknown-key', authIndex: 1 });
  });

  test('cannot be made without the selected key', () => {
    expect(() => encodeDatagram(status, { msgfmt: 'netstring', keys: { selected: 4, keys: keys.keys } })).toThrow(
      'slot 4 is selected',
    );
  });
});

describe('compression', () => {
  test.each(['classic', 'netstring'] as const)(
    'what fits no datagram is compressed by itself (msgfmt %s)',
    (msgfmt) => {
      const fields = [field('t', 'big'), field('crm_xml', 'abcdefghij'.repeat(20_000))];
      const bytes = encodeDatagram(fields, { msgfmt, keys: sha1Keys });
      expect(bytes.length).toBeLessThan(2000);
      const result = decodeDatagram(bytes, sha1Keys);
      expect(result.ok && result.fields.filter(([name]) => name !== 'auth')).toEqual(fields);
    },
  );

  test('what fits not even then is refused', () => {
    expect(() => send([field('t', 'big'), field('x', noise(180_000))])).toThrow('the limit is 65507');
    expect(() => send([field('t', 'big'), field('x', 'a'.repeat(2_200_000))])).toThrow('the limit is 2097152');
    expect(() => encodeClassic([field('x', 'a'.repeat(262_144))], { keys: null, nul: false })).toThrow(
      'the limit is 262143',
    );
  });

  test('a message under the threshold is sent as it is', () => {
    const bytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys, compressOverBytes: 193 });
    expect(bytes).toEqual(send(status));
    const over = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys, compressOverBytes: 192 });
    expect(over).not.toEqual(bytes);
    expect(decodeDatagram(over, sha1Keys)).toMatchObject({ auth: 'ok', fields: status });
  });

  test('nested messages are compressed as netstring', () => {
    const bytes = encodeDatagram(nested, { msgfmt: 'classic', keys: sha1Keys, compressOverBytes: 10 });
    expect(decodeDatagram(bytes, sha1Keys)).toMatchObject({ auth: 'ok', fields: nested });
  });

  test.each(['classic', 'netstring'] as const)('bz2 carries what zlib carries (msgfmt %s)', (msgfmt) => {
    for (const fields of [status, nested, [field('t', 'big'), field('crm_xml', 'abcdefghij'.repeat(20_000))]]) {
      const bytes = encodeDatagram(fields, { msgfmt, keys: sha1Keys, compressOverBytes: 10, compression: 'bz2' });
      expect(latin1Text(bytes)).toContain('_compressed_payload=BZh1');
      expect(latin1Text(bytes)).toContain('_compression_algorithm=bz2');
      const result = decodeDatagram(bytes, sha1Keys);
      expect(result.ok && result.fields.filter(([name]) => name !== 'auth')).toEqual(fields);
    }
  });

  test('a bomb of bz2 is refused, not inflated', () => {
    const bomb = bz2(Buffer.alloc(60_000_000));
    expect(bomb.length).toBeLessThan(65_000);
    expect(decodeDatagram(send(packed(bomb, 'bz2')), sha1Keys)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('2097152'),
    });
  });

  test('a bomb is refused, not inflated', () => {
    const bomb = deflateSync(Buffer.alloc(60_000_000), { level: 9 });
    expect(bomb.length).toBeLessThan(65_000);
    expect(decodeDatagram(send(packed(bomb)), sha1Keys)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('2097152'),
    });
  });

  test.each([
    ['damaged', packed(latin1('no zlib at all')), 'damaged'],
    ['empty', packed(new Uint8Array()), 'damaged'],
    ['cut', packed(deflateSync(encodeNetstring(status)).subarray(0, 40)), 'damaged'],
    ['damaged bz2', packed(latin1('BZh1'), 'bz2'), 'damaged (bz2)'],
    ['cut bz2', packed(bz2(encodeNetstring(status)).subarray(0, 60), 'bz2'), 'damaged (bz2)'],
    ['of another kind', packed(latin1('x'), 'lz4'), 'unknown compression algorithm "lz4"'],
    ['of no kind', [binaryField('_compressed_payload', latin1('x'))], 'does not name its algorithm'],
    ['no message', packed(deflateSync(Buffer.from('hello'))), 'inside the compressed payload: no heartbeat message'],
    [
      'half a message',
      packed(deflateSync(Buffer.from('###\n6:(0)t=x,'))),
      'inside the compressed payload: ends without %%%',
    ],
  ])('a payload that is %s is a failure', (_name, fields, reason) => {
    expect(decodeDatagram(send(fields), sha1Keys)).toMatchObject({
      ok: false,
      reason: expect.stringContaining(reason),
    });
  });

  test('only a signed message is expanded; without any keys all are, for looking at captures', () => {
    const bytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys, compressOverBytes: 1 });
    const result = decodeDatagram(bytes, oneKey('sha1', 'another'));
    expect(result).toMatchObject({ ok: true, auth: 'bad' });
    expect(result.ok && getString(result.fields, 't')).toBeUndefined();
    expect(decodeDatagram(bytes, null)).toMatchObject({ auth: 'unknown-key', fields: status });
  });
});

describe('what the wire cannot carry is refused before it is sent', () => {
  test.each([
    ['a NUL in a string', [field('a', 'x\0y')], 'NUL'],
    ['an empty name', [field('', 'x')], 'field name'],
    ['a name with an equals sign', [field('a=b', 'x')], 'field name'],
    ['a name with a newline', [field('a\nb', 'x')], 'field name'],
    ['a name with a NUL', [field('a\0b', 'x')], 'field name'],
    ['a name like a type', [field('(1)a', 'x')], 'field name'],
    ['a NUL in a list', [['l', 3, ['a\0']] as const], 'NUL'],
  ])('%s', (_name, fields, reason) => {
    expect(() => encodeDatagram(fields, { msgfmt: 'classic', keys: sha1Keys })).toThrow(reason);
    expect(() => encodeClassic(fields, { keys: null, nul: false })).toThrow(reason);
    // The writers are reused: a failure must leave nothing behind.
    expect(encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys })).toHaveLength(239);
  });

  test('a datagram of 262144 bytes or more is not looked at', () => {
    expect(decodeDatagram(new Uint8Array(262_144).fill(0x23), null)).toMatchObject({ ok: false, atByte: 262_144 });
  });
});
