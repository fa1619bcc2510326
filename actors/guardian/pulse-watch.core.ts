/**
 * When the guardian takes over from a daemon that is still there but does not beat: frozen by SIGSTOP or a debugger, or without any CPU.
 *
 * The peers take over when they have heard nothing for their deadtime, so what the daemon holds has to be gone before that, and not much before: a
 * daemon that is only slow is no reason to stop a service. Where the guardian cannot tell (it was late itself), it looks once more while the
 * peers' deadline is still ahead, and errs on the side of one owner when it is not.
 */
import { type Ms, ms } from '../../runtime/units.ts';

/** Part of deadtime that is kept for the release itself. */
const releasePart = 1 / 8;
/** No longer than this, however long the deadtime is [ms]. */
const longestReleaseMs = 3_000;
/** Below this deadtime there is no time to be early [ms]: a pause of a hundred milliseconds would stop services. */
const shortestEarlyMs = 1_000;
/** The guardian was late itself when its look came this part of the bound after its time. */
const latePart = 1 / 10;
/** So long a daemon that has just got its CPU back has to beat [ms]. */
const doubtMs = 50;
/**
 * The same at a short deadtime, which a pause of the whole machine may exceed: no longer than the daemon needs to find out whether the peers were
 * awake in it (membership/stall.ts), a thread of ordinary priority included that wakes us [ms].
 */
const shortDoubtMs = 3;

/** @returns silence of the daemon after which its resources are released [ms] */
export function pulseBoundMs(deadtimeMs: number): Ms {
  if (deadtimeMs < shortestEarlyMs) return ms(deadtimeMs);
  return ms(deadtimeMs - Math.min(deadtimeMs * releasePart, longestReleaseMs));
}

export interface PulseLook {
  readonly nowMs: number;
  /** When this look was due [ms]. */
  readonly dueMs: number;
  /** The daemon's last heartbeat [ms]; null: it has not begun to beat. */
  readonly beatMs: number | null;
  readonly boundMs: number;
  /** When the peers take over [ms of silence]. */
  readonly deadtimeMs: number;
  /** The look before this one ended in doubt. */
  readonly doubted: boolean;
}

export type PulseVerdict =
  | { readonly type: 'beats'; readonly nextMs: Ms }
  | { readonly type: 'doubt'; readonly nextMs: Ms }
  | { readonly type: 'stopped'; readonly silentMs: Ms };

export function judgePulse({ nowMs, dueMs, beatMs, boundMs, deadtimeMs, doubted }: PulseLook): PulseVerdict {
  if (beatMs === null) return { type: 'beats', nextMs: ms(nowMs + boundMs) };
  const silentMs = nowMs - beatMs;
  if (silentMs < boundMs) return { type: 'beats', nextMs: ms(beatMs + boundMs) };
  if (!doubted && silentMs < deadtimeMs && nowMs - dueMs > boundMs * latePart)
    return { type: 'doubt', nextMs: ms(nowMs + Math.min(doubtMs, deadtimeMs - silentMs)) };
  if (!doubted && deadtimeMs < shortestEarlyMs) return { type: 'doubt', nextMs: ms(nowMs + shortDoubtMs) };
  return { type: 'stopped', silentMs: ms(silentMs) };
}
