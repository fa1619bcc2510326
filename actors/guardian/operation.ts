/**
 * One run of a script: its own session and process group, no input but what is given, a time limit for all of the group, and its output kept.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { AgentResult } from '../../plugins/agents/agent.ts';

/** How much of the output is kept [bytes]: the end of it. */
const OUTPUT_LIMIT = 65_536;
/** Between SIGTERM and SIGKILL when the time is over [ms]. */
const KILL_GRACE_MS = 5_000;
/** How long after the script's end output that is still in the pipe may take to arrive [ms]. */
const DRAIN_MS = 20;

export interface Operation {
  /** Leads its own process group; undefined when nothing could be started. */
  readonly pid: number | undefined;
  readonly result: Promise<AgentResult>;
  /** Kills the whole process group at once (SIGKILL). */
  kill(): void;
}

/**
 * Starts `path args…` without a shell. Never throws: what cannot be started gives exit code 126 or 127, as a shell does, with the reason.
 *
 * The result comes when the script itself has ended. A service that it started may keep the output pipe for ever: its output is read on
 * and dropped, so that it neither blocks nor gets SIGPIPE.
 *
 * @param timeoutMs [ms, > 0]: then SIGTERM to the process group, and SIGKILL 5 s later
 * @param input written to its standard input, which is closed then; without it there is none
 */
export function startOperation(
  path: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  timeoutMs: number,
  input?: string,
): Operation {
  const startedMs = performance.now();
  let child: ChildProcess;
  try {
    child = spawn(path, args, {
      detached: true,
      cwd: '/',
      env: environment,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    return { pid: undefined, kill: () => undefined, result: Promise.resolve(notStarted(error, startedMs)) };
  }
  // A program that does not read its input, or has ended already: its exit code tells.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const output = new Tail(OUTPUT_LIMIT);
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.add(chunk));

  let timedOut = false;
  let killTimer: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_GRACE_MS);
  }, timeoutMs);

  const result = new Promise<AgentResult>((resolve) => {
    const finish = (exitCode: number): void => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      // What the script left in its group after its time was over must not go on behind our back.
      if (timedOut) killGroup(child.pid, 'SIGKILL');
      output.close();
      resolve({ exitCode, output: output.text(), timedOut, durationMs: performance.now() - startedMs });
    };
    child.once('error', (error) => {
      if (child.pid === undefined) {
        clearTimeout(timer);
        resolve(notStarted(error, startedMs));
      }
    });
    child.once('exit', (code, signal) => {
      const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        finish(exitCode);
      };
      child.once('close', end);
      setTimeout(end, DRAIN_MS);
    });
  });
  return { pid: child.pid, result, kill: () => killGroup(child.pid, 'SIGKILL') };
}

/** Signals a process group; one that is gone is no error. */
export function killGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function notStarted(error: unknown, startedMs: number): AgentResult {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return {
    exitCode: code === 'ENOENT' ? 127 : 126,
    output: error instanceof Error ? error.message : String(error),
    timedOut: false,
    durationMs: performance.now() - startedMs,
  };
}

/** Keeps the last bytes of a stream. */
class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #open = true;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Buffer): void {
    if (!this.#open) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > 2 * this.#limit) this.#chunks = [this.#last()];
  }

  close(): void {
    this.#open = false;
  }

  text(): string {
    return this.#last().toString('utf8');
  }

  #last(): Buffer {
    const all = Buffer.concat(this.#chunks);
    const end = all.subarray(Math.max(0, all.length - this.#limit));
    this.#size = end.length;
    return end;
  }
}
