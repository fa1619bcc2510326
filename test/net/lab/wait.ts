/**
 * Waiting for something to become true, always with a deadline and never by sleeping for luck.
 */

import { setTimeout as delay } from 'node:timers/promises';

/** How long and how often {@link eventually} looks. */
export interface WaitOptions {
  /** What is waited for, as the error shall name it: `node2 holds 10.77.0.200`. */
  readonly what: string;
  /** Deadline [ms, > 0], default 10 000. Measured on the monotonic clock. */
  readonly timeoutMs?: number;
  /** Pause between two looks [ms, > 0], default 10. */
  readonly intervalMs?: number;
}

/** The deadline of {@link eventually} passed. `message` names what was awaited and what was seen last. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError';
}

/** What a look gives when the thing awaited is not there yet. */
type NotYet = false | null | undefined;

/**
 * Looks again and again until `look` gives something, and returns it.
 *
 * A look that throws counts as "not yet"; its error becomes the `cause` when the deadline passes. One last look is made after the
 * deadline, so a machine that stalls for the whole time does not fail a condition that holds by now.
 *
 * @throws WaitTimeoutError when the deadline passes
 * @example await eventually(() => host.service('web').running(), { what: 'web runs on node2', timeoutMs: 5_000 });
 */
export async function eventually<T>(look: () => T | NotYet | Promise<T | NotYet>, options: WaitOptions): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    const last = performance.now() >= deadlineMs;
    try {
      const found = await look();
      cause = undefined;
      if (found !== false && found !== null && found !== undefined) return found;
    } catch (error) {
      cause = error;
    }
    if (last) break;
    await delay(options.intervalMs ?? 10);
  }
  const because = cause instanceof Error ? ` (last: ${cause.message})` : '';
  throw new WaitTimeoutError(`not within ${timeoutMs} ms: ${options.what}${because}`, { cause });
}

/**
 * Waits for a promise, at most `timeoutMs`.
 *
 * @param what what the promise stands for, named in the error
 * @throws WaitTimeoutError when the deadline passes; the promise itself is left alone
 */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const timer = new AbortController();
  const deadline = delay(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new WaitTimeoutError(`not within ${timeoutMs} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    timer.abort();
    deadline.catch(() => undefined); // aborted, or already reported through the race
  }
}
