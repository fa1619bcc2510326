import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDevice, lockFileName } from './device-lock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'device-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = (): string => join(directory, 'LCK..ttyS0');
const lock = (): ReturnType<typeof lockDevice> => lockDevice('/dev/ttyS0', directory);

/** The process id of a program that has ended and is buried. */
async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? Number.NaN;
}

describe('the lock file of a device', () => {
  it.each([
    ['/dev/ttyS0', 'LCK..ttyS0'],
    ['/dev/pts/3', 'LCK..pts3'],
    ['/dev/serial/by-id/usb-FTDI_A1-if00', 'LCK..serialbyidusbFTDIA1if00'],
    ['/tmp/tty', 'LCK..tmptty'],
  ])('of %s is %s', (device, name) => {
    expect(lockFileName(device)).toBe(name);
  });

  it('has our process id in 10 columns, and is gone after the release', () => {
    const taken = lock();
    expect(taken).toMatchObject({ ok: true, path: path() });
    expect(readFileSync(path(), 'latin1')).toBe(`${String(process.pid).padStart(10)}\n`);
    expect(readdirSync(directory), 'nothing beside it').toEqual(['LCK..ttyS0']);
    if (taken.ok) taken.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('keeps others out while its holder lives', () => {
    const holderPid = process.ppid;
    writeFileSync(path(), `${String(holderPid).padStart(10)}\n`);
    expect(lock()).toEqual({ ok: false, reason: 'held', path: path(), holderPid });
    expect(Number(readFileSync(path(), 'latin1'))).toBe(holderPid);
    expect(readdirSync(directory)).toEqual(['LCK..ttyS0']);
  });

  it('is taken over from a dead process, from an earlier life of our own, and from nobody', async () => {
    for (const content of [`${String(await deadPid()).padStart(10)}\n`, `${process.pid}\n`, '', 'rubbish\n']) {
      writeFileSync(path(), content);
      const taken = lock();
      expect(taken.ok, JSON.stringify(content)).toBe(true);
      expect(Number(readFileSync(path(), 'latin1'))).toBe(process.pid);
      if (taken.ok) taken.release();
      expect(existsSync(path())).toBe(false);
    }
  });

  it('of somebody else is not removed by a late release', () => {
    const taken = lock();
    writeFileSync(path(), `${process.ppid}\n`);
    if (taken.ok) taken.release();
    expect(existsSync(path())).toBe(true);
  });

  it('cannot be made where there is no directory for it: that is a value, not an exception', () => {
    expect(lockDevice('/dev/ttyS0', join(directory, 'none'))).toMatchObject({
      ok: false,
      reason: 'unusable',
      errno: 'ENOENT',
    });
  });
});
