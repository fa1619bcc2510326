/** No bytes make a reader throw, and a verdict always comes with its reason. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { countErrors, formatDiagnostics } from '../diagnostics.ts';
import { directives } from '../directives.ts';
import { readConfiguration } from '../read.ts';
import { splitLines } from '../text.ts';
import { hostWith } from './fake-system.ts';

const pieces = [
  ...directives.map(({ name }) => name),
  'node1',
  'node2',
  'eth0',
  'eth9',
  '10.77.0.2',
  '239.0.0.1',
  '694',
  '1',
  '0',
  '-1',
  '500ms',
  'on',
  'off',
  'x=y',
  '=',
  'uid=root',
  'gid=,',
  '*',
  'null',
  '/dev/null',
  '/bin/true',
  'auth',
  'sha1',
  'crc',
  '::1',
  'IPaddr::1.2.3.4/24',
  'svc::a',
  ' ',
  '\t',
  '\n',
  '\n',
  '\n',
  '\r\n',
  '\r',
  '\f',
  '\v',
  '\0',
  ',',
  '#',
  '\\\n',
  '\\',
  'ä',
  '\u2028',
  '__proto__',
  'constructor',
  'y'.repeat(5119),
];

const text = fc.oneof(
  fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => new TextEncoder().encode(parts.join(''))),
  fc
    .array(fc.constantFrom(...pieces), { maxLength: 20 })
    .map((parts) => new TextEncoder().encode(`bcast eth0\nnode node1\n${parts.join(' ')}`)),
  fc.uint8Array({ maxLength: 400 }),
);

it('reads any bytes', () => {
  fc.assert(
    fc.property(text, text, text, fc.constantFrom(0o600, 0o644), (haCf, authkeys, haresources, authkeysMode) => {
      const { settings, authKeys, diagnostics, originalLog } = readConfiguration({
        configDir: '/etc/ha.d',
        hostname: 'node1',
        system: hostWith({ haCf, authkeys, haresources, authkeysMode }),
      });
      expect(settings === null).toBe(countErrors(diagnostics) > 0);
      expect(authKeys === null).toBe(settings === null);
      expect(originalLog.at(-1) === 'ERROR: Configuration error, heartbeat not started.').toBe(settings === null);
      expect(structuredClone(settings)).toEqual(settings);
      for (const { line, column, message } of diagnostics) {
        expect(Number.isInteger(line) && line >= 0 && Number.isInteger(column) && column >= 0).toBe(true);
        expect(message).not.toBe('');
      }
      expect(formatDiagnostics(diagnostics).replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 1_000 },
  );
});

it('splits lines without losing or inventing a byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (bytes, maxBytes) => {
      const ascii = bytes.map((byte) => (byte % 8 === 0 ? 0x0a : (byte % 90) + 33));
      const lines = splitLines(ascii, maxBytes);
      expect(lines.map((line) => line.text + (line.endsWithNewline ? '\n' : '')).join('')).toBe(
        new TextDecoder().decode(ascii),
      );
      expect(lines.every((line) => line.text.length + (line.endsWithNewline ? 1 : 0) <= maxBytes)).toBe(true);
    }),
  );
});

it('decodes UTF-8 and keeps every other byte', () => {
  expect(splitLines(new Uint8Array([0xc3, 0xa4, 0x0a, 0xe4, 0x0a, 0x61, 0x00, 0x62]), 100)).toMatchObject([
    { number: 1, text: 'ä', hasNul: false },
    { number: 2, text: '\udce4', hasNul: false },
    { number: 3, text: 'a', hasNul: true, endsWithNewline: false },
  ]);
});
