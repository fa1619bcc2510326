import { existsSync, linkSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../../conf/settings.ts';
import { shareLogFiles } from './log-target.ts';

const clients = { userId: () => 4_711, groupId: () => 4_712 };
const nobody = { userId: () => null, groupId: () => null };
const isRoot = process.geteuid?.() === 0;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'systole-log-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string): string => join(directory, name);
const ownerOf = (name: string): number => statSync(file(name)).uid;

/** Only what is looked at. */
function share(
  logFile: string | null,
  debugFile: string | null,
  system = clients as typeof clients | typeof nobody,
): void {
  const log: Pick<Settings['log'], 'logFile' | 'debugFile'> = { logFile, debugFile };
  shareLogFiles({ log }, system);
}

describe('the log files', () => {
  it('are made and given to the user of the clients, when root starts', () => {
    writeFileSync(file('ha-log'), 'old\n');
    share(file('ha-log'), file('ha-debug'));
    if (isRoot) expect([ownerOf('ha-log'), ownerOf('ha-debug')]).toEqual([4_711, 4_711]);
    else expect([ownerOf('ha-log'), existsSync(file('ha-debug'))]).toEqual([process.geteuid?.(), false]);
  });

  it('stay as they are where there is no such user', () => {
    share(file('ha-log'), null, nobody);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('are not given away through a link: neither kind', () => {
    writeFileSync(file('secret'), '');
    symlinkSync(file('secret'), file('symbolic'));
    linkSync(file('secret'), file('hard'));
    share(file('symbolic'), file('hard'));
    expect(ownerOf('secret')).toBe(process.geteuid?.());
  });

  it('may be no files at all', () => {
    share('/dev/null', join(directory, 'missing', 'log'));
    expect(statSync('/dev/null').uid).toBe(0);
    expect(readdirSync(directory)).toEqual([]);
  });
});
