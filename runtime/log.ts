/**
 * Log lines in Heartbeat's own format (or JSON), written by whichever thread speaks: synchronously, so that last words arrive, or, where a thread beats, by
 * a queue that is written out when its actor ends.
 *
 * A {@link LogTarget} is plain data: the main thread makes one from the settings and every actor opens it for itself. Files are
 * opened for appending, so lines of several threads do not mix. Log rotation is noticed by the changed inode, at most once a minute.
 * No sink can stop a node: what cannot be written is counted, and the first line that can be written again is preceded by the count.
 */
import { closeSync, constants, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Logger as PinoLogger } from 'pino';
import { WriteQueue } from './log-queue.ts';
import type { SyslogSender } from './sys/syslog.ts';

/** Heartbeat's severities in the spelling of its log; `debug` goes to the debug file only. */
export type Severity = 'EMERG' | 'ALERT' | 'CRIT' | 'ERROR' | 'WARN' | 'notice' | 'info' | 'debug';

const syslogPriority: Readonly<Record<Severity, number>> = {
  EMERG: 0,
  ALERT: 1,
  CRIT: 2,
  ERROR: 3,
  WARN: 4,
  notice: 5,
  info: 6,
  debug: 7,
};

const pinoLevel = {
  EMERG: 'fatal',
  ALERT: 'fatal',
  CRIT: 'fatal',
  ERROR: 'error',
  WARN: 'warn',
  notice: 'info',
  info: 'info',
  debug: 'debug',
} as const satisfies Readonly<Record<Severity, string>>;

/** Where log lines go and how they look. Structured-clone safe. */
export interface LogTarget {
  /** Program name in the line: `heartbeat` for the daemon, `guardian`, a plugin's name. */
  readonly ident: string;
  readonly hostname: string;
  readonly format: 'text' | 'json';
  /** ha.cf `syslogmsgfmt`: true gives `Mon DD HH:MM:SS host ident: [pid]: severity: text`. */
  readonly syslogMsgFmt: boolean;
  readonly logFile: string | null;
  readonly debugFile: string | null;
  /** A syslog facility in lower case; null or `none` switches syslog off. */
  readonly facility: string | null;
  /** Copy everything to standard error (foreground runs). */
  readonly stderr: boolean;
  /** ha.cf `debug`, 0 (off) to 255. */
  readonly debugLevel: number;
}

/** Machine-readable companions of a line: they appear in JSON only. */
export type LogData = Readonly<Record<string, unknown>>;

