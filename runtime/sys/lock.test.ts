import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LockResult, lockFile } from './lock.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'systole-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function taken(path: string): Extract<LockResult, { ok: true }> {
  const lock = lockFile(path);
  if (!lock.ok) throw new Error(`${path} is locked by ${lock.holderPid}`);
  return lock;
}

/** Asks from another process: prints `free`, or the holder's pid. */
function askElsewhere(path: string, stdio: 'pipe' | ['ignore', 'pipe', 'inherit', number] = 'pipe'): string {
  const module = fileURLToPath(new URL('./lock.ts', import.meta.url));
  const script = `const { lockFile } = await import(${JSON.stringify(module)});
const lock = lockFile(${JSON.stringify(path)});
process.stdout.write(lock.ok ? 'free' : String(lock.holderPid));`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', stdio }).stdout;
}

it('is exclusive between processes and within one, and tells the holder', () => {
  const path = join(dir, 'lock');
  const lock = taken(path);
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(lockFile(path)).toEqual({ ok: false, holderPid: process.pid });
  expect(askElsewhere(path)).toBe(String(process.pid));
  lock.release();
  expect(askElsewhere(path)).toBe('free');
});

it('can be named after the process that it is handed to', () => {
  const path = join(dir, 'lock');
  const lock = taken(path);
  lock.nameHolder(7);
  expect(lockFile(path)).toEqual({ ok: false, holderPid: 7 });
  lock.release();
});

it('is held as long as any process that inherited it lives', async () => {
  const { spawn } = await import('node:child_process');
  const path = join(dir, 'lock');
  const lock = taken(path);
  const heir = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', lock.fd] });
  lock.release();
  expect(lockFile(path).ok).toBe(false);
  const gone = new Promise((resolve) => heir.once('exit', resolve));
  heir.kill('SIGKILL');
  await gone;
  taken(path).release();
});

it('a file without a pid is a holder without a name', () => {
  const path = join(dir, 'lock');
  const lock = taken(path);
  lock.nameHolder(Number.NaN);
  expect(lockFile(path)).toEqual({ ok: false, holderPid: null });
  lock.release();
});

it('throws the error of the file system when there can be no file', () => {
  expect(() => lockFile(join(dir, 'nowhere', 'lock'))).toThrow('ENOENT');
  expect(() => lockFile(dir)).toThrow('EISDIR');
});

it('is not held when its pid cannot be written', () => {
  expect(() => lockFile('/dev/full')).toThrow();
  expect(() => lockFile('/dev/full')).toThrow(/ENOSPC|EINVAL/);
});
