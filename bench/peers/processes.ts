/**
 * Processes of the programs under test, as this machine counts them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { LabProcess } from '../../test/net/lab/process.ts';

/** Sends a signal to a process that may have ended already, as the child of one that has just been killed does. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export function endProcess(pid: number): void {
  sendSignal(pid, 'SIGKILL');
}

/**
 * Waits for the end of a program in a host whose processes were killed. The `nsenter` that carried it in stops with a program that is stopped,
 * and must be woken to notice the end.
 */
export async function endOf(carrier: LabProcess): Promise<void> {
  if (carrier.running) sendSignal(carrier.pid, 'SIGCONT');
  await carrier.exited;
}

/** A process and all its descendants. */
export function descendants(pid: number): number[] {
  const children = taskIds(pid).flatMap((tid) =>
    readText(`/proc/${pid}/task/${tid}/children`)
      .split(' ')
      .filter((word) => word.trim() !== '')
      .map(Number),
  );
  return [pid, ...children.flatMap(descendants)];
}

/** CPU time of each thread that lives [ms], exact to a microsecond, for {@link cpuSinceMs}. */
export function threadTimes(pids: readonly number[]): ReadonlyMap<string, number> {
  return new Map(
    pids.flatMap((pid) =>
      taskIds(pid).map((tid): [string, number] => [
        tid,
        Number(readText(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0] || 0) / 1e6,
      ]),
    ),
  );
}

/** CPU time since `before` [ms]: of threads that live now; what those had used that have ended since is missing. */
export function cpuSinceMs(before: ReadonlyMap<string, number>, pids: readonly number[]): number {
  let totalMs = 0;
  for (const [tid, nowMs] of threadTimes(pids)) totalMs += nowMs - (before.get(tid) ?? 0);
  return totalMs;
}

/** Ticks of the times in /proc/PID/stat, the same on every Linux [ms]. */
const tickMs = 10;

/** CPU time of programs whose processes and threads come and go, as between restarts. Sample it now and then: what lives shorter is missed. */
export class CpuMeter {
  #totalMs = 0;
  #usedMs: ReadonlyMap<number, number>;

  /** Counts from now on. */
  constructor(pids: readonly number[]) {
    this.#usedMs = usedMs(pids);
  }

  /** @returns used since the beginning [ms] */
  sample(pids: readonly number[]): number {
    const now = usedMs(pids);
    for (const [pid, used] of now) this.#totalMs += Math.max(0, used - (this.#usedMs.get(pid) ?? 0));
    this.#usedMs = now;
    return this.#totalMs;
  }
}

/** By process, with the threads that have ended; the kernel's figures are exact to a tick. */
function usedMs(pids: readonly number[]): ReadonlyMap<number, number> {
  return new Map(
    pids.map((pid) => {
      const fields = readText(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
      return [pid, (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs];
    }),
  );
}

/** Resident memory of processes [MB]. */
export function residentMb(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0));
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1_024;
}

function taskIds(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}
