/**
 * How late timers are on this machine, with the scheduling that the daemon would get.
 */
import { SystemClock } from '../../clock.ts';
import { leaveRealtime, type RealtimeOutcome, setRealtime } from '../../sys/realtime.ts';
import { ms } from '../../units.ts';

export interface LatenessMeasurement {
  /** One for each timer [ms]. */
  readonly latenessesMs: readonly number[];
  readonly durationMs: number;
  /** Null: ordinary scheduling was wanted. */
  readonly realtime: RealtimeOutcome | null;
}

/** Shorter intervals than this only cost [ms]: every wake-up is one sample. */
const shortestIntervalMs = 1;
const longestIntervalMs = 10;
/** The first wake-ups compile their own code. */
const warmUpTimers = 50;

/**
 * Waits for timers in the calling thread, as membership does for its ticks.
 *
 * @param durationMs how long [ms]
 * @param keepaliveMs the interval, within 1 to 10 ms
 * @param realtimePriority SCHED_RR priority for the time of the measurement; null: as we are
 */
export async function measureLateness(
  durationMs: number,
  keepaliveMs: number,
  realtimePriority: number | null,
): Promise<LatenessMeasurement> {
  const clock = new SystemClock();
  const realtime = realtimePriority === null ? null : setRealtime(realtimePriority);
  try {
    const intervalMs = Math.min(longestIntervalMs, Math.max(shortestIntervalMs, keepaliveMs));
    await waitForTimers(clock, shortestIntervalMs, warmUpTimers);
    const latenessesMs = await waitForTimers(clock, intervalMs, Math.ceil(durationMs / intervalMs));
    return { latenessesMs, durationMs, realtime };
  } finally {
    if (realtime?.granted === true) leaveRealtime();
  }
}

/** One timer after the other, on absolute times; those that a late one has overslept are left out, as heartbeats are. */
async function waitForTimers(clock: SystemClock, intervalMs: number, count: number): Promise<number[]> {
  const latenessesMs: number[] = [];
  const startMs = clock.now();
  for (let tick = 1; tick <= count; tick++) {
    const dueMs = ms(startMs + tick * intervalMs);
    if (dueMs < clock.now() && tick < count) continue;
    await new Promise<void>((resolve) => {
      clock.setTimer(
        dueMs,
        () => {
          latenessesMs.push(clock.now() - dueMs);
          resolve();
        },
        { accuracy: 'precise' },
      );
    });
  }
  return latenessesMs;
}
