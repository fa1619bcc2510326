/**
 * The daemon of one node: checks, takes the node's lock and identity, starts the MCP, and turns signals into its orders.
 *
 * `systole start` starts it; in the background it has an IPC channel to that command, on which it says `ready` or why not.
 */
import { createRequire } from 'node:module';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Mcp, type McpEnd } from '../../actors/mcp.ts';
import { type NodeIdentity, takeIdentity } from '../../actors/node-files.ts';
import { nodeTree, realtimePriority } from '../../actors/tree.ts';
import { formatDiagnostics } from '../../conf/diagnostics.ts';
import { type Configuration, readConfiguration } from '../../conf/read.ts';
import type { AuthKeys, Settings } from '../../conf/settings.ts';
import { realSystem } from '../../conf/system.ts';
import { activeMedia } from '../../plugins/media/index.ts';
import { HbError } from '../errors.ts';
import { type Log, type LogTarget, openLog, type Severity } from '../log.ts';
import { lockFile } from '../sys/lock.ts';
import { setRealtime } from '../sys/realtime.ts';
import { openSyslog } from '../sys/syslog.ts';
import { ms } from '../units.ts';
import { adminSocketPath, type Directories, directoriesFrom, pidFilePath } from './directories.ts';
import { type ExitCode, exitCode } from './exit-codes.ts';

const startedMs = ms(Number(process.hrtime.bigint()) / 1e6);

interface Options extends Directories {
  readonly foreground: boolean;
  readonly logFormat: 'text' | 'json';
}

/** A start that cannot go on: what the operator sees, and the exit code. */
class StartFailure extends Error {
  readonly exitCode: ExitCode;
  constructor(code: ExitCode, message: string) {
    super(message);
    this.exitCode = code;
  }
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      'config-dir': { type: 'string' },
      'state-dir': { type: 'string' },
      'run-dir': { type: 'string' },
      'log-format': { type: 'string', default: 'text' },
      foreground: { type: 'boolean', default: false },
    },
  });
  const directories = directoriesFrom({
    ...(values['config-dir'] === undefined ? {} : { configDir: values['config-dir'] }),
    ...(values['state-dir'] === undefined ? {} : { stateDir: values['state-dir'] }),
    ...(values['run-dir'] === undefined ? {} : { runDir: values['run-dir'] }),
  });
  return {
    ...directories,
    foreground: values.foreground,
    logFormat: values['log-format'] === 'json' ? 'json' : 'text',
  };
}

function readConfig(options: Options): Configuration {
  return readConfiguration({ configDir: options.configDir, hostname: hostname(), system: realSystem(), activeMedia });
}

/** Settings and keys, or a failure that shows every error at once. */
function configured(options: Options): { settings: Settings; keys: AuthKeys; configuration: Configuration } {
  const configuration = readConfig(options);
  const { settings, authKeys, diagnostics } = configuration;
  if (settings === null || authKeys === null) {
    const text = formatDiagnostics(diagnostics.filter((entry) => entry.severity === 'error'));
    throw new StartFailure(
      exitCode.notConfigured,
      `${text.trimEnd()}\nERROR: Configuration error, heartbeat not started.`,
    );
  }
  return { settings, keys: authKeys, configuration };
}

/** Makes a directory when it is missing, and says clearly when it cannot be used. */
function useDirectory(option: string, dir: string, mode: number): void {
  try {
    mkdirSync(dir, { recursive: true, mode });
    if (!statSync(dir).isDirectory()) throw new StartFailure(exitCode.directory, `${option} ${dir} is not a directory`);
    // Writing is the only proof: root may write where the mode says no, and a full disk has a fine mode.
    const probe = join(dir, `.systole-${process.pid}`);
    writeFileSync(probe, 'x');
    rmSync(probe);
  } catch (error) {
    throw directoryFailure(option, dir, error);
  }
}

function directoryFailure(option: string, dir: string, error: unknown): StartFailure {
  if (error instanceof StartFailure) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new StartFailure(
        exitCode.permission,
        `${option} ${dir} is not writable for this user: start as root, or give another ${option}`,
      );
    case 'EROFS':
      return new StartFailure(exitCode.directory, `${option} ${dir} is on a read-only file system`);
    case 'ENOSPC':
    case 'EDQUOT':
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir}: the disk is full: the node's generation could not be stored, so it does not start`,
      );
    case 'EEXIST':
    case 'ENOTDIR':
      return new StartFailure(exitCode.directory, `${option} ${dir} is not a directory`);
    default:
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      );
  }
}

