/**
 * Descriptors made through koffi that Node closes when their thread ends, in whatever way.
 *
 * Node keeps account of what a worker opened with `fs.open` and closes it when the worker exits, also when it is killed (option
 * `trackUnmanagedFds` of Worker, on by default). So a descriptor gets a number that Node handed out.
 */
import { closeSync, openSync } from 'node:fs';
import { libc, sockCloexec, systemCallError } from './libc.ts';

/**
 * Gives an open descriptor to the calling thread, under a new number; the old number is closed on every way out.
 *
 * @returns the number to use and to close with `closeSync`. Throws SystemCallError, or what `openSync` throws without free descriptors.
 */
export function ownDescriptor(fd: number): number {
  try {
    const owned = copyDescriptor(fd);
    if (owned === null) throw systemCallError('dup3', 'give a descriptor to this thread', 'EBADF');
    return owned;
  } finally {
    libc().close(fd);
  }
}

/**
 * A second number for what is open under another one, also another thread's; the calling thread owns it.
 *
 * @returns null when nothing is open there. Throws what `openSync` throws without free descriptors.
 */
export function copyDescriptor(fd: number): number | null {
  const owned = openSync('/dev/null', 'r');
  // O_CLOEXEC has the number of SOCK_CLOEXEC.
  if (libc().dup3(fd, owned, sockCloexec) >= 0) return owned;
  closeSync(owned);
  return null;
}
