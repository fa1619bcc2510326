/**
 * What a supervisor tells: why actors ended, and every step of their supervision, as one closed union with monotonic times.
 */
import type { Ms } from './units.ts';

/**
 * Why one life of an actor ended.
 *
 * `normal`: it ended itself (`ctx.exit()`). `shutdown`: it was asked to stop, and did. `crashed`: it threw, or missed its start deadline.
 * `exited`: its thread ended by itself, `process.exit` for instance. `out-of-memory`: beyond its resource limits. `hung`: its event loop stood
 * still that long. `killed`: it was killed, since it did not stop in time or everything had to end.
 */
export type ExitReason =
  | { readonly type: 'normal' }
  | { readonly type: 'shutdown' }
  | { readonly type: 'crashed'; readonly error: Error }
  | { readonly type: 'exited'; readonly exitCode: number }
  | { readonly type: 'out-of-memory' }
  | { readonly type: 'hung'; readonly silentMs: Ms }
  | { readonly type: 'killed' };

/** One reason as a line for the log. */
export function describeExit(reason: ExitReason): string {
  switch (reason.type) {
    case 'crashed':
      return `crashed: ${reason.error.message}`;
    case 'exited':
      return `thread exited with code ${reason.exitCode}`;
    case 'hung':
      return `hung for ${Math.round(reason.silentMs)} ms`;
    default:
      return reason.type;
  }
}

/** Why control is lost: a death that must not happen, restarts that did not help, or a thread that cannot be ended. */
export type EmergencyCause = 'death' | 'given-up' | 'unkillable';

export type SupervisorEvent = { readonly atMs: Ms } & (
  | { readonly type: 'starting'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'ready'; readonly id: string; readonly incarnation: number; readonly tookMs: Ms }
  | { readonly type: 'stopping'; readonly id: string; readonly incarnation: number }
  /** Known to be ending, and not by our wish; `exited` follows when its thread is proven to be gone. */
  | { readonly type: 'dying'; readonly id: string; readonly incarnation: number; readonly reason: ExitReason }
  | {
      readonly type: 'exited';
      readonly id: string;
      readonly incarnation: number;
      readonly reason: ExitReason;
      readonly livedMs: Ms;
    }
  /** `attempt` counts the restarts within the period, from 1; `siblings` go down and up with it. */
  | {
      readonly type: 'restarting';
      readonly id: string;
      readonly attempt: number;
      readonly delayMs: Ms;
      readonly siblings: readonly string[];
    }
  | { readonly type: 'given-up'; readonly id: string; readonly reason: ExitReason; readonly restarts: number }
  /** Killed, and its thread still runs: it sits in native code. */
  | { readonly type: 'kill-overdue'; readonly id: string; readonly incarnation: number }
  /** Control is lost: nothing is restarted any more. Whoever owns the supervisor ends the process now. */
  | {
      readonly type: 'emergency';
      readonly id: string;
      readonly cause: EmergencyCause;
      readonly reason: ExitReason;
    }
  /** Every child has been started. */
  | { readonly type: 'started' }
  /** The first start failed; what was started is being stopped. */
  | { readonly type: 'start-failed'; readonly id: string; readonly reason: ExitReason }
  /** A significant child has ended in good order, so everything stops. */
  | { readonly type: 'auto-shutdown'; readonly id: string }
  | { readonly type: 'removed'; readonly id: string }
  /** Nothing runs any more, but for `survivors`: threads that could not be killed. */
  | { readonly type: 'stopped'; readonly survivors: readonly string[] }
  /** The machine or the process stood still: nobody is blamed for silence. */
  | { readonly type: 'stalled'; readonly lateMs: Ms }
  /** An actor was silent since it got no CPU: it has one more window. */
  | { readonly type: 'starved'; readonly id: string; readonly silentMs: Ms }
);

/** Gives events to handlers and async iterators, in order; a handler that throws is the caller's defect and not caught. */
export class EventStream<E> {
  readonly #handlers = new Set<(event: E) => void>();

  /** @returns a function that ends the subscription */
  subscribe(handler: (event: E) => void): () => void {
    this.#handlers.add(handler);
    return () => {
      this.#handlers.delete(handler);
    };
  }

  publish(event: E): void {
    for (const handler of this.#handlers) handler(event);
  }

  /** All events from now on; leaving the loop ends the subscription. Events that wait for the reader are kept without bound. */
  iterate(): AsyncGenerator<E, never> {
    const waiting: E[] = [];
    let wake = Promise.withResolvers<void>();
    const unsubscribe = this.subscribe((event) => {
      waiting.push(event);
      wake.resolve();
    });
    const read = async function* (): AsyncGenerator<E, never> {
      try {
        for (;;) {
          await wake.promise;
          wake = Promise.withResolvers<void>();
          yield* waiting.splice(0);
        }
      } finally {
        unsubscribe();
      }
    };
    return read();
  }
}
