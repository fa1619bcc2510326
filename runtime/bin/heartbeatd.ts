/**
 * The daemon of one node: checks, takes the node's locks and identity, starts the MCP, and turns signals into its orders.
 *
 * `systole start` starts it; in the background it has an IPC channel to that command (`daemon/channel.ts`). Everything that can be found
 * wrong is found before anything is started, and before the generation is counted up.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Mcp, type McpEnd } from '../../actors/mcp.ts';
import { currentNodes, type NodeCache, readNodeCache } from '../../actors/node-cache.ts';
import { type NodeIdentity, takeIdentity } from '../../actors/node-files.ts';
import { nodeTree, realtimePriority } from '../../actors/tree.ts';
import { formatDiagnostics } from '../../conf/diagnostics.ts';
import { type Configuration, readConfiguration } from '../../conf/read.ts';
import type { AuthKeys, Settings } from '../../conf/settings.ts';
import { realSystem } from '../../conf/system.ts';
import { activeMedia } from '../../plugins/media/index.ts';
import { HbError } from '../errors.ts';
import { type Log, openLog } from '../log.ts';
import { exitAtOnce } from '../sys/libc.ts';
import { setRealtime } from '../sys/realtime.ts';
import { openSyslog } from '../sys/syslog.ts';
import { ms, type NodeName } from '../units.ts';
import { dropEmptyLastWords, failed, notice, ready } from './daemon/channel.ts';
import { useDirectories } from './daemon/directories.ts';
import { takeLocks } from './daemon/locks.ts';
import { logConfiguration, logProblems, logTarget, notActiveLines, shareLogFiles } from './daemon/log-target.ts';
import { probeMedia } from './daemon/probe-media.ts';
import { reloadFrom } from './daemon/reload.ts';
import { directoryFailure, StartFailure } from './daemon/start-failure.ts';
import { warmCompileCache } from './daemon/warm.ts';
import { adminSocketPath, type Directories, directoriesFrom, pidFilePath } from './directories.ts';
import { exitCode } from './exit-codes.ts';

const startedMs = ms(Number(process.hrtime.bigint()) / 1e6);

interface Options extends Directories {
  readonly foreground: boolean;
  readonly logFormat: 'text' | 'json';
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

/** The pid file that this process wrote, to be taken away again however the start ends. */
let pidFile: string | null = null;

async function run(options: Options): Promise<void> {
  // Sockets and state belong to the daemon's user alone, whatever the starting shell's mask is.
  process.umask(0o022);
  const { settings, keys, configuration } = configured(options);
  useDirectories(options);
  const target = logTarget(settings, options);
  shareLogFiles(settings, realSystem());
  const log = openLog(target, openSyslog);
  /** For the log and for whoever has started us; at a terminal both are one. */
  const warn = (text: string): void => {
    log.write('WARN', text);
    if (!target.stderr) notice(`WARN: ${text}`);
  };
  try {
    await takeLocks(options, warn);
    logConfiguration(log, configuration);
    for (const text of logProblems(settings)) warn(text);
    noticeWarnings(configuration, target.stderr);
    await probeMedia(settings, warn);
    writePidFile(options.runDir);
    const nodeCache = nodeCacheOf(options, warn);
    const identity = identityOf(options, settings);
    log.write('info', 'heartbeat: version 3.0.6 (systole)');
    for (const line of identity.lines) log.write(line.severity, line.text);
    for (const text of notActiveLines(settings)) warn(text);
    const { nodes, deleted, notes } = currentNodes(settings, nodeCache);
    for (const text of notes) warn(text);
    await startNode({ options, settings, nodes, deleted, nodeCache, keys, identity, log, target });
  } catch (error) {
    if (error instanceof StartFailure && error.exitCode !== exitCode.alreadyRunning) log.write('ERROR', error.message);
    throw error;
  }
  await ready(options.runDir);
}

