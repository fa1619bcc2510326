/**
 * A pair that is left alone: who declares a death that is none, what it costs, and how evenly the heartbeats come.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Match, Timing } from '../peers/peer.ts';
import { cpuMs, residentMb } from '../peers/processes.ts';
import type { LabArena } from './arena.ts';
import type { SoakRecord } from './records.ts';
import { spreadOf } from './statistics.core.ts';

/** Reactions that come closer than this belong to one decision [ms]. */
const episodeMs = 100;

export async function soak(
  arena: LabArena,
  match: Match,
  timing: Timing,
  seconds: number,
): Promise<Omit<SoakRecord, 'type' | 'peer' | 'keepaliveMs' | 'deadtimeMs' | 'load'>> {
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
  const pids = match.survivorPids();
  const [deathsBefore, cpuBefore] = [match.deaths(), cpuMs(pids)];
  try {
    await delay(seconds * 1_000);
  } finally {
    referee.onPacket = null;
  }
  const [deaths, cpu] = [match.deaths(), cpuMs(pids) - cpuBefore];
  const gapsMs = arrivalsMs.slice(1).map((atMs, index) => atMs - (arrivalsMs[index] ?? atMs));
  const jitter = spreadOf(gapsMs.map((gapMs) => Math.abs(gapMs - timing.keepaliveMs)));
  return {
    seconds,
    falseDeaths: deaths === null || deathsBefore === null ? episodes : deaths - deathsBefore,
    cpuPerBeatUs: (cpu / ((seconds * 1_000) / timing.keepaliveMs)) * 1_000,
    residentMb: residentMb(pids),
    jitterMs: jitter?.p99 ?? Number.NaN,
    longestGapMs: Math.max(0, ...gapsMs),
  };
}