/** How long a new daemon waits for the guardian of a dead one, which is still stopping what that one held [ms]. */
const guardianPatienceMs = 120_000;

/** Takes the node's locks; they end with the process. */
async function takeLocks(options: Options, say: (text: string) => void): Promise<void> {
  const own = lockFile(join(options.stateDir, 'systole.lock'));
  if (!own.ok) {
    const pid = own.holderPid === null ? '' : ` [pid ${own.holderPid}]`;
    throw new StartFailure(
      exitCode.alreadyRunning,
      `heartbeat: already running${pid} on the state directory ${options.stateDir}`,
    );
  }
  const path = join(options.stateDir, 'guardian.lock');
  const deadlineMs = performance.now() + guardianPatienceMs;
  let told = false;
  for (;;) {
    const guardian = lockFile(path);
    if (guardian.ok) {
      guardian.release();
      return;
    }
    if (!told)
      say(
        `the guardian of the last run${guardian.holderPid === null ? '' : ` [pid ${guardian.holderPid}]`} is still stopping resources: waiting for it`,
      );
    told = true;
    if (performance.now() > deadlineMs)
      throw new StartFailure(
        exitCode.alreadyRunning,
        `the guardian of the last run [pid ${guardian.holderPid ?? '?'}] has not finished within ${guardianPatienceMs / 1_000} s: see what hangs, end it, and start again`,
      );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function logTarget(options: Options, settings: Settings): LogTarget {
  const { log } = settings;
  const nowhere = log.logFile === null && log.debugFile === null && (log.facility === null || log.facility === 'none');
  return {
    ident: 'heartbeat',
    hostname: hostname(),
    format: options.logFormat,
    syslogMsgFmt: log.syslogMsgFmt,
    logFile: log.logFile,
    debugFile: log.debugFile,
    facility: log.facility,
    // A node must not be mute: without any place for its log, standard error has it (the service manager's journal).
    stderr: options.foreground && (nowhere || process.stderr.isTTY === true),
    debugLevel: log.debug,
  };
}

/** Repeats what the checks had to say: the original's lines as it logs them, then what only we have noticed. */
function logConfiguration(log: Log, configuration: Configuration): void {
  for (const line of configuration.originalLog) {
    const [, severity, text] = /^(\w+): +(.*)$/.exec(line) ?? [];
    log.write(severities.find((known) => known === severity) ?? 'info', text ?? line);
  }
  for (const entry of configuration.diagnostics) {
    if (entry.original === null && entry.severity === 'warning')
      log.write('WARN', `${entry.file}:${entry.line}: ${entry.message}: ${entry.hint}`);
  }
}

const severities: readonly Severity[] = ['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'notice', 'info', 'debug'];

async function run(options: Options): Promise<void> {
  const { settings, keys, configuration } = configured(options);
  useDirectory('--state-dir', options.stateDir, 0o755);
  useDirectory('--run-dir', options.runDir, 0o750);
  const target = logTarget(options, settings);
  const log = openLog(target, openSyslog);
  await takeLocks(options, (text) => log.write('WARN', text));
  const identity = identityOf(options, settings);
  const pidFile = pidFilePath(options.runDir);
  writePidFile(pidFile, options.runDir);

  logConfiguration(log, configuration);
  log.write('info', 'heartbeat: version 3.0.6 (systole)');
  for (const line of identity.lines) log.write(line.severity, line.text);
  for (const entry of settings.notActive)
    log.write(
      'WARN',
      `${entry.directive} (line ${entry.place.line} of ${entry.place.file}) is read and checked, but not active yet in this version`,
    );

  const priority = realtimePriority(settings);
  const realtime = priority === null ? null : setRealtime(priority);
  if (realtime !== null && !realtime.granted) log.write('WARN', `no real-time scheduling: ${realtime.reason}`);

  const socketPath = adminSocketPath(options.runDir);
  const end = (how: McpEnd): void => {
    rmSync(pidFile, { force: true });
    if (how.type === 'emergency') {
      // An exit waits for its threads; with one that cannot be ended only this is sure.
      if (how.survivors.length > 0) process.kill(process.pid, 'SIGKILL');
      process.exit(exitCode.emergency);
    }
    rmSync(socketPath, { force: true });
    if (how.type === 'restart') restartProcess(log);
    process.exit(exitCode.ok);
  };
  const tree = nodeTree({
    settings,
    keys,
    uuid: identity.uuid,
    generation: identity.generation,
    stateDir: options.stateDir,
    runDir: options.runDir,
    socketPath,
    log: target,
    startedMs,
  });
  let currentKeys = keys;
  const mcp = new Mcp({
    tree,
    self: settings.self,
    log,
    reload: () => {
      const result = reload(options, settings, currentKeys);
      if (result.ok) currentKeys = result.keys;
      return result;
    },
    end,
  });
  listenToSignals(mcp, options);
  try {
    await mcp.start();
  } catch (error) {
    rmSync(pidFile, { force: true });
    throw startError(error);
  }
  report({ ready: true, pid: process.pid });
}

function identityOf(options: Options, settings: Settings): NodeIdentity {
  try {
    return takeIdentity(options.stateDir, settings);
  } catch (error) {
    throw directoryFailure('--state-dir', options.stateDir, error);
  }
}

/** Heartbeat's own form: the pid right-aligned in 10 columns and a newline. */
function writePidFile(path: string, runDir: string): void {
  try {
    writeFileSync(path, `${String(process.pid).padStart(10)}\n`, { mode: 0o644 });
  } catch (error) {
    throw directoryFailure('--run-dir', runDir, error);
  }
}

/** authkeys are used from the next packet on; a changed ha.cf is checked, and takes effect at the next start. */
function reload(
  options: Options,
  running: Settings,
  keys: AuthKeys,
): ReturnType<ConstructorParameters<typeof Mcp>[0]['reload']> {
  const read = readConfig(options);
  const errors = read.diagnostics.filter((entry) => entry.severity === 'error');
  if (read.settings === null || read.authKeys === null) {
    const first = errors[0];
    const where = first === undefined ? options.configDir : `${first.file}:${first.line}: ${first.message}`;
    return {
      ok: false,
      text: `Config errors: Heartbeat keeps running as it was (${errors.length} errors, the first: ${where})`,
    };
  }
  const changed = JSON.stringify(withoutPlaces(read.settings)) !== JSON.stringify(withoutPlaces(running));
  const newKeys = JSON.stringify(read.authKeys) !== JSON.stringify(keys);
  const about = changed ? ' ha.cf or haresources has changed: that takes effect at the next start.' : '';
  const text = newKeys ? 'Rereading authentication file.' : changed ? 'Keys unchanged.' : 'Configuration unchanged.';
  return { ok: true, keys: read.authKeys, text: `${text}${about}` };
}

/** A moved line is no change. */
function withoutPlaces(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, entry: unknown) => (key === 'place' ? undefined : entry)));
}

