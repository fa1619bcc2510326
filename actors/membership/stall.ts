/**
 * Our own lateness: a stalled process doubts itself before it doubts others.
 *
 * The core knows when it should have been called (the due time) and when it was. Late by more than a quarter of the keepalive time,
 * it has been stalled (starved, stopped, its machine paused), and so perhaps have the threads that read the media, with packets
 * still unread in the kernel. For one more keepalive time, but no longer than the stall lasted, nobody is declared dead: that
 * is time enough for the media to hand on what waits, and for a living peer to beat once more.
 *
 * Stalled for its own dead time, the node was silent to all others for as long: they have declared it dead and taken over. It must
 * not speak as if nothing had been (the original does, is then seen "returning after partition", and makes the peer that took
 * over give everything up): it says no more, judges nobody, and asks for its own restart.
 */
import { ms } from '../../runtime/units.ts';
import { limitMs } from './death.ts';
import type { Turn } from './state.ts';
import { log } from './state.ts';

/** Part of the keepalive time by which a timer may be late before it counts as a stall. */
const TOLERATED_PART = 1 / 4;

/** First thing in every step: measures how late we are. */
export function noteLateness(turn: Turn): void {
  const { state, nowMs } = turn;
  // The first tick only shows how long the thread took to start.
  if (state.phase === 'starting') return;
  const { keepaliveMs } = state.config;
  const lateMs = nowMs - state.dueMs;
  if (lateMs <= keepaliveMs * TOLERATED_PART) return;
  state.holdUntilMs = Math.max(state.holdUntilMs, nowMs + Math.min(lateMs, keepaliveMs));
  if (lateMs > state.longestStallMs) state.longestStallMs = lateMs;
  if (state.dueMs === state.stalledDueMs) return;
  state.stalledDueMs = state.dueMs;
  state.stalls += 1;
  if (lateMs >= keepaliveMs) log(turn, 'WARN', `Own heartbeat late by ${Math.round(lateMs)} ms: this node was stalled`);

  const { self } = state;
  if (state.mute || self.lastStatusMs === null || nowMs - self.lastStatusMs < limitMs(state, self)) return;
  state.mute = true;
  state.restartAsked = true;
  log(turn, 'WARN', `node ${self.name}: is dead`);
  log(turn, 'ERROR', 'No local heartbeat. Forcing restart.');
  turn.out.push({ type: 'restart', reason: 'own-heart-stopped', node: self.name, afterMs: ms(0) });
}
