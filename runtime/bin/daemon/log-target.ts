/** Where the daemon's log goes, and what to say when it cannot go there. */
import { closeSync, constants, fchownSync, fstatSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { lineOf } from '../../../conf/diagnostics.ts';
import type { Configuration } from '../../../conf/read.ts';
import type { Settings } from '../../../conf/settings.ts';
import type { System } from '../../../conf/system.ts';
import { type Log, type LogTarget, logFileProblem, type Severity } from '../../log.ts';

export function logTarget(
  settings: Settings,
  options: { readonly foreground: boolean; readonly logFormat: 'text' | 'json' },
): LogTarget {
  const { log } = settings;
  const files = [log.logFile, log.debugFile].filter((path) => path !== null);
  const mute =
    files.every((path) => logFileProblem(path) !== null) && (log.facility === null || log.facility === 'none');
  return {
    ident: 'heartbeat',
    hostname: hostname(),
    format: options.logFormat,
    syslogMsgFmt: log.syslogMsgFmt,
    logFile: log.logFile,
    debugFile: log.debugFile,
    facility: log.facility,
    // A node must not be mute: without any place for its log, standard error has it (the service manager's journal).
    stderr: options.foreground && (mute || process.stderr.isTTY === true),
    debugLevel: log.debug,
  };
}

/** The user and the group of Heartbeat's packages, as whom its own clients run. */
const owner = { user: 'hacluster', group: 'haclient' };

/**
 * Gives the log files to the user of Heartbeat's clients, as the original does at each start: ipfail, dopd and ccm write to them themselves. Makes
 * them when they are not there.
 *
 * Nothing is done where this machine has no such user, or we are not root; nor for what is no plain file of one name, so that nobody is given a
 * file of somebody else by a link.
 */
export function shareLogFiles(
  { log }: { readonly log: Pick<Settings['log'], 'logFile' | 'debugFile'> },
  system: Pick<System, 'userId' | 'groupId'>,
): void {
  const [uid, gid] = [system.userId(owner.user), system.groupId(owner.group)];
  if (uid === null || gid === null || process.geteuid?.() !== 0) return;
  for (const path of new Set([log.logFile, log.debugFile])) if (path !== null) giveTo(path, uid, gid);
}

function giveTo(path: string, uid: number, gid: number): void {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
  } catch {
    // A link, or a place that cannot be written: that is told by logProblems.
    return;
  }
  try {
    const file = fstatSync(fd);
    if (file.isFile() && file.nlink === 1) fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

/** What the operator should know about the log's files before the node runs without them. Heartbeat starts as well, and says nothing. */
export function logProblems({ log }: Settings): readonly string[] {
  return [
    ['logfile', log.logFile] as const,
    ...(log.debugFile === log.logFile ? [] : [['debugfile', log.debugFile] as const]),
  ].flatMap(([directive, path]) => {
    const errno = path === null ? null : logFileProblem(path);
    if (path === null || errno === null) return [];
    return [`${directive} ${path} cannot be written (${errno}): ${advice(errno)}; lines are lost until then`];
  });
}

function advice(errno: string): string {
  switch (errno) {
    case 'ENOENT':
      return 'make its directory';
    case 'EACCES':
    case 'EPERM':
      return 'start as root, or name another file in ha.cf';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'make room on its disk';
    case 'EISDIR':
      return 'name a file, not a directory';
    default:
      return 'name another file in ha.cf';
  }
}

const severities: readonly Severity[] = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'notice', 'info', 'debug'];

/** Repeats what the checks had to say: the original's lines as it logs them, then what only we have noticed. */
export function logConfiguration(log: Log, configuration: Configuration): void {
  for (const line of configuration.originalLog) {
    const [, severity, text] = /^(\w+): +(.*)$/.exec(line) ?? [];
    log.write(severities.find((known) => known === severity) ?? 'info', text ?? line);
  }
  for (const entry of configuration.diagnostics) {
    if (entry.original === null && entry.severity === 'warning')
      log.write('WARN', `${lineOf(entry)}: ${entry.message}: ${entry.hint}`);
  }
}

/** The directives that are read and checked, but have no effect in this version: one line for each place. */
export function notActiveLines(settings: Settings): readonly string[] {
  return settings.notActive.map(
    ({ directive, place }) =>
      `${directive} (line ${place.line} of ${place.file}) is read and checked, but not active yet in this version`,
  );
}
