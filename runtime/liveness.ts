/**
 * Who still moves: counters in shared memory, one for the main thread (the MCP) and one for each actor.
 *
 * Every thread moves its counter from its own event loop several times within its `hangMs`, so a loop that is stuck stops it. The main thread
 * watches the actors ({@link LivenessWatch}); the actors watch the main thread ({@link beatInThread}), since a stuck main thread can neither
 * restart nor stop anything and must not keep a node's resources hostage.
 */
import { readFileSync, readlinkSync, writeSync } from 'node:fs';
import type { Clock, Timer } from './clock.ts';
import { check, checkPeriodMs, type Finding, unwatch, type WatchState, watch } from './liveness.core.ts';
import type { LivenessOrder } from './protocol.ts';
import { type Ms, ms } from './units.ts';

/** Index of the main thread's counter. */
const MCP_SLOT = 0;

/** So many threads can have a counter at the same time, the main thread included. */
const SLOTS = 1024;

/** A thread moves its counter this many times within its own window: one lost timer is no silence. */
const BEATS_PER_WINDOW = 5;

/** How often a thread with that window moves its counter [ms, >= 1]. */
export function beatPeriodMs(hangMs: Ms): Ms {
  return ms(Math.max(hangMs / BEATS_PER_WINDOW, 1));
}

/** The kernel's id of the calling thread; null where /proc does not tell it. */
export function ownThreadId(): number | null {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    return Number.isInteger(id) ? id : null;
  } catch {
    return null;
  }
}

/**
 * How long a thread of this process has run on a CPU [ms, since its start]; null when the kernel does not tell.
 * From the first number of /proc/self/task/TID/schedstat, in ns (Documentation/scheduler/sched-stats.rst).
 */
function readRanMs(tid: number): number | null {
  try {
    const ranNs = Number(readFileSync(`/proc/self/task/${tid}/schedstat`, 'latin1').split(' ')[0]);
    return Number.isFinite(ranNs) ? ranNs / 1e6 : null;
  } catch {
    return null;
  }
}

/** The main thread's side: moves the MCP's counter and looks at the others. */
export class LivenessWatch {
  readonly counters = new Int32Array(new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT));
  readonly #clock: Clock;
  readonly #report: (finding: Finding) => void;
  readonly #ownBeatMs: Ms | null;
  readonly #slots = new Map<string, number>();
  readonly #tids = new Map<string, number | null>();
  #state: WatchState = new Map();
  #checkTimer: Timer | null = null;
  #beatTimer: Timer | null = null;

  /**
   * @param mcpHangMs the window in which the actors expect the main thread to move [ms], or null
   * @param report    gets every finding, from a timer
   */
  constructor(clock: Clock, mcpHangMs: Ms | null, report: (finding: Finding) => void) {
    this.#clock = clock;
    this.#report = report;
    this.#ownBeatMs = mcpHangMs === null ? null : beatPeriodMs(mcpHangMs);
  }

  /** The slot of an actor; each keeps its own for all its incarnations. */
  slotOf(id: string): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const used = new Set(this.#slots.values());
    for (let slot = MCP_SLOT + 1; slot < SLOTS; slot += 1) {
      if (used.has(slot)) continue;
      this.#slots.set(id, slot);
      return slot;
    }
    throw new RangeError(`no more than ${SLOTS - 1} actors at the same time`);
  }

  /** Gives the slot of an actor that is gone for good to others. */
  releaseSlot(id: string): void {
    this.unwatch(id);
    this.#slots.delete(id);
  }

  /** Begins to move the MCP's counter; the actors look at it from their first moment. */
  start(): void {
    this.#beat();
  }

  watch(id: string, hangMs: Ms, tid: number | null): void {
    this.#tids.set(id, tid);
    this.#state = watch(this.#state, id, hangMs, this.#counter(id), this.#clock.now());
    this.#schedule();
  }

  unwatch(id: string): void {
    this.#tids.delete(id);
    this.#state = unwatch(this.#state, id);
    if (this.#state.size === 0) this.#stopChecks();
  }

  stop(): void {
    this.#stopChecks();
    this.#beatTimer?.cancel();
    this.#beatTimer = null;
  }

  #beat(): void {
    Atomics.add(this.counters, MCP_SLOT, 1);
    if (this.#ownBeatMs === null) return;
    this.#beatTimer?.cancel();
    this.#beatTimer = this.#clock.setTimer(ms(this.#clock.now() + this.#ownBeatMs), () => this.#beat());
  }

  #periodMs(): Ms | null {
    return checkPeriodMs([...this.#state.values()].map((entry) => entry.hangMs));
  }

  #schedule(): void {
    this.#checkTimer?.cancel();
    const periodMs = this.#periodMs();
    if (periodMs === null) return;
    const dueMs = ms(this.#clock.now() + periodMs);
    this.#checkTimer = this.#clock.setTimer(dueMs, () => this.#check(dueMs, periodMs));
  }

  #check(dueMs: Ms, periodMs: Ms): void {
    const [state, findings] = check(this.#state, {
      nowMs: this.#clock.now(),
      dueMs,
      periodMs,
      counterOf: (id) => this.#counter(id),
      ranOf: (id) => {
        const tid = this.#tids.get(id) ?? null;
        return tid === null ? null : readRanMs(tid);
      },
    });
    this.#state = state;
    this.#schedule();
    for (const finding of findings) this.#report(finding);
  }

  #stopChecks(): void {
    this.#checkTimer?.cancel();
    this.#checkTimer = null;
  }

  #counter(id: string): number {
    return Atomics.load(this.counters, this.slotOf(id));
  }
}

/** What an actor does about a main thread that hangs. */
export type LastResort = (silentMs: Ms) => void;

/**
 * The default last resort: one line on standard error and SIGKILL to the own process. A worker cannot end a process whose main thread is stuck
 * in any softer way: `process.exit` in a worker ends the worker only.
 */
export const killOwnProcess: LastResort = (silentMs) => {
  writeSync(2, `systole: main thread hung for ${Math.round(silentMs)} ms: killing process ${process.pid}\n`);
  process.kill(process.pid, 'SIGKILL');
};

/**
 * An actor's side: moves the own counter, and looks at the main thread's when `mcpHangMs` is set.
 * @returns a function that ends it
 */
export function beatInThread(order: LivenessOrder, clock: Clock, lastResort: LastResort): () => void {
  const { counters, slot, mcpHangMs } = order;
  const periodMs = mcpHangMs === null ? order.beatMs : ms(Math.min(order.beatMs, beatPeriodMs(mcpHangMs)));
  let dueMs = clock.now();
  let state: WatchState = new Map();
  if (mcpHangMs !== null) state = watch(state, 'mcp', mcpHangMs, Atomics.load(counters, MCP_SLOT), dueMs);
  // The main thread's id is the process's.
  const mainThread = process.pid;
  let timer: Timer;
  const beat = (): void => {
    Atomics.add(counters, slot, 1);
    timer = clock.setTimer(ms(clock.now() + periodMs), beat);
    if (mcpHangMs === null) return;
    const [next, findings] = check(state, {
      nowMs: clock.now(),
      dueMs,
      periodMs,
      counterOf: () => Atomics.load(counters, MCP_SLOT),
      ranOf: () => readRanMs(mainThread),
    });
    state = next;
    dueMs = ms(clock.now() + periodMs);
    for (const finding of findings) if (finding.type === 'hung') lastResort(finding.silentMs);
  };
  beat();
  return () => timer.cancel();
}
