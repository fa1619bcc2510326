/**
 * When the watchdog's device is kicked: pure decisions over the heart board.
 *
 * One kick needs one new heartbeat of membership *and* a new turn of the MCP's loop since the kick before. So nothing but a node whose heart beats
 * keeps the machine up, and there is no constant that says how old a proof may be: no beat, no kick.
 */
import { type Ms, ms } from '../runtime/units.ts';
import type { HeartView } from './heart.ts';

/** The proofs that the last kick has used up; null before the first. */
export interface Proofs {
  readonly membershipMs: Ms | null;
  readonly mcpMs: Ms | null;
}

export const noProofs: Proofs = { membershipMs: null, mcpMs: null };

export type WatchdogStep =
  /** Not yet running, or nothing has beaten since the last kick. */
  | { readonly type: 'wait' }
  | { readonly type: 'kick'; readonly proofs: Proofs }
  /** Everything is released for a graceful stop: the device may be closed in order. */
  | { readonly type: 'disarm' };

export function watchdogStep(heart: HeartView, used: Proofs): WatchdogStep {
  if (heart.phase === 'released') return { type: 'disarm' };
  if (heart.phase === 'starting' || !isNew(heart.membershipMs, used.membershipMs) || !isNew(heart.mcpMs, used.mcpMs))
    return { type: 'wait' };
  return { type: 'kick', proofs: { membershipMs: heart.membershipMs, mcpMs: heart.mcpMs } };
}

function isNew(beatMs: Ms | null, usedMs: Ms | null): boolean {
  return beatMs !== null && (usedMs === null || beatMs > usedMs);
}

/** What is added to deadtime before it is rounded up to whole seconds [ms], as in the original. */
const timeoutMarginMs = 10;

/** The timeout that the device is set to [s]: the machine restarts so long after the last heartbeat. */
export function timeoutS(deadtimeMs: number): number {
  return Math.ceil((deadtimeMs + timeoutMarginMs) / 1_000);
}

/** The board is looked at twice in a keepalive time, but no more often than this [ms]. */
const shortestLookMs = 50;
/** Nor less often: a keepalive time of minutes is no reason to let the device's own time run out [ms]. */
const longestLookMs = 1_000;

/** How often the board is looked at [ms]. */
export function lookMs(keepaliveMs: number): Ms {
  return ms(Math.min(longestLookMs, Math.max(shortestLookMs, keepaliveMs / 2)));
}
