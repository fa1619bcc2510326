/**
 * One trial: a healthy pair, one fault, and everything that can be seen of the survivor's answer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, WaitTimeoutError } from '../../test/net/lab/wait.ts';
import type { Fault, Match, Peer, Timing } from '../peers/peer.ts';
import { sendSignal } from '../peers/processes.ts';
import type { LabArena } from './arena.ts';
import { judgeTrial, type TrialFigures } from './trial.core.ts';

export type TrialResult =
  | { readonly outcome: 'detected'; readonly figures: TrialFigures }
  /** Dead before anything had been done to the victim. */
  | { readonly outcome: 'false-death' }
  | { readonly outcome: 'missed'; readonly why: string };

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Longest wait for a decision beyond the dead time [ms]; the real heartbeat takes up to 400. */
const patienceMs = 5_000;
/** How long after the decision an address, its announcement and a statement are waited for [ms]. */
const takeoverMs = 1_500;

/** The pair must be steady; afterwards it is not: see {@link recover}. */
export async function runTrial(
  arena: LabArena,
  peer: Peer,
  match: Match,
  timing: Timing,
  deadtimeMs: number,
  fault: Fault,
): Promise<TrialResult> {
  const { referee } = arena;
  const readyMs = now();
  // Any phase of the heartbeat's period, so that the fault is not in step with it.
  await delay(100 + Math.random() * Math.min(timing.keepaliveMs, 100) + Math.random() * 3);
  if (match.decidedMs(readyMs) !== null) return { outcome: 'false-death' };
  const faultMs = await setFault(arena, match, fault);
  const sign = (): boolean => match.decidedMs(faultMs) !== null || reaction() !== null || address() !== null;
  const reaction = (): number | null =>
    referee.packets.find((packet) => packet.atMs >= faultMs && match.isReaction(packet))?.atMs ?? null;
  const address = (): number | null =>
    referee.addresses.find(
      ({ atMs, change, address: which }) => atMs >= faultMs && change === 'added' && which === arena.serviceAddress,
    )?.atMs ?? null;
  const announcement = (): number | null =>
    referee.arps.find(({ atMs, way, sender }) => atMs >= faultMs && way === 'out' && sender === arena.serviceAddress)
      ?.atMs ?? null;
  try {
    await eventually(sign, { what: 'a decision', timeoutMs: deadtimeMs + patienceMs, intervalMs: 5 });
    if (peer.takesAddress)
      await eventually(() => announcement() !== null, { what: 'the address', timeoutMs: takeoverMs, intervalMs: 5 });
    // Its own words take longer than its deeds.
    if (peer.statesDeaths === true)
      await eventually(() => match.decidedMs(faultMs) !== null, {
        what: 'its statement',
        timeoutMs: takeoverMs,
        intervalMs: 5,
      });
  } catch (error) {
    if (!(error instanceof WaitTimeoutError)) throw error;
    if (!sign()) return { outcome: 'missed', why: error.message };
  }
  await referee.caughtUp(now());
  const figures = judgeTrial({
    faultMs,
    deadtimeMs,
    heartbeatsMs: referee.packets.filter((packet) => match.isHeartbeat(packet)).map((packet) => packet.atMs),
    statedMs: match.decidedMs(faultMs),
    reactionMs: reaction(),
    addressMs: address(),
    arpMs: announcement(),
  });
  return figures === null ? { outcome: 'missed', why: 'no heartbeat was captured' } : { outcome: 'detected', figures };
}

/** @returns when it was set (a cut: when it was ordered) [ms] */
async function setFault(arena: LabArena, match: Match, fault: Fault): Promise<number> {
  const faultMs = now();
  if (fault === 'cut') await arena.lab.network().cut(arena.victim.name);
  else for (const pid of match.victimPids()) sendSignal(pid, fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  return faultMs;
}

/** Takes the fault away and makes the pair whole again. */
export async function recover(arena: LabArena, match: Match, fault: Fault): Promise<void> {
  if (fault === 'cut') await arena.lab.network().heal(arena.victim.name);
  await match.recover(fault);
  await match.steady();
}
