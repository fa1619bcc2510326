/**
 * A log whose lines are written afterwards (afterwards.ts): a line costs a system call for each place it goes to, and more on a busy disk.
 */
import type { Afterwards } from './afterwards.ts';
import type { Log } from './log.ts';

/** @param log gets the lines, complete and in order; closed by `close`, after them */
export function writeLater(log: Log, afterwards: Afterwards): Log {
  return {
    write: (severity, text, data) => afterwards.push(() => log.write(severity, text, data)),
    script: (tag, pid, text) => afterwards.push(() => log.script(tag, pid, text)),
    get lostLines() {
      return log.lostLines;
    },
    close: () => {
      afterwards.flush();
      log.close();
    },
  };
}
