/**
 * False deaths as the wire shows them: which node declared one, and how long the other had really been silent.
 */

export interface FalseDeath {
  /** Since the start of the watch [ms]. */
  readonly atMs: number;
  readonly by: 'survivor' | 'victim';
  /** Silence on the survivor's interface before the declaration was sent [ms]: at or above the dead time, the sender was to blame. */
  readonly silentMs: number | null;
}

/** Joins the packets of one declaration: those of a node that come closer than this to each other belong together. */
export class DeathLog {
  readonly deaths: FalseDeath[] = [];
  readonly #startMs: number;
  readonly #episodeMs: number;
  readonly #lastMs = { survivor: Number.NEGATIVE_INFINITY, victim: Number.NEGATIVE_INFINITY };

  /** @param startMs instants are given relative to this one [ms] @param episodeMs [ms, > 0] */
  constructor(startMs: number, episodeMs: number) {
    this.#startMs = startMs;
    this.#episodeMs = episodeMs;
  }

  /** A packet by which a node shows that it takes the other for dead. @param heardMs when the other was last on the wire [ms] */
  declared(by: 'survivor' | 'victim', atMs: number, heardMs: number | null): void {
    const isNew = atMs - this.#lastMs[by] > this.#episodeMs;
    this.#lastMs[by] = atMs;
    if (isNew) this.deaths.push({ atMs: atMs - this.#startMs, by, silentMs: heardMs === null ? null : atMs - heardMs });
  }

  count(by: 'survivor' | 'victim'): number {
    return this.deaths.filter((death) => death.by === by).length;
  }
}
