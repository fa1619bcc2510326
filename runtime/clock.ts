/**
 * Time as a dependency: every timer and every "now" of the runtime and of the actors comes from a {@link Clock}.
 *
 * {@link SystemClock} reads CLOCK_MONOTONIC, so that instants of all threads and processes of a machine compare and no step of the wall
 * clock moves them. {@link SimulatedClock} stands still until it is told to move, which makes whole clusters run in a unit test.
 */
import { type Ms, ms } from './units.ts';

export interface TimerOptions {
  /**
   * `coarse` (default) fires at most about 1 ms late on an idle machine. `precise` waits the last two milliseconds in the event loop
   * (I/O goes on) and fires within some 10 µs; it costs up to 2 ms of CPU a timer, so it is for the heartbeat's tick only.
   */
  readonly accuracy?: 'coarse' | 'precise';
}

/** A timer that was set. `cancel` may be called at any time, also twice and after it has fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** The monotonic time [ms, float]. Only differences and comparisons mean something. */
  now(): Ms;
  /** Calls `fn` once, never before `atMs` [ms on this clock]; an instant in the past means "as soon as the event loop is free". */
  setTimer(atMs: Ms, fn: () => void, options?: TimerOptions): Timer;
}

/** Node turns longer delays into 1 ms; longer timers are set again when this much has passed. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Node's timers come 0 to 1.1 ms after their whole millisecond: what is left below this is waited for in the event loop. */
const SPIN_MS = 2.2;

/** CLOCK_MONOTONIC and Node's timers. */
export class SystemClock implements Clock {
  now(): Ms {
    return ms(Number(process.hrtime.bigint()) / 1e6);
  }

  setTimer(atMs: Ms, fn: () => void, options: TimerOptions = {}): Timer {
    const precise = options.accuracy === 'precise';
    let timeout: NodeJS.Timeout | undefined;
    let immediate: NodeJS.Immediate | undefined;
    const arm = (): void => {
      const leftMs = atMs - this.now();
      if (precise && leftMs < SPIN_MS) immediate = setImmediate(due);
      // Node counts whole milliseconds from a cached time, so a timer may come a fraction early: then it is armed again.
      else timeout = setTimeout(due, Math.min(precise ? Math.floor(leftMs - 2) : Math.ceil(leftMs), LONGEST_DELAY_MS));
    };
    const due = (): void => {
      if (this.now() >= atMs) fn();
      else arm();
    };
    arm();
    return {
      cancel: (): void => {
        clearTimeout(timeout);
        clearImmediate(immediate);
      },
    };
  }
}

interface SimulatedTimer {
  readonly atMs: Ms;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that a test moves by hand. Timers fire in the order of their instants, equal instants in the order they were set; during a
 * callback `now()` is the instant the timer was due, and timers set by callbacks fire in the same advance when they are due.
 */
export class SimulatedClock implements Clock {
  #nowMs: Ms;
  #order = 0;
  readonly #timers = new Set<SimulatedTimer>();

  /** @param startMs the first "now" [ms] */
  constructor(startMs: Ms = ms(0)) {
    this.#nowMs = startMs;
  }

  now(): Ms {
    return this.#nowMs;
  }

  setTimer(atMs: Ms, fn: () => void): Timer {
    const timer: SimulatedTimer = { atMs, order: this.#order++, fn };
    this.#timers.add(timer);
    return {
      cancel: (): void => {
        this.#timers.delete(timer);
      },
    };
  }

  /** The instant of the next timer, or null when none is set. */
  get nextMs(): Ms | null {
    return this.#next()?.atMs ?? null;
  }

  /** Moves to an instant [ms]; earlier than now is a RangeError, since monotonic time never goes back. */
  set(targetMs: Ms): void {
    if (targetMs < this.#nowMs) throw new RangeError(`the clock cannot go back from ${this.#nowMs} to ${targetMs} ms`);
    for (let timer = this.#next(); timer !== null && timer.atMs <= targetMs; timer = this.#next()) {
      this.#timers.delete(timer);
      if (timer.atMs > this.#nowMs) this.#nowMs = timer.atMs;
      timer.fn();
    }
    if (targetMs > this.#nowMs) this.#nowMs = targetMs;
  }

  /** Moves forward [ms, >= 0]. */
  increment(byMs: Ms): void {
    this.set(ms(this.#nowMs + byMs));
  }

  #next(): SimulatedTimer | null {
    let first: SimulatedTimer | null = null;
    for (const timer of this.#timers) {
      if (first === null || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
