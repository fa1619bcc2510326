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
  const c = libc();
  try {
    const owned = openSync('/dev/null', 'r');
    // O_CLOEXEC has the number of SOCK_CLOEXEC.
    if (c.dup3(fd, owned, sockCloexec) >= 0) return owned;
    const error = systemCallError('dup3', 'give a descriptor to this thread');
    closeSync(owned);
    throw error;
  } finally {
    c.close(fd);
  }
}
