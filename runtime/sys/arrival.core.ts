/**
 * When a datagram arrived, from the kernel's stamp, on the monotonic clock.
 *
 * The kernel stamps by the wall clock. An arrival that is told too early would shorten the time that a peer has, so a stamp is only believed when that
 * clock has not been set since the datagram before (setting it moves it against the monotonic clock; slewing moves both), and only between the
 * moment at which the socket was seen empty and now. Otherwise the datagram has arrived now, which lengthens a peer's time at worst.
 */

/** Two looks at the two clocks differ by some microseconds, and by more when the thread was interrupted between them [ms]. */
const steadyWithinMs = 0.1;

export interface ArrivalLook {
  /** The kernel's stamp [ms of the wall clock]. */
  readonly stampMs: number;
  /** Both clocks, read one after the other [ms]. */
  readonly wallMs: number;
  readonly nowMs: number;
  /** When the socket was last seen empty [monotonic ms]. */
  readonly emptyMs: number;
  /** Wall clock less monotonic clock at the datagram before [ms]; NaN for the first one. */
  readonly offsetBeforeMs: number;
}

/** @returns the arrival [monotonic ms], and the offset for the next look */
export function arrivalOf(look: ArrivalLook): { readonly arrivedMs: number; readonly offsetMs: number } {
  const offsetMs = look.wallMs - look.nowMs;
  const steady = Math.abs(offsetMs - look.offsetBeforeMs) < steadyWithinMs;
  const arrivedMs = steady ? Math.min(look.nowMs, Math.max(look.emptyMs, look.stampMs - offsetMs)) : look.nowMs;
  return { arrivedMs, offsetMs };
}