function startError(error: unknown): StartFailure {
  const cause = error instanceof Error ? error.cause : undefined;
  const reason = cause instanceof Error ? cause : error;
  const text = reason instanceof Error ? reason.message : String(reason);
  const code = reason instanceof HbError && reason.code === 'HB_MEDIUM_OPEN' ? exitCode.medium : exitCode.general;
  return new StartFailure(code, text);
}

function listenToSignals(mcp: Mcp, options: Options): void {
  process.on('SIGTERM', () => mcp.stop());
  process.on('SIGHUP', () => void mcp.reload());
  // The original ignores SIGINT; at a terminal in the foreground Ctrl-C means stop.
  process.on('SIGINT', () => {
    if (options.foreground && process.stdin.isTTY === true) mcp.stop();
  });
}

/** Starts the same program in the same process: same pid, new generation. */
function restartProcess(log: Log): void {
  log.write('info', 'Restarting heartbeat.');
  log.close();
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
}

/** Tells the starting command, when there is one; then the channel is closed, so that it does not keep either process alive. */
function report(message: { ready: true; pid: number } | { ready: false; exitCode: number; lines: string[] }): void {
  if (process.send === undefined) return;
  process.send(message, undefined, {}, () => {
    if (process.connected) process.disconnect();
  });
}

/** Loads what the daemon's threads will load, as they load it: see warm.ts. */
async function warmCompileCache(): Promise<void> {
  createRequire(import.meta.url)('../entry.ts');
  const modules = ['medium', 'membership', 'resources', 'api'].map((name) => `../../actors/${name}.ts`);
  const plugins = ['bcast', 'ucast', 'mcast'].map((name) => `../../plugins/media/${name}.ts`);
  await Promise.all([...modules, ...plugins].map((path) => import(path)));
}

try {
  if (process.argv.includes('--warm')) await warmCompileCache();
  else await run(readOptions());
} catch (error) {
  const failure =
    error instanceof StartFailure
      ? error
      : new StartFailure(exitCode.general, error instanceof Error ? (error.stack ?? error.message) : String(error));
  if (process.send === undefined) process.stderr.write(`${failure.message}\n`);
  else report({ ready: false, exitCode: failure.exitCode, lines: failure.message.split('\n') });
  process.exitCode = failure.exitCode;
}
