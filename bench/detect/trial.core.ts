/**
 * What one trial gave, from what the referee saw and what the survivor says. All instants are milliseconds of CLOCK_MONOTONIC.
 */

export interface TrialSightings {
  /** When the fault was set. */
  readonly faultMs: number;
  readonly deadtimeMs: number;
  /** Arrivals of the victim's signs of life at the survivor's device, by the kernel's stamp, ascending. */
  readonly heartbeatsMs: readonly number[];
  /** The survivor's own statement; null when it makes none. */
  readonly statedMs: number | null;
  /** First packet of the survivor that shows its decision; null when none was seen. */
  readonly reactionMs: number | null;
  /** The service address appeared on the survivor. */
  readonly addressMs: number | null;
  /** First gratuitous ARP for it. */
  readonly arpMs: number | null;
}

/** All in milliseconds. */
export interface TrialFigures {
  /** From the last heartbeat heard to the decision, less the dead time. */
  readonly overheadMs: number;
  /** From the fault to the decision. */
  readonly detectionMs: number;
  /** Whether the decision is the survivor's statement, or the first thing that the referee saw of it. */
  readonly by: 'statement' | 'packet' | 'address';
  /** From the decision to its first packet, address, announcement: null when there was none. */
  readonly reactionMs: number | null;
  readonly addressMs: number | null;
  readonly announcedMs: number | null;
  readonly faultToAddressMs: number | null;
}

/**
 * Null when there is no sign of a decision. A statement counts only when nothing that the referee saw contradicts it: a program cannot have reacted
 * before it decided, so the earliest sign is the decision.
 */
export function judgeTrial(seen: TrialSightings): TrialFigures | null {
  const signs = [
    { atMs: seen.statedMs, by: 'statement' },
    { atMs: seen.reactionMs, by: 'packet' },
    { atMs: seen.addressMs, by: 'address' },
  ] as const;
  let decision: { readonly atMs: number; readonly by: TrialFigures['by'] } | null = null;
  for (const { atMs, by } of signs)
    if (atMs !== null && (decision === null || atMs < decision.atMs)) decision = { atMs, by };
  if (decision === null) return null;
  const { atMs, by } = decision;
  const heardMs = seen.heartbeatsMs.findLast((heartbeatMs) => heartbeatMs <= atMs);
  if (heardMs === undefined) return null;
  const since = (instantMs: number | null, fromMs: number): number | null =>
    instantMs === null ? null : instantMs - fromMs;
  return {
    overheadMs: atMs - heardMs - seen.deadtimeMs,
    detectionMs: atMs - seen.faultMs,
    by,
    reactionMs: since(seen.reactionMs, atMs),
    addressMs: since(seen.addressMs, atMs),
    announcedMs: since(seen.arpMs, atMs),
    faultToAddressMs: since(seen.addressMs, seen.faultMs),
  };
}
