/**
 * Scheduling of the calling thread: real time for those that beat, nice for those that may wait.
 *
 * Linux schedules threads, not processes: every function here is about the thread that calls it, so each worker calls it for itself.
 */
import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { lastErrno, libc } from './libc.ts';
import { intBytes, readI32 } from './native.ts';

/** What became of a wish for real time. `reason` says why not and what to do. Structured-clone safe. */
export type RealtimeOutcome =
  | { readonly granted: true; readonly policy: 'SCHED_RR'; readonly priority: number }
  | { readonly granted: false; readonly errno: string; readonly reason: string };

const schedOther = 0;
const schedRoundRobin = 2;
/** SCHED_RESET_ON_FORK: threads and programs started from here begin with normal scheduling. */
const resetOnFork = 0x40000000;

/**
 * Priority of the threads that beat when ha.cf has no `rtprio`: the lowest of SCHED_RR but one, since what acts on a death comes after what
 * decides it. Above every normal thread and below kernel threads.
 */
export const defaultRealtimePriority = 2;

/**
 * Gives the calling thread real-time scheduling. Threads and programs that it starts later are normal again.
 *
 * The answer is read back from the kernel, so `granted` means in force. A refusal is a value: the caller logs it and goes on.
 *
 * @param priority 1 (lowest) to 99, else RangeError; ha.cf `rtprio`
 */
export function setRealtime(priority: number = defaultRealtimePriority): RealtimeOutcome {
  if (!Number.isInteger(priority) || priority < 1 || priority > 99)
    throw new RangeError(`real-time priority must be 1 to 99: ${priority}`);
  const c = libc();
  if (c.sched_setscheduler(0, schedRoundRobin | resetOnFork, intBytes(priority)) < 0) {
    const errno = lastErrno();
    return {
      granted: false,
      errno,
      reason: `sched_setscheduler(SCHED_RR, ${priority}): ${errno}: run as root or raise LimitRTPRIO; in a container allow SYS_NICE; with CONFIG_RT_GROUP_SCHED give the control group cpu.rt_runtime_us`,
    };
  }
  const param = intBytes(0);
  if (
    c.sched_getscheduler(0) !== (schedRoundRobin | resetOnFork) ||
    c.sched_getparam(0, param) < 0 ||
    readI32(param, 0) !== priority
  ) {
    return {
      granted: false,
      errno: 'EINVAL',
      reason: `the kernel accepted SCHED_RR ${priority} and did not put it in force`,
    };
  }
  return { granted: true, policy: 'SCHED_RR', priority };
}

/** Gives the calling thread normal scheduling back. @returns false when the kernel refuses */
export function leaveRealtime(): boolean {
  return libc().sched_setscheduler(0, schedOther, intBytes(0)) === 0;
}

/** Lets threads of the same priority run that wait for this processor; for loops that wait awake. Costs about a microsecond when there is none. */
export function letOthersRun(): void {
  libc().sched_yield();
}

/** How the calling thread is scheduled now. `priority` is 0 unless a real-time policy is in force. */
export function currentScheduling(): {
  readonly policy: 'normal' | 'SCHED_RR' | 'other';
  readonly priority: number;
  readonly nice: number;
} {
  const c = libc();
  const policy = c.sched_getscheduler(0) & ~resetOnFork;
  const param = intBytes(0);
  c.sched_getparam(0, param);
  return {
    policy: policy === schedOther ? 'normal' : policy === schedRoundRobin ? 'SCHED_RR' : 'other',
    priority: readI32(param, 0),
    nice: getPriority(0),
  };
}

/**
 * Sets the nice value of the calling thread (not of the process). Raising it is always allowed; lowering it needs CAP_SYS_NICE.
 *
 * @param nice -20 (first) to 19 (last)
 * @returns null, or the errno name (EACCES, EPERM)
 */
export function setNice(nice: number): string | null {
  try {
    setPriority(0, nice);
    return null;
  } catch (error) {
    // Node wraps a refusal of the kernel in an error with `info.code`; anything else is our own mistake.
    if (
      error instanceof Error &&
      'info' in error &&
      typeof error.info === 'object' &&
      error.info !== null &&
      'code' in error.info
    )
      return String(error.info.code);
    throw error;
  }
}

/** The kernel's id of the calling thread, as in /proc/<pid>/task and in `ps -L`. */
export function threadId(): number {
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
}
