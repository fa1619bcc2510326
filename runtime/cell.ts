/**
 * One life of an actor apart from its thread: runs the definition's functions one at a time around the state.
 *
 * In production entry.ts puts a cell into a worker thread; a test may run one in its own thread on a SimulatedClock.
 *
 * ```ts
 * const cell = new Cell(counter, { id: 'counter', incarnation: 1, clock, refs: new Map(), controls: new Map(), emit, ended });
 * if (await cell.start({ step: 1 })) cell.proceed();
 * cell.deliver({ type: 'add' });
 * ```
 */
import type { ActorContext, ActorDefinition, Next, StopReason } from './actor.ts';
import type { Clock, Timer, TimerOptions } from './clock.ts';
import { type ControlRef, DEFAULT_CALL_MS, type Surface } from './control.ts';
import { ActorError } from './errors.ts';
import { Fifo, type Lane } from './mailbox.ts';
import type { Control, Protocol, Tagged } from './protocol.ts';
import type { ActorRef } from './ref.ts';
import { type Ms, ms } from './units.ts';

/** How a cell ended. */
export type CellEnd =
  | { readonly type: 'ended'; readonly reason: StopReason }
  | { readonly type: 'crashed'; readonly error: unknown };

/** What a cell needs from outside. The maps may change while it lives. */
export interface CellHost {
  readonly id: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly refs: ReadonlyMap<string, ActorRef>;
  readonly controls: ReadonlyMap<string, ControlRef>;
  readonly emit: (event: Tagged) => void;
  /** Called exactly once, after the exit hooks. */
  readonly ended: (end: CellEnd) => void;
}

type Turn<S> = (state: S) => Next<S> | Promise<Next<S>>;

/** What waits for its turn: a message with the lane it came by, or a function. */
type Waiting<S> = { readonly message: Tagged; readonly lane: Lane | null } | { readonly turn: Turn<S> };

export class Cell<P extends Protocol, S> {
  readonly #definition: ActorDefinition<P, S>;
  readonly #host: CellHost;
  readonly #context: ActorContext<P, S>;
  readonly #waiting = new Fifo<Waiting<S>>();
  readonly #timers = new Set<Timer>();
  readonly #exitHooks: (() => void)[] = [];
  readonly #refLists = new Map<string, readonly ActorRef[]>();
  #phase: 'starting' | 'running' | 'stopping' | 'exited' = 'starting';
  /** There is a state when `start` has finished; nothing takes its turn before. */
  #state: { value: S } | null = null;
  #busy = false;
  #stopAsked: StopReason | null = null;

  constructor(definition: ActorDefinition<P, S>, host: CellHost) {
    this.#definition = definition;
    this.#host = host;
    this.#context = this.#makeContext();
  }

