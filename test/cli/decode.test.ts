/** `systole decode` as a command, on recordings of real clusters. What it shows of every packet is tested in test/unit/decode. */
import { copyFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { finished, spawnSystole, systole } from './systole.ts';

const dir = mkdtempSync(join(tmpdir(), 'systole-decode-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const capture = (name: string): string => fileURLToPath(new URL(`../corpus/wire/${name}.pcap`, import.meta.url));
const startup = capture('A01_startup_steady_crc_classic');

describe('a good capture', () => {
  it('as JSON is one object a line with the documented keys', async () => {
    const { code, out, err } = await systole(['decode', startup, '--json'], { asRoot: true });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines)
      expect(Object.keys(line)).toEqual([
        'ts',
        'src',
        'dst',
        'format',
        'type',
        'node',
        'seq',
        'generation',
        'auth',
        'authIndex',
        'accepted',
        'reason',
        'why',
        'lost',
        'fields',
      ]);
    // `msgfmt classic` does not change the frame of a datagram: Heartbeat 3 sends netstrings.
    expect(new Set(lines.map(({ format }) => format))).toEqual(new Set(['netstring']));
    expect(new Set(lines.map(({ node }) => node))).toEqual(new Set(['node1', 'node2']));
  });

  it('as text is one line a packet, and a remark on standard error', async () => {
    const json = await systole(['decode', startup, '--json'], { asRoot: true });
    const text = await systole(['decode', startup], { asRoot: true });
    expect(text.code).toBe(0);
    expect(text.out.trimEnd().split('\n').length).toBeGreaterThanOrEqual(json.out.trimEnd().split('\n').length);
    expect(text.err).toContain('signatures are not checked: give --authkeys FILE');
  });

  it('can be read in part: decode FILE | head', async () => {
    const child = spawnSystole(['decode', startup, '--json'], { asRoot: true });
    const end = finished(child, 20_000);
    child.stdout?.destroy();
    expect(await end).toMatchObject({ code: 0, err: '' });
  });
});

describe('what cannot be decoded', () => {
  it.each([
    ['nothing there', join(dir, 'nowhere.pcap'), 'cannot be read: ENOENT'],
    ['a directory', dir, 'cannot be read: EISDIR'],
  ])('%s', async (_name, path, words) => {
    const { code, out, err } = await systole(['decode', path], { asRoot: true });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(`systole decode: ${path}: ${words}`);
  });

  it('a text file', async () => {
    const path = join(dir, 'text.pcap');
    writeFileSync(path, 'this is no capture\n');
    const { code, out, err } = await systole(['decode', path], { asRoot: true });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(path);
  });

  it('a capture that was cut off: all whole packets, and a complaint', async () => {
    const path = join(dir, 'cut.pcap');
    copyFileSync(startup, path);
    truncateSync(path, 5_001);
    const { code, out, err } = await systole(['decode', path, '--json'], { asRoot: true });
    expect(code).toBe(1);
    expect(out.split('\n').length).toBeGreaterThan(3);
    expect(err).toContain(path);
  });
});
