/**
 * How evenly heartbeats come: gaps, late ones and drift, in constant memory however long it is watched.
 */

/** All in milliseconds, but for the counts. */
export interface BeatFigures {
  readonly count: number;
  /** Distance of the time between two heartbeats from the keepalive time. */
  readonly jitterMs: { readonly p50: number; readonly p99: number; readonly worst: number };
  readonly longestGapMs: number;
  /** Gaps of more than half the dead time: what the default warntime calls late. */
  readonly late: number;
  /** How far the beat has moved against an ideal clock, from the first second to the last; null before two whole seconds. */
  readonly driftMs: number | null;
}

/** Resolution of the quantiles [ms], and where the histogram ends; the worst value is exact. */
const binMs = 0.01;
const binCount = 100_000;

/** @example const beats = new BeatLog(5, 15); beats.heard(atMs); …; beats.figures(); */
export class BeatLog {
  readonly #keepaliveMs: number;
  readonly #lateMs: number;
  readonly #bins = new Uint32Array(binCount + 1);
  readonly #phase: PhaseTracker;
  #lastMs: number | null = null;
  #count = 0;
  #worstMs = 0;
  #longestGapMs = 0;
  #late = 0;

  constructor(keepaliveMs: number, deadtimeMs: number) {
    this.#keepaliveMs = keepaliveMs;
    this.#lateMs = deadtimeMs / 2;
    this.#phase = new PhaseTracker(keepaliveMs);
  }

  /** @param atMs arrival, ascending [ms] */
  heard(atMs: number): void {
    this.#count += 1;
    this.#phase.heard(atMs);
    if (this.#lastMs !== null) this.#gap(atMs - this.#lastMs);
    this.#lastMs = atMs;
  }

  /** The last arrival [ms]; null before the first. */
  get lastMs(): number | null {
    return this.#lastMs;
  }

  #gap(gapMs: number): void {
    const offMs = Math.abs(gapMs - this.#keepaliveMs);
    const bin = Math.min(binCount, Math.floor(offMs / binMs));
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
    this.#worstMs = Math.max(this.#worstMs, offMs);
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
    if (gapMs > this.#lateMs) this.#late += 1;
  }

  figures(): BeatFigures {
    return {
      count: this.#count,
      jitterMs: { p50: this.#quantile(0.5), p99: this.#quantile(0.99), worst: this.#worstMs },
      longestGapMs: this.#longestGapMs,
      late: this.#late,
      driftMs: this.#phase.driftMs(),
    };
  }

  /** Nearest rank, at the upper end of its bin; 0 of nothing. */
  #quantile(part: number): number {
    const wanted = Math.ceil(part * (this.#count - 1));
    if (wanted < 1) return 0;
    let seen = 0;
    for (const [bin, count] of this.#bins.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(this.#worstMs, (bin + 1) * binMs);
    }
    return this.#worstMs;
  }
}

/**
 * Where in its period a sender beats, second by second. The phase of a second is the median of its beats, so that single late ones do not count;
 * each is unwrapped against the one before, so that a drift over many periods is followed.
 */
class PhaseTracker {
  readonly #keepaliveMs: number;
  #startMs: number | null = null;
  #secondEndMs = 0;
  #phasesMs: number[] = [];
  #firstMs: number | null = null;
  #currentMs = 0;
  #seconds = 0;

  constructor(keepaliveMs: number) {
    this.#keepaliveMs = keepaliveMs;
  }

  heard(atMs: number): void {
    if (this.#startMs === null) {
      this.#startMs = atMs;
      this.#secondEndMs = atMs + this.#windowMs;
    }
    if (atMs >= this.#secondEndMs) this.#close(atMs);
    const elapsedMs = atMs - this.#startMs - this.#currentMs;
    this.#phasesMs.push(elapsedMs - Math.round(elapsedMs / this.#keepaliveMs) * this.#keepaliveMs);
  }

  /** A second, or ten beats of a slow sender. */
  get #windowMs(): number {
    return Math.max(1_000, 10 * this.#keepaliveMs);
  }

  #close(atMs: number): void {
    const sorted = this.#phasesMs.toSorted((a, b) => a - b);
    this.#currentMs += sorted[Math.floor(sorted.length / 2)] ?? 0;
    this.#firstMs ??= this.#currentMs;
    this.#seconds += 1;
    this.#phasesMs = [];
    this.#secondEndMs = Math.max(this.#secondEndMs + this.#windowMs, atMs);
  }

  driftMs(): number | null {
    return this.#firstMs === null || this.#seconds < 2 ? null : this.#currentMs - this.#firstMs;
  }
}