  /** Runs `start`; true when the actor is running now, false when it ended meanwhile (then `ended` was called). */
  async start(init: P['init']): Promise<boolean> {
    this.#busy = true;
    try {
      const value = await this.#definition.start(this.#context, init);
      if (this.#phase !== 'starting') return false;
      this.#state = { value };
    } catch (error) {
      this.crash(error);
      return false;
    }
    this.#phase = 'running';
    this.#busy = false;
    return true;
  }

  /** Handles what came in during the start; to be called once, when the actor has been reported as running. */
  proceed(): void {
    this.#drain();
  }

  /** Takes one message: handled at once when the actor is idle, else in its turn; `lane.done()` is called when it has been handled. */
  deliver(message: Tagged, lane: Lane | null = null): void {
    if (this.#busy || this.#phase !== 'running') {
      if (this.#phase === 'running' || this.#phase === 'starting') this.#waiting.push({ message, lane });
      return;
    }
    this.#handle(message, lane);
    if (this.#waiting.length > 0 || this.#stopAsked !== null) this.#drain();
  }

  /** Asks for an orderly end: after the handler that runs now (or the start); what waits is discarded. */
  stop(reason: StopReason): void {
    this.#stopAsked ??= reason;
    this.#waiting.clear();
    this.#drain();
  }

  /** Ends at once with an error: its own, or one that nobody caught. */
  crash(error: unknown): void {
    if (this.#phase === 'exited') return;
    this.#end({ type: 'crashed', error });
  }

  /** The references have changed: lists made by `ctx.refs` are made again. */
  refsChanged(): void {
    this.#refLists.clear();
  }

  /** The functions that answer calls, bound to the present state. To be exposed when the actor is running. */
  surface(): Surface {
    const surface: Record<string, (...args: unknown[]) => unknown> = {};
    for (const [name, handler] of Object.entries(this.#definition.calls ?? {})) {
      if (typeof handler !== 'function') continue;
      surface[name] = (...args) => {
        if (this.#state === null || this.#phase === 'exited') {
          throw new ActorError('HB_ACTOR_NOT_RUNNING', `${this.#host.id} is not running`, { actor: this.#host.id });
        }
        return Reflect.apply(handler, this.#definition.calls, [this.#context, this.#state.value, ...args]);
      };
    }
    return surface;
  }

  /** Runs what `onExit` registered, once, last first; one that throws does not keep the others from running. Returns what they threw. */
  runExitHooks(): readonly unknown[] {
    const errors: unknown[] = [];
    for (let hook = this.#exitHooks.pop(); hook !== undefined; hook = this.#exitHooks.pop()) {
      try {
        hook();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  #enqueue(turn: Turn<S>): void {
    if (this.#phase === 'stopping' || this.#phase === 'exited') return;
    this.#waiting.push({ turn });
    this.#drain();
  }

  #drain(): void {
    while (!this.#busy && this.#phase === 'running') {
      if (this.#stopAsked !== null) {
        void this.#finish(this.#stopAsked);
        return;
      }
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if ('turn' in next) this.#run(next.turn);
      else this.#handle(next.message, next.lane);
    }
  }

  #handle(message: Tagged, lane: Lane | null): void {
    const state = this.#state;
    if (state === null) return;
    let result: Next<S> | Promise<Next<S>>;
    this.#busy = true;
    try {
      if (this.#definition.onCast === undefined) throw this.#takesNoCasts(message);
      result = this.#definition.onCast(this.#context, state.value, message);
    } catch (error) {
      this.crash(error);
      return;
    }
    this.#settle(state, result, lane);
  }

  #run(turn: Turn<S>): void {
    const state = this.#state;
    if (state === null) return;
    let result: Next<S> | Promise<Next<S>>;
    this.#busy = true;
    try {
      result = turn(state.value);
    } catch (error) {
      this.crash(error);
      return;
    }
    this.#settle(state, result, null);
  }

  #settle(state: { value: S }, result: Next<S> | Promise<Next<S>>, lane: Lane | null): void {
    if (result instanceof Promise) {
      const proceed = (next: Next<S>): void => {
        this.#settle(state, next, lane);
        this.#drain();
      };
      result.then(proceed, (error: unknown) => this.crash(error));
      return;
    }
    if (result !== undefined) state.value = result;
    this.#busy = false;
    lane?.done();
  }

  async #finish(reason: StopReason): Promise<void> {
    this.#phase = 'stopping';
    this.#waiting.clear();
    this.#cancelTimers();
    try {
      if (this.#state !== null) await this.#definition.stop?.(this.#context, this.#state.value, reason);
    } catch (error) {
      this.crash(error);
      return;
    }
    if (this.#phase === 'stopping') this.#end({ type: 'ended', reason });
  }

  #end(end: CellEnd): void {
    this.#phase = 'exited';
    this.#busy = true;
    this.#waiting.clear();
    this.#cancelTimers();
    const [failure] = this.runExitHooks();
    if (failure === undefined) {
      this.#host.ended(end);
      return;
    }
    const message = `${this.#host.id}: a function given to onExit failed: ${String(failure)}`;
    const cause = end.type === 'crashed' ? end.error : failure;
    this.#host.ended({ type: 'crashed', error: new ActorError('HB_ACTOR_FAILED', message, {}, { cause }) });
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #takesNoCasts(message: Tagged): ActorError {
    return new ActorError('HB_ACTOR_FAILED', `${this.#host.id} takes no casts, and got "${message.type}"`, {
      actor: this.#host.id,
      type: message.type,
    });
  }

  #setTimer(atMs: Ms, turn: Turn<S>, options: TimerOptions | undefined): Timer {
    let cancelled = false;
    const inner = this.#host.clock.setTimer(
      atMs,
      () => {
        this.#timers.delete(timer);
        // A timer may be cancelled by what runs between its instant and its turn.
        this.#enqueue((state) => (cancelled ? undefined : turn(state)));
      },
      options,
    );
    const timer: Timer = {
      cancel: () => {
        cancelled = true;
        this.#timers.delete(timer);
        inner.cancel();
      },
    };
    this.#timers.add(timer);
    return timer;
  }

  #makeContext(): ActorContext<P, S> {
    const host = this.#host;
    const notWired = (what: string, id: string): ActorError =>
      new ActorError(
        'HB_ACTOR_NOT_WIRED',
        `${host.id} has no ${what} "${id}": name it in the child spec's ${what}s, and check that such a child exists`,
        { actor: host.id, target: id },
      );
    return {
      id: host.id,
      incarnation: host.incarnation,
      clock: host.clock,
      ref: <C extends Tagged>(id: string): ActorRef<C> => {
        const ref = host.refs.get(id);
        if (ref === undefined) throw notWired('ref', id);
        return ref;
      },
      refs: <C extends Tagged>(prefix: string): readonly ActorRef<C>[] => {
        const known = this.#refLists.get(prefix);
        if (known !== undefined) return known;
        const list = [...host.refs.values()].filter((ref) => ref.id.startsWith(prefix));
        this.#refLists.set(prefix, list);
        return list;
      },
      control: <Calls extends object>(id: string, deadlineMs: Ms = DEFAULT_CALL_MS): Control<Calls> => {
        const control = host.controls.get(id);
        if (control === undefined) throw notWired('control', id);
        return control.typed<Calls>(deadlineMs);
      },
      emit: (event) => host.emit(event),
      after: (delayMs, fn, options) => this.#setTimer(ms(host.clock.now() + delayMs), fn, options),
      at: (instantMs, fn, options) => this.#setTimer(instantMs, fn, options),
      enqueue: (fn) => this.#enqueue(fn),
      exit: () => this.stop('normal'),
      fail: (error) => this.crash(error),
      onExit: (fn) => {
        this.#exitHooks.push(fn);
      },
    };
  }
}
