/**
 * Child processes of a lab: started with a death signal, so that none survives the program that runs the lab.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { eventually, WaitTimeoutError, within } from './wait.ts';

/** How a process ended. Exactly one of the two is not null. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command that has ended, with all it printed. */
export interface ExecResult extends ExitStatus {
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  /** Added to {@link labEnvironment}; nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. Without it standard input stays open for {@link LabProcess.write}. */
  readonly stdin?: string;
  /** The process forks and its child is the program (`nsenter --pid`, `unshare --fork`): signals go to the child. Default false. */
  readonly forks?: boolean;
}

export interface ExecOptions extends SpawnOptions {
  /** The command is killed after this time and `exec` throws [ms, > 0], default 15 000. */
  readonly timeoutMs?: number;
}

/** What every process of a lab has in its environment: fixed, so that a result does not depend on who runs the lab. */
export const labEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  HOME: '/root',
};

/**
 * A running process and all it has printed so far.
 *
 * It dies with the thread that started it (parent death signal KILL), however that one ends.
 */
export class LabProcess {
  /** Settles when the process has ended and its output is complete. Never rejects for a failing program. */
  readonly exited: Promise<ExitStatus>;
  /** The pid of what was spawned itself; with `forks` not the program: see {@link programPid}. */
  readonly pid: number;
  readonly argv: readonly string[];
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #forks: boolean;
  readonly #stdoutListeners = new Set<(chunk: Buffer) => void>();
  #collectStdout = true;
  #ended = false;

  constructor(argv: readonly string[], options: SpawnOptions = {}) {
    this.argv = argv;
    this.#forks = options.forks ?? false;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
      env: { ...labEnvironment, ...options.env },
      stdio: 'pipe',
    });
    this.#child = child;
    this.pid = child.pid ?? -1;
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.#collectStdout) this.stdout += chunk.toString('utf8');
      for (const listener of this.#stdoutListeners) listener(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      // A program that ends without reading its input has done nothing wrong.
      if (error.code !== 'EPIPE') this.stderr += `[stdin: ${error.message}]\n`;
    });
    if (options.stdin !== undefined) child.stdin.end(options.stdin);
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
      child.once('exit', () => {
        this.#ended = true;
      });
    });
    this.exited.catch(() => undefined); // an owner that awaits it sees the error; an unawaited one must not end the run
  }

  get running(): boolean {
    return !this.#ended && this.pid > 0;
  }

  /** Calls `listener` with each piece of standard output from now on; `keep: false` stops collecting it in `stdout` (binary feeds). */
  onStdout(listener: (chunk: Buffer) => void, options: { readonly keep?: boolean } = {}): void {
    if (options.keep === false) this.#collectStdout = false;
    this.#stdoutListeners.add(listener);
  }

  /** Writes to standard input, which stays open. */
  write(data: string): void {
    this.#child.stdin?.write(data);
  }

  /** The pid of the program as this machine counts (not as the host's PID namespace does). */
  async programPid(): Promise<number> {
    if (!this.#forks) return this.pid;
    const children = `/proc/${this.pid}/task/${this.pid}/children`;
    return eventually(
      () => {
        const first = Number.parseInt(readFileSync(children, 'utf8'), 10);
        return Number.isNaN(first) ? undefined : first;
      },
      { what: `the program of ${this.argv.join(' ')} (ended: ${this.#ended})`, timeoutMs: 2_000, intervalMs: 1 },
    );
  }

  /** Sends a signal to the program. Nothing happens when it has ended already. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    try {
      process.kill(await this.programPid(), signal);
      // nsenter stops itself when its program is stopped, and would never reap it.
      if (signal === 'SIGCONT' && this.#forks) process.kill(this.pid, signal);
    } catch (error) {
      if (this.running && !(error instanceof WaitTimeoutError)) throw error;
    }
  }

  /** Kills the process itself at once (not a forked program) and waits for its end. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Lets this program end although the process still runs; the death signal takes it along. {@link ref} undoes it, before a wait. */
  unref(): void {
    for (const handle of this.#handles()) handle.unref();
  }

  ref(): void {
    for (const handle of this.#handles()) handle.ref();
  }

  #handles(): Handle[] {
    const streams = [this.#child.stdin, this.#child.stdout, this.#child.stderr];
    return [this.#child, ...streams.filter((stream) => stream instanceof Socket)];
  }
}

interface Handle {
  ref(): unknown;
  unref(): unknown;
}

/**
 * Runs a command to its end.
 *
 * Standard output must be closed by all descendants for this to return: a program that becomes a daemon gets its output redirected.
 *
 * @throws WaitTimeoutError when it does not end within `timeoutMs`; it is killed then
 */
export async function exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const child = new LabProcess(argv, { stdin: '', ...options });
  try {
    const status = await within(child.exited, options.timeoutMs ?? 15_000, argv.join(' '));
    return { ...status, stdout: child.stdout, stderr: child.stderr };
  } catch (error) {
    await child.signal('SIGKILL');
    throw error;
  }
}

/**
 * Runs a command that must succeed and returns its standard output.
 *
 * @throws Error with the exit status and what it printed on standard error
 */
export async function run(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
  const result = await exec(argv, options);
  if (result.code !== 0) {
    const how = result.signal ?? `exit code ${result.code}`;
    throw new Error(`${argv.join(' ')}: ${how}: ${result.stderr.trim() || result.stdout.trim()}`);
  }
  return result.stdout;
}
