/**
 * Processes of the programs under test, as this machine counts them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { LabProcess } from '../../test/net/lab/process.ts';

/** Kills a process that may have ended already. */
export function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * Waits for the end of a program in a host whose processes were killed. The `nsenter` that carried it in stops with a program that is stopped,
 * and must be woken to notice the end.
 */
export async function endOf(carrier: LabProcess): Promise<void> {
  try {
    if (carrier.running) process.kill(carrier.pid, 'SIGCONT');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
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

/** CPU time that processes have used, all threads that still live [ms]. */
export function cpuMs(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids)
    for (const tid of taskIds(pid)) ns += Number(readText(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0] || 0);
  return ns / 1e6;
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
