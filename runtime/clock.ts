/**
 * Time as a dependency: every timer and every "now" of the runtime and of the actors comes from a {@link Clock}.
 *
 * {@link SystemClock} reads CLOCK_MONOTONIC, so that instants of all threads and processes of a machine compare and no step of the wall
 * clock moves them. {@link SimulatedClock} stands still until it is told to move, which makes whole clusters run in a unit test.
 */
import { letOthersRun } from './sys/realtime.ts';
import { sleeperOfThread } from './sys/sleeper.ts';
import { setPreciseTimer } from './sys/timer-fd.ts';
import { type Ms, ms } from './units.ts';

export interface TimerOptions {
  /**
   * `coarse` (default) fires at most about 1 ms late on an idle machine. `precise` sleeps until the instant (a timerfd, or the thread's own sleep): some 0.1 ms late, the
   * time that a machine takes to wake; for ticks. `exact` is awake before and waits the rest in the event loop (I/O goes on): within some
   * 10 µs, for {@link LEAD_MS} of CPU; for deadlines that are rarely reached.
   */
  readonly accuracy?: 'coarse' | 'precise' | 'exact';
  /** How long before its instant an exact timer is awake [ms, > 0]; default {@link LEAD_MS}. Costs that much CPU. */
  readonly awakeMs?: number;
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

/** How long before its instant an exact timer is awake [ms]: 99 of 100 wake-ups of an idle machine take less. */
const LEAD_MS = 0.5;

/** CLOCK_MONOTONIC, and the thread's own sleep; where it has none, Node's timers and a timerfd. */
export class SystemClock implements Clock {
  now(): Ms {
    return ms(Number(process.hrtime.bigint()) / 1e6);
  }

  setTimer(atMs: Ms, fn: () => void, options: TimerOptions = {}): Timer {
    const sleeper = sleeperOfThread();
    const { awakeMs = LEAD_MS } = options;
    if (sleeper !== null) return { cancel: sleeper.at(atMs, fn, options.accuracy === 'exact' ? awakeMs : 0) };
    switch (options.accuracy) {
      case 'precise':
        return { cancel: setPreciseTimer(atMs, fn) };
      case 'exact':
        return this.#setExact(atMs, fn, awakeMs);
      default:
        return this.#setCoarse(atMs, fn);
    }
  }

  #setCoarse(atMs: Ms, fn: () => void): Timer {
    let timeout: NodeJS.Timeout;
    const arm = (): void => {
      // Node counts whole milliseconds from a cached time, so a timer may come a fraction early: then it is armed again.
      timeout = setTimeout(due, Math.max(0, Math.min(Math.ceil(atMs - this.now()), LONGEST_DELAY_MS)));
    };
    const due = (): void => {
      if (this.now() >= atMs) fn();
      else arm();
    };
    arm();
    return { cancel: () => clearTimeout(timeout) };
  }

  #setExact(atMs: Ms, fn: () => void, awakeMs: number): Timer {
    let immediate: NodeJS.Immediate | undefined;
    const wait = (): void => {
      if (this.now() >= atMs) fn();
      else {
        letOthersRun();
        immediate = setImmediate(wait);
      }
    };
    const wake = setPreciseTimer(ms(atMs - awakeMs), wait);
    return {
      cancel: () => {
        wake();
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
