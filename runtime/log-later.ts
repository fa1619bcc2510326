/**
 * A log whose lines are written when the thread has nothing more urgent to do: after the present turn of its event loop.
 *
 * A line costs a system call for each place it goes to, and more on a busy disk. An actor that must act first opens its log through this;
 * the lines are complete and in order, some moments later. `flush` belongs into the actor's exit hooks, so that last words arrive.
 */
import type { Log, LogData, Severity } from './log.ts';

export interface LaterLog extends Log {
  /** Writes what waits, now. */
  flush(): void;
}

/** @param log gets the lines; closed by `close`, after them */
export function writeLater(log: Log): LaterLog {
  let waiting: (() => void)[] = [];
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    const lines = waiting;
    waiting = [];
    for (const write of lines) write();
  };
  const later = (write: () => void): void => {
    waiting.push(write);
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };
  return {
    write: (severity: Severity, text: string, data?: LogData) => later(() => log.write(severity, text, data)),
    script: (tag: string, pid: number, text: string) => later(() => log.script(tag, pid, text)),
    get lostLines() {
      return log.lostLines;
    },
    flush,
    close: () => {
      flush();
      log.close();
    },
  };
}
