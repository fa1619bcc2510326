/** Whether a process is really gone, with its files closed and its locks free. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * False when there is no such process, or only what its parent has not yet collected (a zombie without other threads): then its descriptors
 * are closed. A process that is just ending still exists: it may hold locks and sockets for some milliseconds.
 */
export function processExists(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Fields are counted from behind the last parenthesis: a program's name may hold blanks and parentheses.
    const state = stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
    return state !== 'Z' || readdirSync(`/proc/${pid}/task`).length > 1;
  } catch (error) {
    // ESRCH: it ended between opening and reading.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return false;
    throw error;
  }
}
