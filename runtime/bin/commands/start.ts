/** `systole start`: checks everything that can be checked, then runs the node, in the background or as this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { sibling } from '../../module-url.ts';
import { startMessage } from '../daemon/channel.ts';
import type { Directories } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

export interface StartOptions extends Directories {
  readonly foreground: boolean;
  readonly logFormat: 'text' | 'json';
}

/**
 * V8 settings of the daemon. A small young generation keeps collections short and memory low. All else is so that no beating thread ever waits
 * for one of V8's helper threads: those have ordinary priority, so under full load a collection or a compilation that needs one would stand
 * still for 100 ms and more (measured). Without them compilations run in the thread itself; the quick compilers only, since the best one takes
 * milliseconds for code that is cold in every cache anyway. What is compiled is kept: a takeover after a quiet year must not compile first.
 */
export const v8Flags: readonly string[] = [
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
  '--single-threaded',
  '--no-turbofan',
  '--no-flush-bytecode',
  // For one collection before the first heartbeat.
  '--expose-gc',
];

/** The command line of the daemon process, and its environment. Also used by the demo. */
export function daemonCommand(options: StartOptions): { file: string; args: string[]; env: NodeJS.ProcessEnv } {
  return {
    file: process.execPath,
    args: [
      ...v8Flags,
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(sibling(import.meta.url, '../heartbeatd.ts')),
      '--config-dir',
      options.configDir,
      '--state-dir',
      options.stateDir,
      '--run-dir',
      options.runDir,
      '--log-format',
      options.logFormat,
      ...(options.foreground ? ['--foreground'] : []),
    ],
    // Compiled code of all threads is cached: workers start faster and need a third of the memory (they load no TypeScript stripper).
    env: { ...process.env, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? compileCacheDir() },
  };
}

/** The root of the checkout or of the installed package. */
const packageRoot = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../../../../', import.meta.url),
);

/**
 * Where compiled code is kept: beside the code itself in a checkout (`npm ci` fills it, see runtime/bin/warm.ts), else in a directory of
 * our own user's. A shared one in /tmp would let others plant code for root.
 */
export function compileCacheDir(): string {
  if (import.meta.url.endsWith('.ts') && existsSync(join(packageRoot, 'node_modules')))
    return join(packageRoot, 'node_modules', '.cache', 'systole');
  if (process.getuid?.() === 0) return '/var/cache/systole';
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'systole');
}

/** Longest silence of a starting node [ms]; it takes well under 2 s, a machine under full load a few times that. What it waits for, it says. */
const readyDeadlineMs = 60_000;

/**
 * Starts a node.
 *
 * In the foreground this process becomes the daemon and never returns. In the background it returns when the node beats, or when it
 * has failed: then nothing is left running.
 *
 * @returns 0 beating; any code of `exitCode` with the reason on standard error
 */
export async function runStart(options: StartOptions, io: Io): Promise<ExitCode> {
  const command = daemonCommand(options);
  if (options.foreground) {
    // The same process goes on, so a service manager keeps the pid that it started.
    process.removeAllListeners('warning');
    process.on('warning', () => undefined);
    process.execve?.(command.file, [command.file, ...command.args], command.env);
    io.err('systole start: this Node.js cannot replace the process: Node 24.12 or newer is needed\n');
    return exitCode.general;
  }
  // What Node itself prints when it cannot start the daemon is for the operator; the daemon lets go of standard error when it is ready.
  const child = spawn(command.file, command.args, {
    detached: true,
    cwd: '/',
    env: command.env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return await waitForReady(child, io);
}

function waitForReady(child: ChildProcess, io: Io): Promise<ExitCode> {
  return new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      io.err(`systole start: the node did not start within ${readyDeadlineMs / 1000} s and was ended: see its log\n`);
      child.kill('SIGKILL');
    }, readyDeadlineMs);
    const finish = (code: ExitCode): void => {
      clearTimeout(timer);
      if (child.connected) child.disconnect();
      child.unref();
      resolve(code);
    };
    child.once('error', (error) => {
      io.err(`systole start: cannot start the daemon: ${error.message}\n`);
      finish(exitCode.general);
    });
    child.on('message', (message) => {
      const parsed = v.safeParse(startMessage, message);
      if (!parsed.success) return;
      timer.refresh();
      if (parsed.output.type === 'ready') {
        io.out(`heartbeat: started [pid ${parsed.output.pid}]\n`);
        finish(exitCode.ok);
        return;
      }
      io.err(`${parsed.output.text}\n`);
    });
    child.once('exit', (code, signal) => {
      if (signal !== null && !isLate) io.err(`systole start: the daemon was ended by ${signal} while starting\n`);
      finish(knownExitCode(code));
    });
  });
}

function knownExitCode(code: number | null): ExitCode {
  return Object.values(exitCode).find((known) => known === code) ?? exitCode.general;
}
