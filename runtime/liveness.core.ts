/**
 * Tells a hung thread from a machine that stood still: pure decisions over counters that the threads move.
 *
 * A thread that moves its counter is alive. One that does not for `hangMs` is called hung, but only after two doubts:
 * our own check may have come late (suspend, SIGSTOP, overload: then nobody could move), and the thread may have got no CPU. The kernel's count
 * of its CPU time tells: an endless loop runs all the time, a starved or blocked thread hardly at all. (Its run delay does not tell: the
 * kernel adds a wait to it only when the wait is over.)
 */
import { type Ms, ms } from './units.ts';

/** What is known about one watched thread. */
interface Watched {
  readonly hangMs: Ms;
  /** The counter's value when it was last seen to move. */
  readonly counter: number;
  /** Start of the present silence [ms, monotonic]. */
  readonly movedMs: Ms;
  /** CPU time of the thread when half of the window had passed in silence; null before, or when unknown. */
  readonly suspect: { readonly atMs: Ms; readonly ranMs: number } | null;
  /** How many windows in a row were given to a thread that hardly ran. */
  readonly forgiven: number;
}

/** All watched threads by id. */
export type WatchState = ReadonlyMap<string, Watched>;

/** What one check found. */
export type Finding =
  /** Nobody is blamed: the checker itself was `lateMs` late, all windows start again. */
  | { readonly type: 'stalled'; readonly lateMs: Ms }
  /** Silent for `silentMs`, but it hardly ran in that time (no CPU, or a disk that does not answer): one more window. */
  | { readonly type: 'starved'; readonly id: string; readonly silentMs: Ms }
  | { readonly type: 'hung'; readonly id: string; readonly silentMs: Ms };

export interface CheckInput {
  readonly nowMs: Ms;
  /** When this check should have been [ms, monotonic]. */
  readonly dueMs: Ms;
  /** How often checks are due [ms]. */
  readonly periodMs: Ms;
  readonly counterOf: (id: string) => number;
  /** Time that a thread has run on a CPU [ms, since its start]; null when unknown. Asked for silent threads only. */
  readonly ranOf: (id: string) => number | null;
}

/** A check that is late by more than this many periods says more about us than about the others. */
const LATE_PERIODS = 2;
/** A silent thread that ran for less than this part of the time is no endless loop; one of those runs about half the time on busy cores. */
const SPINNING_SHARE = 0.25;
/** So many windows in a row are given to a thread that hardly runs: then it is as good as dead, whoever is to blame. */
const MAX_FORGIVEN = 3;

/** Begins to watch a thread; its first window starts now. */
export function watch(state: WatchState, id: string, hangMs: Ms, counter: number, nowMs: Ms): WatchState {
  return new Map(state).set(id, { hangMs, counter, movedMs: nowMs, suspect: null, forgiven: 0 });
}

export function unwatch(state: WatchState, id: string): WatchState {
  const watched = new Map(state);
  watched.delete(id);
  return watched;
}

/** How often to check: a fifth of the shortest window, so that a hang is seen at most that much late; null when nobody is watched. */
export function checkPeriodMs(hangTimesMs: Iterable<Ms>): Ms | null {
  const shortestMs = Math.min(...hangTimesMs);
  return Number.isFinite(shortestMs) ? ms(Math.max(shortestMs / 5, 1)) : null;
}

/** One check of all watched threads. A hung one is reported once: it is no longer watched. */
export function check(state: WatchState, input: CheckInput): readonly [WatchState, readonly Finding[]] {
  const { nowMs } = input;
  const lateMs = ms(nowMs - input.dueMs);
  if (lateMs > LATE_PERIODS * input.periodMs) return [restartWindows(state, input), [{ type: 'stalled', lateMs }]];
  const watched = new Map<string, Watched>();
  const findings: Finding[] = [];
  for (const [id, entry] of state) {
    const finding = judge(id, entry, input);
    if (finding === 'moved') {
      watched.set(id, { ...entry, counter: input.counterOf(id), movedMs: nowMs, suspect: null, forgiven: 0 });
    } else if (finding === 'silent') {
      watched.set(id, { ...entry, suspect: suspicion(id, entry, input) });
    } else {
      findings.push(finding);
      if (finding.type === 'starved')
        watched.set(id, { ...entry, movedMs: nowMs, suspect: null, forgiven: entry.forgiven + 1 });
    }
  }
  return [watched, findings];
}

function judge(
  id: string,
  entry: Watched,
  input: CheckInput,
): 'moved' | 'silent' | Exclude<Finding, { type: 'stalled' }> {
  if (input.counterOf(id) !== entry.counter) return 'moved';
  const silentMs = ms(input.nowMs - entry.movedMs);
  if (silentMs < entry.hangMs) return 'silent';
  return { type: wasStarved(id, entry, input) ? 'starved' : 'hung', id, silentMs };
}

function wasStarved(id: string, entry: Watched, input: CheckInput): boolean {
  if (entry.suspect === null || entry.forgiven >= MAX_FORGIVEN) return false;
  const ranMs = input.ranOf(id);
  const observedMs = input.nowMs - entry.suspect.atMs;
  return ranMs !== null && ranMs - entry.suspect.ranMs < SPINNING_SHARE * observedMs;
}

function suspicion(id: string, entry: Watched, input: CheckInput): Watched['suspect'] {
  if (entry.suspect !== null || input.nowMs - entry.movedMs < entry.hangMs / 2) return entry.suspect;
  const ranMs = input.ranOf(id);
  return ranMs === null ? null : { atMs: input.nowMs, ranMs };
}

function restartWindows(state: WatchState, input: CheckInput): WatchState {
  const watched = new Map<string, Watched>();
  for (const [id, entry] of state) {
    watched.set(id, { ...entry, counter: input.counterOf(id), movedMs: input.nowMs, suspect: null });
  }
  return watched;
}
