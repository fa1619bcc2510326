/**
 * Whether the times of ha.cf suit a machine: how late its timers are, against what a heartbeat may be late.
 */

export interface Times {
  readonly keepaliveMs: number;
  readonly deadtimeMs: number;
}

/** What was measured, and what follows from it. All times in milliseconds. */
export interface LatenessVerdict {
  /** Worst and 99th of 100 of the latenesses that were measured. */
  readonly worstMs: number;
  readonly p99Ms: number;
  /** How late a heartbeat may be: deadtime less keepalive. */
  readonly roomMs: number;
  readonly ok: boolean;
  /** The least dead time that this machine can hold with that keepalive time, by the same measure. */
  readonly enoughDeadtimeMs: number;
}

/**
 * The room must hold the worst lateness this many times: both nodes can be late for one heartbeat, and what a second shows is not the worst of a
 * day. Longer runs on virtual machines showed two to three times the worst of a second.
 */
const safety = 4;

/** A dead time with more room than this is not measured [ms]: no run of a second can show what would be too late for it. */
const longestRoomMs = 1_000;

export function isWorthMeasuring({ keepaliveMs, deadtimeMs }: Times): boolean {
  return deadtimeMs - keepaliveMs < longestRoomMs;
}

/** @param latenessesMs how late each timer came [ms, >= 0]; at least one, else RangeError */
export function judgeLateness(latenessesMs: readonly number[], { keepaliveMs, deadtimeMs }: Times): LatenessVerdict {
  const sorted = latenessesMs.toSorted((a, b) => a - b);
  const worstMs = sorted.at(-1);
  const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1];
  if (worstMs === undefined || p99Ms === undefined) throw new RangeError('no lateness was measured');
  const roomMs = deadtimeMs - keepaliveMs;
  return {
    worstMs,
    p99Ms,
    roomMs,
    ok: worstMs * safety <= roomMs,
    enoughDeadtimeMs: Math.max(Math.ceil(keepaliveMs + worstMs * safety), Math.floor(2 * keepaliveMs) + 1),
  };
}
