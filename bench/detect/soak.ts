/**
 * A pair that is left alone: who declares a death that is none, what it costs, and how evenly the heartbeats come.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Match, Timing } from '../peers/peer.ts';
import { cpuSinceMs, residentMb, threadTimes } from '../peers/processes.ts';
import type { LabArena } from './arena.ts';
import type { SoakRecord } from './records.ts';
import { spreadOf } from './statistics.core.ts';

/** @param episodeMs reactions that come closer than this belong to one decision [ms] */
export async function soak(
  arena: LabArena,
  match: Match,
  timing: Timing,
  seconds: number,
  episodeMs = 100,
): Promise<Omit<SoakRecord, 'type' | 'peer' | 'keepaliveMs' | 'deadtimeMs' | 'medium' | 'load'>> {
  const { referee } = arena;
  const arrivalsMs: number[] = [];
  let episodes = 0;
  let reactedMs = Number.NEGATIVE_INFINITY;
  referee.onPacket = (packet) => {
    if (match.isHeartbeat(packet)) arrivalsMs.push(packet.atMs);
    if (!match.isReaction(packet)) return;
    if (packet.atMs - reactedMs > episodeMs) episodes += 1;
    reactedMs = packet.atMs;
  };
  const [deathsBefore, cpuBefore] = [match.deaths(), threadTimes(match.survivorPids())];
  try {
    await delay(seconds * 1_000);
  } finally {
    referee.onPacket = null;
  }
  // Asked anew: a node that has restarted itself has other processes.
  const pids = match.survivorPids();
  const [deaths, cpu] = [match.deaths(), cpuSinceMs(cpuBefore, pids)];
  const gapsMs = arrivalsMs.slice(1).map((atMs, index) => atMs - (arrivalsMs[index] ?? atMs));
  const jitter = spreadOf(gapsMs.map((gapMs) => Math.abs(gapMs - timing.keepaliveMs)));
  return {
    seconds,
    // A node that has restarted itself says nothing any more; the wire still does.
    falseDeaths: Math.max(episodes, (deaths ?? 0) - (deathsBefore ?? 0)),
    cpuPerBeatUs: (cpu / ((seconds * 1_000) / timing.keepaliveMs)) * 1_000,
    residentMb: residentMb(pids),
    jitterMs: jitter?.p99 ?? null,
    longestGapMs: Math.max(0, ...gapsMs),
  };
}
