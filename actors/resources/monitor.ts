/**
 * Asks the held groups for their status, each in its own rhythm, beside the engine's jobs and never in their way.
 *
 * An agent that does not answer is asked less and less often (a breaker of its own for each group): its hanging processes must not pile up,
 * and a status that tells nothing is no reason to stop a service.
 */
import type { Clock, Timer } from '../../runtime/clock.ts';
import { ms } from '../../runtime/units.ts';

/** What a look at a group gave. Null: it is not held, or something is under way for it. */
export type GroupCheck =
  | { readonly result: 'held' }
  /** A status did not come in time, or told nothing. */
  | { readonly result: 'unsure'; readonly resource: string }
  | { readonly result: 'failed'; readonly resource: string }
  | null;

export interface MonitorOptions {
  readonly clock: Clock;
  /** Between two looks at a group [ms, > 0]. */
  readonly intervalMs: number;
  readonly keys: readonly string[];
  /** Never rejects for what an agent does. */
  check(key: string): Promise<GroupCheck>;
  failed(key: string, resource: string): void;
  log(severity: 'WARN' | 'info', text: string): void;
  /** A defect of our own. */
  broken(error: Error): void;
}

/** This many looks in a row that tell nothing make the next ones rarer. */
const patience = 3;
/** They come at most this much rarer. */
const longestFactor = 16;

/** The time until the next look. @param unsure looks in a row that told nothing @returns [ms] */
export function nextLookMs(intervalMs: number, unsure: number): number {
  return intervalMs * Math.min(longestFactor, 2 ** Math.max(0, unsure - patience + 1));
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #timers = new Map<string, Timer>();
  readonly #unsure = new Map<string, number>();
  #open = true;

  constructor(options: MonitorOptions) {
    this.#options = options;
    for (const key of options.keys) this.#plan(key, options.intervalMs);
  }

  /** No look begins any more; one that is under way is not told of. */
  close(): void {
    this.#open = false;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #plan(key: string, delayMs: number): void {
    const { clock, broken } = this.#options;
    const look = (): void => {
      this.#look(key).catch((error: unknown) => broken(error instanceof Error ? error : new Error(String(error))));
    };
    this.#timers.set(key, clock.setTimer(ms(clock.now() + delayMs), look));
  }

  async #look(key: string): Promise<void> {
    const { intervalMs, check, failed } = this.#options;
    const found = await check(key);
    if (!this.#open) return;
    const unsure = found?.result === 'unsure' ? (this.#unsure.get(key) ?? 0) + 1 : 0;
    if (found !== null) this.#note(key, unsure, found.result === 'unsure' ? found.resource : null);
    if (found?.result === 'failed') failed(key, found.resource);
    this.#plan(key, nextLookMs(intervalMs, unsure));
  }

  #note(key: string, unsure: number, resource: string | null): void {
    const before = this.#unsure.get(key) ?? 0;
    this.#unsure.set(key, unsure);
    if (unsure === patience)
      this.#options.log(
        'WARN',
        `The status of ${resource} tells nothing, ${patience} times in a row: it is asked for less often until it does.`,
      );
    if (unsure === 0 && before >= patience) this.#options.log('info', `The status of group ${key} answers again.`);
  }
}
