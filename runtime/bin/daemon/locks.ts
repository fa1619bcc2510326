/** One daemon for each state directory and each run directory, and none while another program's heartbeat runs here. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type LockResult, lockFile } from '../../sys/lock.ts';
import { type Directories, pidFilePath } from '../directories.ts';
import { exitCode } from '../exit-codes.ts';
import { directoryFailure, StartFailure } from './start-failure.ts';

/** How long a new daemon waits for the guardian of a dead one, which is still stopping what that one held [ms]. */
const guardianPatienceMs = 120_000;
/** How long a lock of a process that is just ending is waited for [ms]; it takes some milliseconds, more under load. */
const dyingMs = 3_000;
/** How often it says that it still waits [ms]; less than the starting command waits for a word. */
const remindEveryMs = 20_000;

/**
 * Takes the node's locks; they end with the process, however it ends.
 *
 * @param say for what is waited for meanwhile
 * @throws StartFailure alreadyRunning, or a directory's when a lock file cannot be made
 */
export async function takeLocks(directories: Directories, say: (text: string) => void): Promise<void> {
  const { stateDir, runDir } = directories;
  await takeOwn('--state-dir', stateDir, 'the state directory', 'systole.lock');
  await takeOwn('--run-dir', runDir, 'the run directory', 'systole-run.lock');
  refuseOriginal(runDir);
  await waitForGuardian(stateDir, say);
}

async function takeOwn(option: string, dir: string, what: string, name: string): Promise<void> {
  const startedMs = performance.now();
  let lock = lockIn(option, dir, name);
  while (!lock.ok && performance.now() - startedMs < dyingMs && isDying(lock.holderPid)) {
    await delay(10);
    lock = lockIn(option, dir, name);
  }
  if (lock.ok) return;
  const pid = lock.holderPid === null ? '' : ` [pid ${lock.holderPid}]`;
  throw new StartFailure(
    exitCode.alreadyRunning,
    `heartbeat: already running${pid} on ${what} ${dir}: stop it first (systole stop), or give another ${option}`,
  );
}

/** A process that ends loses its program first and its locks a moment later. */
function isDying(pid: number | null): boolean {
  return pid === null || !existsSync(`/proc/${pid}/exe`);
}

function lockIn(option: string, dir: string, name: string): LockResult {
  try {
    return lockFile(join(dir, name));
  } catch (error) {
    throw directoryFailure(option, dir, error);
  }
}

/** Linux-HA Heartbeat itself uses the same pid file, the same port and the same addresses. */
function refuseOriginal(runDir: string): void {
  const pid = Number.parseInt(textOf(pidFilePath(runDir)), 10);
  if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return;
  if (textOf(`/proc/${pid}/comm`).trim() !== 'heartbeat') return;
  throw new StartFailure(
    exitCode.alreadyRunning,
    `heartbeat: already running [pid ${pid}]: it is the original Heartbeat: stop it first (systemctl stop heartbeat)`,
  );
}

/** A file's text; empty when there is none. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

async function waitForGuardian(stateDir: string, say: (text: string) => void): Promise<void> {
  const startedMs = performance.now();
  let remindAtMs = startedMs;
  for (;;) {
    const guardian = lockIn('--state-dir', stateDir, 'guardian.lock');
    if (guardian.ok) {
      guardian.release();
      return;
    }
    const nowMs = performance.now();
    const who = guardian.holderPid === null ? '' : ` [pid ${guardian.holderPid}]`;
    if (nowMs >= remindAtMs) {
      say(`the guardian of the last run${who} is still stopping resources: waiting for it`);
      remindAtMs = nowMs + remindEveryMs;
    }
    if (nowMs - startedMs > guardianPatienceMs)
      throw new StartFailure(
        exitCode.alreadyRunning,
        `the guardian of the last run${who} has not finished within ${guardianPatienceMs / 1_000} s: see what hangs, end it, and start again`,
      );
    await delay(50);
  }
}
