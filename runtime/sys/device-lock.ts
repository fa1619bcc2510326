/**
 * Lock files of serial ports as all programs of a Unix system use them (UUCP, minicom, pppd, Heartbeat): /var/lock/LCK..ttyS0 with the
 * holder's process id in 10 columns. A lock whose holder is dead is taken over.
 */
import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type DeviceLock =
  | { readonly ok: true; readonly path: string; release(): void }
  /** A living process holds it. */
  | { readonly ok: false; readonly reason: 'held'; readonly path: string; readonly holderPid: number }
  /** The directory cannot be used; `errno` is a name. */
  | { readonly ok: false; readonly reason: 'unusable'; readonly path: string; readonly errno: string };

/** Where the lock files are. */
const defaultDirectory = '/var/lock';

/** Somebody else may take the lock while we look at it; after so many tries it is theirs. */
const attempts = 5;

/** The lock file of a device: `LCK..ttyS0` for /dev/ttyS0, `LCK..pts0` for /dev/pts/0. */
export function lockFileName(device: string): string {
  return `LCK..${shortName(device)}`;
}

function shortName(device: string): string {
  return device.replace(/^\/dev\//, '').replaceAll(/[^A-Za-z0-9]/g, '');
}

/**
 * Takes the lock of a device. A lock file with our own process id was left by an earlier life of the caller, and is ours.
 *
 * @param device as in the configuration: an absolute path
 */
export function lockDevice(device: string, directory: string = defaultDirectory): DeviceLock {
  const path = join(directory, lockFileName(device));
  const draft = join(directory, `tmp${process.pid}-${shortName(device)}`);
  try {
    // The file gets its name when it is complete: nobody ever reads an empty lock.
    writeFileSync(draft, `${String(process.pid).padStart(10)}\n`, { mode: 0o644 });
    for (let attempt = 1; ; attempt++) {
      if (linked(draft, path)) return ownLock(path);
      const holderPid = holderOf(path);
      if (holderPid === process.pid) return ownLock(path);
      if (holderPid !== null && (isAlive(holderPid) || attempt >= attempts))
        return { ok: false, reason: 'held', path, holderPid };
      if (!removed(path) && attempt >= attempts) return { ok: false, reason: 'unusable', path, errno: 'EBUSY' };
    }
  } catch (error) {
    return { ok: false, reason: 'unusable', path, errno: errnoOf(error) };
  } finally {
    removed(draft);
  }
}

function ownLock(path: string): DeviceLock {
  const release = (): void => {
    if (holderOf(path) === process.pid) removed(path);
  };
  return { ok: true, path, release };
}

/** @returns false when the name is taken */
function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

/** The process id in a lock file; null when there is none, or no such file. */
function holderOf(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(path, 'latin1'), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Removes a file that may be gone already, or that we may not remove: then its holder is found again. */
function removed(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

const errnoOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'EIO');