export interface Log {
  /** Writes one line; never throws: a sink that fails is counted and the line goes to the others. */
  write(severity: Severity, text: string, data?: LogData): void;
  /** A line in the form of Heartbeat's shell scripts: `2026/11/22_11:02:52  TAG[pid]:    info: text`. */
  script(tag: string, pid: number, text: string): void;
  /** Lines that a sink refused (disk full, file not openable) since the start. */
  readonly lostLines: number;
  close(): void;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');
const clockTime = (at: Date): string => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
const slashDate = (at: Date): string =>
  `${at.getFullYear()}/${two(at.getMonth() + 1)}/${two(at.getDate())}_${clockTime(at)}`;

/** One line as Heartbeat 3.0.6 writes it to its log file, without the newline (reference: configuration, section 9). */
export function formatLine(target: LogTarget, pid: number, severity: Severity, text: string, at: Date): string {
  if (!target.syslogMsgFmt) return `${target.ident}[${pid}]: ${slashDate(at)} ${severity}: ${text}`;
  return `${months[at.getMonth()]} ${two(at.getDate())} ${clockTime(at)} ${target.hostname} ${target.ident}: [${pid}]: ${severity}: ${text}`;
}

/** One line as Heartbeat's shell scripts write it to the log file (`HA_DATEFMT`, then the tag), without the newline. */
export function formatScriptLine(tag: string, pid: number, text: string, at: Date): string {
  return `${slashDate(at)}  ${tag}[${pid}]:    ${text}`;
}

/** How often a log file's inode is compared with the path's [ms]; the original looks at most once a minute. */
const rotationCheckMs = 60_000;

/** Not blocking: a pipe in the place of a log file, with nobody at its other end, must not hold up a thread that beats. */
const appendFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** Why a log file cannot be written (`EACCES`, `ENOENT`, `ENOSPC` …), found by opening it as every line will; null when it can. */
export function logFileProblem(path: string): string | null {
  try {
    closeSync(openSync(path, appendFlags, 0o644));
    return null;
  } catch (error) {
    return errnoOf(error);
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** An append-only file that notices log rotation. Opening is tried again at the next line when it failed. */
class AppendFile {
  readonly path: string;
  readonly #nowMs: () => number;
  /** Makes a line of our own, without the newline. */
  readonly #remark: (severity: Severity, text: string) => string;
  #fd: number | null = null;
  #checkedMs = 0;
  /** Lines that were lost since the last one that was written. */
  #lostInARow = 0;
  #lastErrno = '';
  /** The last line was written in part only. */
  #isTorn = false;
  readonly #queue: WriteQueue | null;
  /** Lines that were accepted and then lost. */
  lostLater = 0;

  /** @param queue writes the lines without waiting; null: they are written at once */
  constructor(
    path: string,
    nowMs: () => number,
    remark: (severity: Severity, text: string) => string,
    queue: WriteQueue | null,
  ) {
    this.path = path;
    this.#queue = queue;
    this.#nowMs = nowMs;
    this.#remark = remark;
  }

  /** @returns false when the line could not be written: the caller counts the loss, since a full disk must not end a node */
  append(line: string): boolean {
    try {
      const fd = this.#open();
      if (this.#isTorn) this.#write(fd, '\n');
      if (this.#lostInARow > 0) {
        this.#write(
          fd,
          `${this.#remark('WARN', `${this.#lostInARow} lines of this log were lost (${this.#lastErrno})`)}\n`,
        );
        this.#lostInARow = 0;
      }
      this.#write(fd, `${line}\n`);
      return true;
    } catch (error) {
      this.#lostInARow++;
      this.#lastErrno = errnoOf(error);
      return false;
    }
  }

  /** Writes all of it; a full disk takes a part and refuses the rest. */
  #write(fd: number, text: string): void {
    if (this.#queue !== null) {
      this.#isTorn = false;
      const failed = (error: unknown, isTorn: boolean): void => {
        this.#isTorn ||= isTorn;
        this.#lostInARow++;
        this.lostLater++;
        this.#lastErrno = errnoOf(error);
      };
      if (!this.#queue.write(fd, text, failed)) throw new Error('too many lines wait for the disk');
      return;
    }
    const bytes = Buffer.from(text);
    for (let written = 0; written < bytes.length; this.#isTorn = written < bytes.length)
      written += writeSync(fd, bytes, written);
  }

  #open(): number {
    if (this.#fd !== null && this.#nowMs() - this.#checkedMs < rotationCheckMs) return this.#fd;
    this.#checkedMs = this.#nowMs();
    if (this.#fd === null) {
      this.#fd = openSync(this.path, appendFlags, 0o644);
    } else if (this.#isRotated(this.#fd)) {
      // The old file is kept until there is a new one: better a line in the wrong file than none.
      const old = this.#fd;
      this.#fd = openSync(this.path, appendFlags, 0o644);
      if (this.#queue === null) closeSync(old);
      else this.#queue.closeAfter(old);
      this.#write(this.#fd, `${this.#remark('info', `log-rotate detected on logfile ${this.path}`)}\n`);
    }
    return this.#fd;
  }

  #isRotated(fd: number): boolean {
    const open = fstatSync(fd);
    const named = statSync(this.path, { throwIfNoEntry: false });
    return named === undefined || named.ino !== open.ino || named.dev !== open.dev;
  }

  close(): void {
    if (this.#fd !== null) {
      if (this.#queue === null) closeSync(this.#fd);
      else this.#queue.closeAfter(this.#fd);
    }
    this.#queue?.flush();
    this.#fd = null;
  }
}

/** A text as one line: what came over the network or from a script must not look like a line of ours. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ');
}

const monotonicMs = (): number => performance.now();

/**
 * As {@link openLog}, for threads that beat: no line waits for a disk or a terminal. Until `flush` or `close` the newest ones may not be there yet.
 */
export function openPatientLog(
  target: LogTarget,
  syslog?: (facility: string) => SyslogSender,
): Log & { flush(): void } {
  const queue = new WriteQueue();
  const log = openLog(target, syslog, monotonicMs, queue);
  const flush = (): void => queue.flush();
  const { close } = log;
  return Object.assign(log, {
    flush,
    close: () => {
      close();
      flush();
    },
  });
}

/**
 * Opens a log for the calling thread.
 *
 * @param queue writes the lines without waiting; null: they are written at once
 * @param syslog how to reach syslogd; asked for only when the target names a facility
 * @param nowMs  monotonic time [ms], for the rotation check only
 */
export function openLog(
  target: LogTarget,
  syslog?: (facility: string) => SyslogSender,
  nowMs: () => number = monotonicMs,
  queue: WriteQueue | null = null,
): Log {
  const append = (path: string | null): AppendFile | null =>
    path === null ? null : new AppendFile(path, nowMs, remark, queue);
  const logFile = append(target.logFile);
  const debugFile = target.debugFile === target.logFile ? null : append(target.debugFile);
  const sender = target.facility !== null && target.facility !== 'none' && syslog ? syslog(target.facility) : null;
  let lostLines = 0;

  /** debug lines go to the debug file only, all others to both (reference: configuration, section 9). */
  const toFiles = (severity: Severity, line: string): void => {
    const forLogFile = severity !== 'debug' || target.debugFile === target.logFile;
    if (logFile !== null && forLogFile && !logFile.append(line)) lostLines++;
    if (debugFile !== null && !debugFile.append(line)) lostLines++;
    if (target.stderr) {
      try {
        if (queue === null) writeSync(2, `${line}\n`);
        else if (!queue.write(2, `${line}\n`, () => lostLines++)) lostLines++;
      } catch {
        lostLines++;
      }
    }
  };

  const json: PinoLogger | null =
    target.format === 'json'
      ? loadPino()(
          {
            base: { ident: target.ident, host: target.hostname, pid: process.pid },
            level: 'debug',
            formatters: { level: (label) => ({ level: label }) },
          },
          { write: (line: string) => toFiles(line.startsWith('{"level":"debug"') ? 'debug' : 'info', line.trimEnd()) },
        )
      : null;

  function remark(severity: Severity, text: string): string {
    return target.format === 'json'
      ? JSON.stringify({ level: pinoLevel[severity], time: Date.now(), ident: target.ident, severity, msg: text })
      : formatLine(target, process.pid, severity, text, new Date());
  }

  return {
    write(severity, rawText, data) {
      if (severity === 'debug' && target.debugLevel === 0) return;
      const text = oneLine(rawText);
      if (json !== null) json[pinoLevel[severity]]({ severity, ...data }, text);
      else toFiles(severity, formatLine(target, process.pid, severity, text, new Date()));
      if (
        sender !== null &&
        !sender.send(syslogPriority[severity], target.ident, `[${process.pid}]: ${severity}: ${text}`)
      )
        lostLines++;
    },
    script(tag, pid, rawText) {
      const text = oneLine(rawText);
      if (json !== null) json.info({ tag, scriptPid: pid }, text);
      else toFiles('info', formatScriptLine(tag, pid, text, new Date()));
      if (sender !== null && !sender.send(scriptPriority(text), `${tag}[${pid}]`, text)) lostLines++;
    },
    get lostLines() {
      return lostLines + (logFile?.lostLater ?? 0) + (debugFile?.lostLater ?? 0);
    },
    close() {
      logFile?.close();
      debugFile?.close();
      sender?.close();
    },
  };
}

/** Loaded for JSON only: in every other thread it would cost some megabytes for nothing. */
function loadPino(): typeof import('pino').pino {
  const { pino }: typeof import('pino') = createRequire(import.meta.url)('pino');
  return pino;
}

/** The priority that the original's scripts give a line: by the words in it, notice when there is none. */
function scriptPriority(text: string): number {
  if (text.includes('ERROR')) return syslogPriority.ERROR;
  if (text.includes('WARN')) return syslogPriority.WARN;
  if (text.includes('INFO') || text.includes('info')) return syslogPriority.info;
  return syslogPriority.notice;
}
