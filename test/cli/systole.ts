/**
 * Runs the operator's command as a user would: as a process of its own, an ordinary user where the machine allows it.
 *
 * ```ts
 * const { code, out, err } = await systole(['status', '--run-dir', dir]);
 * ```
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const node = `${checkout}node_modules/.bin/node`;
const entry = `${checkout}runtime/bin/systole.ts`;

/** Debian's `nobody`: owns nothing. */
const nobody = { uid: 65_534, gid: 65_534 };

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly asRoot?: boolean;
  /** Longest run [ms, default 25 s]; it is killed then, and `code` is null. */
  readonly deadlineMs?: number;
}

export const isRoot = process.getuid?.() === 0;

/** Root becomes nobody, when nobody may read this checkout; an ordinary user stays what it is. */
export const ordinaryUser: { readonly uid?: number; readonly gid?: number } =
  isRoot && spawnSync(node, ['--version'], nobody).status === 0 && spawnSync('test', ['-r', entry], nobody).status === 0
    ? nobody
    : {};

/** Starts the command and leaves it running: its streams are pipes. */
export function spawnSystole(args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(node, ['--disable-warning=ExperimentalWarning', entry, ...args], {
    ...(options.asRoot === true ? {} : ordinaryUser),
    cwd: tmpdir(),
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs the command to its end. */
export async function systole(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return await finished(spawnSystole(args, options), options.deadlineMs ?? 25_000);
}

/** Collects what a process prints until it and everything that holds its streams has let go of them. */
export async function finished(child: ChildProcess, deadlineMs: number): Promise<Finished> {
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  const code = await promise.finally(() => clearTimeout(timer));
  return { code, out, err };
}
