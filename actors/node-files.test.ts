import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../conf/settings.ts';
import { nodeName } from '../runtime/units.ts';
import { uuidFromNodeName } from './membership/identity.ts';
import { takeIdentity } from './node-files.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'systole-node-files-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

type Wanted = Pick<Settings, 'self' | 'generationMethod' | 'uuidFrom'>;
const usual: Wanted = { self: nodeName('alpha'), generationMethod: 'file', uuidFrom: 'file' };
const take = (settings: Partial<Wanted> = {}): ReturnType<typeof takeIdentity> =>
  takeIdentity(dir, { ...usual, ...settings });

const generationFile = (): string => readFileSync(join(dir, 'hb_generation'), 'latin1');
const nowS = (): number => Math.floor(Date.now() / 1_000);

describe('the first start', () => {
  it('makes both files in the forms of Heartbeat, and logs it in its words and order', () => {
    const before = nowS();
    const { uuid, generation, lines } = take();
    expect(generation).toBeGreaterThan(before);
    expect(generation).toBeLessThanOrEqual(nowS() + 1);
    expect(generationFile()).toBe(`${String(generation).padStart(15)}\n`);
    expect(readFileSync(join(dir, 'hb_uuid'))).toEqual(Buffer.from(uuid));
    expect(uuid).toHaveLength(16);
    expect([(uuid[6] ?? 0) >> 4, (uuid[8] ?? 0) >> 6]).toEqual([4, 2]);
    expect(lines).toEqual([
      { severity: 'WARN', text: `No Previous generation - starting at ${generation}` },
      { severity: 'info', text: `Heartbeat generation: ${generation}` },
      { severity: 'info', text: 'No uuid found for current node - generating a new uuid.' },
    ]);
    expect(statSync(join(dir, 'hb_uuid')).mode & 0o777).toBe(0o644);
  });
});

describe('every later start', () => {
  it('has the same uuid and the next generation', () => {
    const first = take();
    const second = take();
    expect(second.uuid).toEqual(first.uuid);
    expect(second.generation).toBe(first.generation + 1);
    expect(second.lines).toEqual([{ severity: 'info', text: `Heartbeat generation: ${second.generation}` }]);
  });

  it('goes on from a generation that Heartbeat itself has written', () => {
    writeFileSync(join(dir, 'hb_generation'), '     1795348428\n');
    expect(take().generation).toBe(1_795_348_429);
    expect(generationFile()).toBe('     1795348429\n');
  });

  it.each([
    ['empty', '', 'No Previous'],
    ['no number', 'garbage that is longer than sixteen bytes\n', 'BROKEN previous'],
  ])('begins anew from the clock when the file is damaged: %s', (_name, text, words) => {
    writeFileSync(join(dir, 'hb_generation'), text);
    const { generation, lines } = take();
    expect(generation).toBeGreaterThan(nowS() - 10);
    expect(lines[0]).toEqual({ severity: 'WARN', text: `${words} generation - starting at ${generation}` });
    expect(generationFile()).toBe(`${String(generation).padStart(15)}\n`);
  });

  it('makes a new uuid when the file is damaged', () => {
    writeFileSync(join(dir, 'hb_uuid'), 'short');
    const { uuid } = take();
    expect(readFileSync(join(dir, 'hb_uuid'))).toEqual(Buffer.from(uuid));
  });
});

it('hbgenmethod time takes the clock and leaves the file alone', () => {
  const { generation } = take({ generationMethod: 'time' });
  expect(generation).toBeGreaterThanOrEqual(nowS() - 10);
  expect(readdirSync(dir)).toEqual(['hb_uuid']);
});

it('uuidfrom nodename derives it and leaves the file alone', () => {
  expect(take({ uuidFrom: 'nodename' }).uuid).toEqual(uuidFromNodeName('alpha'));
  expect(readdirSync(dir)).toEqual(['hb_generation']);
});

describe('a state directory that cannot be used', () => {
  it('throws, and uses up no generation for a uuid that cannot be stored', () => {
    writeFileSync(join(dir, 'hb_generation'), '     1795348428\n');
    mkdirSync(join(dir, 'hb_uuid'));
    expect(() => take()).toThrow('EISDIR');
    expect(generationFile()).toBe('     1795348428\n');
  });

  it.skipIf(process.getuid?.() === 0)('throws EACCES when it is not ours', () => {
    chmodSync(dir, 0o555);
    expect(() => take()).toThrow('EACCES');
  });

  it('throws ENOENT when it is missing', () => {
    expect(() => takeIdentity(join(dir, 'nowhere'), usual)).toThrow('ENOENT');
  });
});
