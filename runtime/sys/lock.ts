/**
 * An exclusive lock on a file that the kernel releases when the process ends, however it ends: no stale locks after kill -9.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { lastErrno, libc, systemCallError } from './libc.ts';

const lockExclusive = 2;
const lockNonBlocking = 4;

export type LockResult =
  | {
      readonly ok: true;
      /** A process that inherits it holds the lock as well: it is free when all have closed it. */
      readonly fd: number;
      /** Writes another process's id into the file: of the one that the lock is handed to. */
      nameHolder(pid: number): void;
      release(): void;
    }
  /** Somebody else holds it; the pid is what that process wrote into the file, null when it wrote none. */
  | { readonly ok: false; readonly holderPid: number | null };

/**
 * Takes the lock and writes our pid into the file. The file stays when the lock is released: removing it would let two processes
 * lock two different files of one name.
 *
 * @throws the error of open(2) or write(2) when the file cannot be made (directory missing, not writable, disk full); SystemCallError for an odd
 *   file system. The lock is not held then.
 */
export function lockFile(path: string): LockResult {
  const fd = openSync(path, 'a+', 0o600);
  if (libc().flock(fd, lockExclusive | lockNonBlocking) !== 0) {
    const errno = lastErrno();
    closeSync(fd);
    if (errno !== 'EAGAIN') throw systemCallError('flock', `lock ${path}`, errno);
    // What the holder wrote, or nothing yet: it may be about to.
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return { ok: false, holderPid: Number.isInteger(pid) && pid > 0 ? pid : null };
  }
  const nameHolder = (pid: number): void => {
    ftruncateSync(fd, 0);
    writeSync(fd, `${pid}\n`);
  };
  try {
    nameHolder(process.pid);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { ok: true, fd, nameHolder, release: () => closeSync(fd) };
}
