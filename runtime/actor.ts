/**
 * How an actor is written: a definition of plain functions around a state that only this actor sees.
 *
 * ```ts
 * export default defineActor<CounterProtocol, { total: number }>({
 *   start: (_ctx, init) => ({ total: init.step }),
 *   onCast(ctx, state, message) {
 *     if (message.type === 'add') state.total += 1;
 *     if (state.total > 1000) ctx.emit({ type: 'overflowed' });
 *   },
 *   calls: { describe: (_ctx, state) => ({ total: state.total }) },
 * });
 * ```
 *
 * Casts, timers and what is given to `ctx.enqueue` run one at a time: while an asynchronous handler is unfinished, the others wait. Calls are
 * answered between them, also during an asynchronous handler, so that a busy actor can still be described.
 */
import type { Clock, Timer, TimerOptions } from './clock.ts';
import { ActorError } from './errors.ts';
import type { Control, Protocol, Tagged } from './protocol.ts';
import type { ActorRef } from './ref.ts';
import type { Ms } from './units.ts';

/** A handler's result: the next state, or nothing to keep the present one (also after it was changed in place). */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return, and one that calls such a function, give void
export type Next<S> = S | undefined | void;

/** Why an actor is being stopped: it ended itself by `ctx.exit()`, or its supervisor asked. */
export type StopReason = 'normal' | 'shutdown';

export interface ActorContext<P extends Protocol = Protocol, S = unknown> {
  /** This actor's id in the child spec. */
  readonly id: string;
  /** Which life this is: 1 for the first, one more after each restart. */
  readonly incarnation: number;
  readonly clock: Clock;

  /**
   * The wired reference for casts to another actor. It stays valid across restarts of the target.
   * Throws ActorError HB_ACTOR_NOT_WIRED when the child spec's `refs` does not name it.
   */
  ref<C extends Tagged>(id: string): ActorRef<C>;
  /** All wired references whose id starts with `prefix`, in the order of the children. The array is replaced, never changed. */
  refs<C extends Tagged>(prefix: string): readonly ActorRef<C>[];
  /**
   * Typed calls to another actor.
   * @param deadlineMs for each call [ms, > 0, default 1000]
   * Throws ActorError HB_ACTOR_NOT_WIRED when the child spec's `controls` does not name it.
   */
  control<Calls extends object>(id: string, deadlineMs?: Ms): Control<Calls>;
  /** Tells the main thread. */
  emit(event: P['emit']): void;

  /** Runs `fn` once, at `delayMs` from now [ms, >= 0], in turn with the messages. */
  after(delayMs: Ms, fn: (state: S) => Next<S> | Promise<Next<S>>, options?: TimerOptions): Timer;
  /** Runs `fn` once, never before that instant of the monotonic clock, in turn with the messages. */
  at(instantMs: Ms, fn: (state: S) => Next<S> | Promise<Next<S>>, options?: TimerOptions): Timer;
  /**
   * Runs `fn` in turn with the messages: at once when the actor is idle. For callbacks of sockets, processes and promises, so that they
   * see a settled state and so that what they throw is this actor's crash.
   */
  enqueue(fn: (state: S) => Next<S> | Promise<Next<S>>): void;

  /** Ends this actor by its own will: `stop` is called with `normal`, and so is the exit reason. */
  exit(): void;
  /** Crashes this actor at once with that error: nothing more is handled, `stop` is not called. */
  fail(error: Error): void;
  /** Calls `fn` on every way out that this thread still controls (stop, crash, process.exit), last registered first; synchronous. */
  onExit(fn: () => void): void;
}

/** The functions that answer a protocol's calls; they get the state and the caller's arguments. They may be asynchronous. */
type CallHandlers<P extends Protocol, S> = {
  readonly [K in keyof P['call']]: P['call'][K] extends (...args: infer A) => infer R
    ? (ctx: ActorContext<P, S>, state: S, ...args: A) => R | Promise<Awaited<R>>
    : never;
};

export interface ActorDefinition<P extends Protocol = Protocol, S = unknown> {
  /** Makes the first state. The actor is `running` when this has finished; the child spec's `startMs` is its deadline. */
  start(ctx: ActorContext<P, S>, init: P['init']): S | Promise<S>;
  /** Handles one message. What it throws or rejects with is the actor's crash. */
  onCast?(ctx: ActorContext<P, S>, state: S, message: P['cast']): Next<S> | Promise<Next<S>>;
  readonly calls?: CallHandlers<P, S>;
  /** Lets go of what the actor holds; `shutdownMs` is its deadline, the thread ends after it. Waiting messages are discarded before. */
  stop?(ctx: ActorContext<P, S>, state: S, reason: StopReason): void | Promise<void>;
}

/** Types a definition as an actor: a module's default export, to be named in a child spec. */
export function defineActor<P extends Protocol, S>(definition: ActorDefinition<P, S>): ActorDefinition<P, S> {
  return definition;
}

/**
 * Reads the definition out of a loaded module.
 * Throws ActorError HB_ACTOR_MODULE when the default export is no definition.
 */
export function definitionOf(module: unknown, url: string): ActorDefinition {
  const candidate: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined;
  if (isDefinition(candidate)) return candidate;
  throw new ActorError('HB_ACTOR_MODULE', `${url} is no actor: its default export must be made by defineActor(…)`, {
    module: url,
  });
}

function isDefinition(value: unknown): value is ActorDefinition {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'start') === 'function';
}
