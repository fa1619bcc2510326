/** authkeys: keys, permissions, and that nothing of the file ever shows. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textToBytes } from '../../runtime/message/text.ts';
import { readAuthKeys } from '../authkeys.ts';
import { formatDiagnostics } from '../diagnostics.ts';
import { readAuthKeysFile, readConfiguration } from '../read.ts';
import { hostWith } from './fake-system.ts';

function read(text: string | Uint8Array, facts: { mode?: number; ownerUid?: number } = {}) {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  return readAuthKeys({
    file: '/etc/ha.d/authkeys',
    originalFile: '/etc/ha.d//authkeys',
    content: { ok: true, bytes },
    facts: { kind: 'file', mode: facts.mode ?? 0o600, ownerUid: facts.ownerUid ?? 0, executable: false },
    ownUid: 0,
  });
}

const found = (text: string, facts: { mode?: number; ownerUid?: number } = {}) =>
  read(text, facts).report.diagnostics.map(({ severity, line, message }) => `${severity} ${line}: ${message}`);

describe('keys', () => {
  it('are read with their numbers', () => {
    expect(read('# c\nauth 2\n1 crc\n 2 sha1 HI! and more\n3 md5 Hello!\r\n').keys).toEqual({
      selected: 2,
      keys: [
        { index: 1, method: 'crc', key: '' },
        { index: 2, method: 'sha1', key: 'HI!' },
        { index: 3, method: 'md5', key: 'Hello!' },
      ],
    });
  });

  it('may be of our own method: then the file warns who cannot read us', () => {
    const text = 'auth 1\n1 hmac-sha256 secret\n2 sha1 old\n';
    expect(read(text).keys).toEqual({
      selected: 1,
      keys: [
        { index: 1, method: 'hmac-sha256', key: 'secret' },
        { index: 2, method: 'sha1', key: 'old' },
      ],
    });
    expect(found(text)).toEqual([
      'warning 0: hmac-sha256 is our own method: only Systole nodes can read what this node sends, Heartbeat 3.0.6 refuses every packet',
    ]);
    // Not before it is selected: the new key is on all nodes first.
    expect(found(text.replace('auth 1', 'auth 2'))).toEqual([]);
    expect(found('auth 1\n1 hmac-sha256\n')).toEqual(['error 2: key 1 has no key behind hmac-sha256']);
  });

  it('are the bytes of the file, UTF-8 or not: else they would not match those of a Heartbeat', () => {
    const bytes = Buffer.concat([
      Buffer.from('auth 1\n1 sha1 k'),
      Buffer.of(0xe4, 0xff, 0xc3, 0xa4),
      Buffer.from('\n'),
    ]);
    const key = read(bytes).keys?.keys[0]?.key ?? '';
    expect([...textToBytes(key)]).toEqual([0x6b, 0xe4, 0xff, 0xc3, 0xa4]);
  });

  it('may be repeated: the last one counts', () => {
    expect(read('auth 1\n1 sha1 a\n1 md5 b\n').keys).toEqual({
      selected: 1,
      keys: [{ index: 1, method: 'md5', key: 'b' }],
    });
  });

  it('stay selected when a later auth line has no key line after it', () => {
    expect(read('auth 1\n1 sha1 a\n2 sha1 b\nauth 2\n').keys?.selected).toBe(1);
    expect(found('auth 1\n1 sha1 a\n2 sha1 b\nauth 2\n')).toEqual([
      'warning 4: this auth line has no effect: key 1 goes on signing',
    ]);
  });

  it('are all reported at once', () => {
    expect(found('1 sha1 secret\nauth 1\n2 SHA1 x\n3 md5\n4 crc x\n99 sha1 x\nabc\n5\n')).toEqual([
      'error 3: there is no method SHA1 to sign with',
      'error 4: key 3 has no key behind md5',
      'error 5: crc takes no key, and no comment behind it',
      'error 6: key number 99 is outside 0 to 15',
      'error 7: a line that starts with the letter a must be: auth NUMBER',
      'error 8: the line is neither auth NUMBER nor NUMBER METHOD KEY',
      'error 2: key 1 comes before the line auth 1 that selects it',
    ]);
  });
});

describe('permissions', () => {
  it.each([0o640, 0o604, 0o644, 0o660, 0o440])('refuse mode %o', (mode) => {
    expect(read('auth 1\n1 sha1 a\n', { mode }).report.diagnostics).toMatchObject([
      { severity: 'error', code: 'HB_CONFIG_PERMISSIONS', hint: 'chmod 600 /etc/ha.d/authkeys' },
    ]);
  });

  it.each([0o600, 0o400, 0o700, 0o611])('take mode %o', (mode) => {
    expect(found('auth 1\n1 sha1 a\n', { mode })).toEqual([]);
  });

  it('warn about other writers and owners', () => {
    expect(found('auth 1\n1 sha1 a\n', { mode: 0o620, ownerUid: 33 })).toEqual([
      'warning 0: others than the owner can change /etc/ha.d/authkeys (mode 620)',
      'warning 0: /etc/ha.d/authkeys belongs to the user with number 33',
    ]);
  });
});

it('reads authkeys alone for a reload', () => {
  expect(
    readAuthKeysFile({ configDir: '/etc/ha.d', system: hostWith({ authkeys: 'auth 1\n1 sha1 a\n' }) }).authKeys
      ?.selected,
  ).toBe(1);
  expect(readAuthKeysFile({ configDir: '/etc/ha.d', system: hostWith({ authkeys: 'auth 1\n' }) })).toMatchObject({
    authKeys: null,
    diagnostics: [{ line: 1 }],
  });
});

/** Lines with the secret in right and wrong places. */
function lineWith(secret: string): fc.Arbitrary<string> {
  return fc.constantFrom(
    `1 sha1 ${secret}`,
    `auth ${secret}`,
    secret,
    `1 ${secret}`,
    `1 ${secret} sha1`,
    `${secret} sha1 x`,
    `1 crc ${secret}`,
    `a${secret}`,
    `#${secret}`,
    `99 md5 ${secret}`,
    `1sha1${secret}`,
    'auth 1',
    '1 crc',
    '',
    `x \0${secret}`,
    `auth1${secret}`,
  );
}

it('never shows a key, wherever it stands and whatever else is wrong', () => {
  const key = fc.stringMatching(/^[A-Za-z0-9+/!=-]{9,30}$/);
  fc.assert(
    fc.property(
      key.chain((secret) =>
        fc.tuple(fc.constant(secret), fc.array(lineWith(secret), { maxLength: 6 }), fc.constantFrom(0o600, 0o644)),
      ),
      ([secret, lines, authkeysMode]) => {
        const system = hostWith({
          haCf: 'logfile /l\nbcast eth0\nnode node1\n',
          authkeys: lines.join('\n'),
          authkeysMode,
          haresources: '',
        });
        const { diagnostics, originalLog, settings } = readConfiguration({
          configDir: '/etc/ha.d',
          hostname: 'node1',
          system,
        });
        const shown = JSON.stringify([diagnostics, originalLog, settings, formatDiagnostics(diagnostics)]);
        expect(shown).not.toContain(secret);
      },
    ),
    { numRuns: 500 },
  );
});