interface Node {
  readonly options: Options;
  readonly settings: Settings;
  /** Those of the settings, and what came and went since. */
  readonly nodes: Settings['nodes'];
  /** Names that stay deleted. */
  readonly deleted: readonly NodeName[];
  readonly nodeCache: NodeCache;
  readonly keys: AuthKeys;
  readonly identity: NodeIdentity;
  readonly log: Log;
  readonly target: ReturnType<typeof logTarget>;
}

/** Resolves when every actor runs. */
async function startNode({
  options,
  settings,
  nodes,
  deleted,
  nodeCache,
  keys,
  identity,
  log,
  target,
}: Node): Promise<void> {
  const socketPath = adminSocketPath(options.runDir);
  const tree = nodeTree({
    settings: { ...settings, nodes },
    nodeCache,
    deleted,
    declared: settings.nodes.map((node) => node.name),
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
      const result = reloadFrom(readConfig(options), { settings, keys: currentKeys });
      if (result.ok) currentKeys = result.keys;
      return result;
    },
    end: (how) => endProcess(how, options.runDir, log),
  });
  listenToSignals(mcp, options);
  try {
    await mcp.start();
  } catch (error) {
    throw startError(error);
  }
  // Not before: starting is half a second of work, which in real time would keep ordinary programs, and other nodes, from running.
  const priority = realtimePriority(settings);
  const realtime = priority === null ? null : setRealtime(priority);
  if (realtime !== null && !realtime.granted) log.write('WARN', `no real-time scheduling: ${realtime.reason}`);
}

/** The last thing that this process does. */
function endProcess(how: McpEnd, runDir: string, log: Log): void {
  // Who begins anew keeps its pid, and the file: `systole stop` finds it there while there is no socket.
  if (how.type !== 'restart') removePidFile();
  // Not process.exit: it ends one thread after the other, waits for each, and one that is ended in native code can abort the process.
  if (how.type === 'emergency') exitAtOnce(exitCode.emergency);
  rmSync(adminSocketPath(runDir), { force: true });
  if (how.type === 'restart') restartProcess(log);
  dropEmptyLastWords(runDir);
  exitAtOnce(exitCode.ok);
}

/** At a terminal in the foreground the log itself shows them. */
function noticeWarnings(configuration: Configuration, isShown: boolean): void {
  const warnings = configuration.diagnostics.filter((entry) => entry.severity === 'warning');
  if (warnings.length > 0 && !isShown) notice(formatDiagnostics(warnings).trimEnd());
}

function identityOf(options: Options, settings: Settings): NodeIdentity {
  try {
    return takeIdentity(options.stateDir, settings);
  } catch (error) {
    throw directoryFailure('--state-dir', options.stateDir, error);
  }
}

function nodeCacheOf(options: Options, warn: (text: string) => void): NodeCache {
  try {
    return readNodeCache(options.stateDir, warn);
  } catch (error) {
    throw directoryFailure('--state-dir', options.stateDir, error);
  }
}

/** Heartbeat's own form: the pid right-aligned in 10 columns and a newline. */
function writePidFile(runDir: string): void {
  const path = pidFilePath(runDir);
  try {
    writeFileSync(path, formatPid(), { mode: 0o644 });
  } catch (error) {
    rmSync(path, { force: true });
    throw directoryFailure('--run-dir', runDir, error);
  }
  pidFile = path;
}

const formatPid = (): string => `${String(process.pid).padStart(10)}\n`;

/** Takes our own pid file away; another daemon's stays. */
function removePidFile(): void {
  if (pidFile !== null && existsSync(pidFile) && readFileSync(pidFile, 'latin1') === formatPid())
    rmSync(pidFile, { force: true });
  pidFile = null;
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
  // Until the new program has its own handlers, SIGTERM ends the process as it is: nothing is held now.
  process.removeAllListeners('SIGTERM');
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
}

try {
  if (process.argv.includes('--warm')) await warmCompileCache();
  else await run(readOptions());
} catch (error) {
  removePidFile();
  const failure =
    error instanceof StartFailure
      ? error
      : new StartFailure(exitCode.general, error instanceof Error ? (error.stack ?? error.message) : String(error));
  await failed(failure.message);
  process.exit(failure.exitCode);
}
