/**
 * What one resource has done on this node, for operators: how often it failed, how it failed last, and what runs for it at the moment.
 */
import type { AgentAction } from '../../plugins/agents/agent.ts';

/** `status`: the monitor found that it does not run any more. */
export type FailedAction = AgentAction;

/** As `systole status` shows it. */
export interface ResourceRecord {
  readonly resource: string;
  /** Operations that failed since this daemon started; a stop that was tried again counts each time. */
  readonly failures: number;
  /** @field ageMs [ms] */
  readonly lastFailure: { readonly action: FailedAction; readonly reason: string; readonly ageMs: number } | null;
  /** The operation that runs now. @field sinceMs how long it has run @field limitMs when it will be killed [ms] */
  readonly operation: { readonly action: AgentAction; readonly sinceMs: number; readonly limitMs: number } | null;
}

export class OperationHistory {
  readonly #word: string;
  #failures = 0;
  #last: { readonly action: FailedAction; readonly reason: string; readonly atMs: number } | null = null;
  #operation: { readonly action: AgentAction; readonly fromMs: number } | null = null;

  constructor(word: string) {
    this.#word = word;
  }

  fail(action: FailedAction, reason: string): void {
    this.#failures += 1;
    this.#last = { action, reason, atMs: performance.now() };
  }

  /** Runs one operation; it is shown as long as it takes. */
  async during<T>(action: AgentAction, operation: () => Promise<T>): Promise<T> {
    this.#operation = { action, fromMs: performance.now() };
    try {
      return await operation();
    } finally {
      this.#operation = null;
    }
  }

  view(limitMs: number): ResourceRecord {
    const nowMs = performance.now();
    const last = this.#last;
    const running = this.#operation;
    return {
      resource: this.#word,
      failures: this.#failures,
      lastFailure: last === null ? null : { action: last.action, reason: last.reason, ageMs: nowMs - last.atMs },
      operation: running === null ? null : { action: running.action, sinceMs: nowMs - running.fromMs, limitMs },
    };
  }
}
