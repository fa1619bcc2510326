import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareHmac } from '../../../plugins/auth/hmac.ts';
import { authMethods } from '../../../plugins/auth/index.ts';
import { crc32 } from '../../../runtime/message/crc.ts';
import {
  decodeDatagram,
  encodeClassic,
  encodeClassicDatagram,
  encodeDatagram,
  encodeNetstring,
} from '../../../runtime/message/datagram.ts';
import { type FieldList, field } from '../../../runtime/message/message.ts';
import { latin1, latin1Text, nested, oneKey, sha1Keys, status } from './vectors.ts';

describe('crc', () => {
  test.each([
    ['', 0xffffffff],
    ['123456789', 0x765e7680],
  ])('of %j', (text, expected) => {
    expect(crc32(latin1(text))).toBe(expected);
  });

  test('is the same in four-byte steps as bit by bit, on any range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(8), fc.nat(8), (bytes, skip, drop) => {
        const start = Math.min(skip, bytes.length);
        const end = Math.max(start, bytes.length - drop);
        let crc = 0;
        for (const byte of bytes.subarray(start, end)) {
          crc ^= byte << 24;
          for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
        }
        expect(crc32(bytes, start, end)).toBe(~crc >>> 0);
      }),
    );
  });
});

describe.each(['md5', 'sha1'] as const)('hmac %s', (algorithm) => {
  test('equals createHmac for any key and text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.uint8Array({ maxLength: 5000 }), (key, bytes) => {
        const expected = createHmac(algorithm, key).update(bytes).digest('hex');
        expect(prepareHmac(algorithm, key)(bytes, 0, bytes.length)).toBe(expected);
      }),
    );
  });

  test('one digester serves large and small texts in turn', () => {
    const digest = prepareHmac(algorithm, latin1('key'));
    const small = latin1('abc');
    const first = digest(small, 0, 3);
    digest(new Uint8Array(100_000), 0, 100_000);
    expect(digest(small, 0, 3)).toBe(first);
  });
});

describe('the status message', () => {
  const long = 'k'.repeat(80);

  test.each([
    [oneKey('crc'), 'bc6cc892', 'e17b9856'],
    [oneKey('md5', 'secretkey1'), 'da3c9b40d59135e4fadc4e0c9ab7fc5e', '597163e71412ec9a84da9558f77ac46a'],
    [sha1Keys, 'a1cf836119a037f2381de08b65bc497e38368065', '5d0da95302aab4c2fd3129ee1222dee6627c6cd3'],
    [oneKey('md5', long), '554f07a0732c99859d4fc604a929a73a', '0c430cbd0824782d36d9aa16513fff9c'],
    [oneKey('sha1', long), 'f51ea82d1c543c73767ce54f3a3f96624906c7a5', 'c4b06435ebca2c284d80f76f09a00eec33f0e6d8'],
  ])('digests %#', (keys, netstring, classic) => {
    expect(latin1Text(encodeDatagram(status, { msgfmt: 'netstring', keys }))).toMatch(new RegExp(`:1 ${netstring},$`));
    expect(latin1Text(encodeClassic(status, { keys, nul: false }))).toContain(`\nauth=1 ${classic}\n<<<\n`);
  });

  test('the digests of hmac-sha256 are those of RFC 4231', () => {
    const text = latin1('what do ya want for nothing?');
    expect(authMethods['hmac-sha256'].prepare(latin1('Jefe'))(text, 0, text.length)).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
    const longKey = new Uint8Array(131).fill(0xaa);
    const larger = latin1('Test Using Larger Than Block-Size Key - Hash Key First');
    expect(authMethods['hmac-sha256'].prepare(longKey)(larger, 0, larger.length)).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    );
  });

  test('as msgfmt netstring sends it: 239 bytes', () => {
    const bytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys });
    expect(bytes).toHaveLength(239);
    expect(latin1Text(bytes)).toMatch(/%%%\n42:1 a1cf836119a037f2381de08b65bc497e38368065,$/);
    expect(encodeNetstring(status)).toHaveLength(193);
  });

  test('as msgfmt classic sends it: an auth field more, 293 bytes', () => {
    const bytes = encodeDatagram(status, { msgfmt: 'classic', keys: sha1Keys });
    expect(bytes).toHaveLength(293);
    expect(latin1Text(bytes)).toMatch(
      /,50:\(0\)auth=1 5d0da95302aab4c2fd3129ee1222dee6627c6cd3,%%%\n42:1 18fabea40904e703ead06bd110e58357fb0fc4b2,$/,
    );
  });

  test('as an old release sends it: classic with NUL, 191 bytes', () => {
    const bytes = encodeClassic(status, { keys: sha1Keys, nul: true });
    expect(bytes).toHaveLength(191);
    expect(bytes.at(-1)).toBe(0);
    expect(decodeDatagram(bytes, sha1Keys)).toMatchObject({ ok: true, format: 'classic', auth: 'ok', authIndex: 1 });
  });

  test('as it is sent while keys change: the same classic bytes, unless they do not fit', () => {
    const options = { msgfmt: 'netstring', keys: sha1Keys } as const;
    expect(encodeClassicDatagram(status, options)).toEqual(encodeClassic(status, { keys: sha1Keys, nul: true }));
    const nestedBytes = encodeClassicDatagram(nested, options);
    expect(nestedBytes).toEqual(encodeClassic(nested, { keys: sha1Keys, nul: true }));
    expect(decodeDatagram(nestedBytes, sha1Keys)).toMatchObject({ format: 'classic', auth: 'ok' });
    const large = [field('t', 'big'), field('x', 'a'.repeat(70_000))];
    expect(encodeClassicDatagram(large, options)).toEqual(encodeDatagram(large, options));
    const unspeakable: FieldList = [
      ['t', 0, 'x'],
      ['l', 3, ['two\nlines']],
    ];
    expect(encodeClassicDatagram(unspeakable, options)).toEqual(encodeDatagram(unspeakable, options));
  });

  test('an auth field that it has already is replaced, not signed', () => {
    const stale = [['auth', 0, '3 old'] as const, ...status];
    for (const msgfmt of ['classic', 'netstring'] as const) {
      expect(encodeDatagram(stale, { msgfmt, keys: sha1Keys })).toEqual(
        encodeDatagram(status, { msgfmt, keys: sha1Keys }),
      );
    }
    expect(encodeClassic(stale, { keys: sha1Keys, nul: false })).toEqual(
      encodeClassic(status, { keys: sha1Keys, nul: false }),
    );
  });
});

describe('the nested message', () => {
  test('as netstring', () => {
    expect(latin1Text(encodeNetstring(nested))).toBe(
      '###\n6:(0)t=x,48:(2)s=###\n6:(0)a=1,22:(2)b=###\n6:(0)c=2,%%%\n,%%%\n,18:(3)l=3:abc,4:defg,,14:(0)q=two\nlines,%%%\n',
    );
  });

  test('as classic', () => {
    expect(latin1Text(encodeClassic(nested, { keys: null, nul: false }))).toBe(
      '>>>\nt=x\n(2)s=>>>\x14a=1\x14(2)b=>>>\x15c=2\x15<<<\x15\x14<<<\x14\n(3)l=3:abc,4:defg,\nq=two\x13lines\n<<<\n',
    );
  });

  test('has no auth field on UDP, whatever msgfmt says', () => {
    const bytes = encodeDatagram(nested, { msgfmt: 'classic', keys: sha1Keys });
    expect(latin1Text(bytes)).not.toContain('auth=');
    expect(decodeDatagram(bytes, sha1Keys)).toMatchObject({ auth: 'ok', fields: nested });
  });
});
