/**
 * Pairs that are left alone side by side on one machine, each in a laboratory of its own: who declares deaths that are none, how evenly each
 * beats, and what it costs. The wire is the referee.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type LabArena, openArena } from '../detect/arena.ts';
import { startLoad } from '../detect/load.ts';
import { type Load, timingName } from '../detect/plan.core.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import type { Match, Peer, Timing } from '../peers/peer.ts';
import { CpuMeter, residentMb } from '../peers/processes.ts';
import { type BeatFigures, BeatLog } from './beats.core.ts';
import { DeathLog, type FalseDeath } from './deaths.core.ts';

export interface ContestPlan {
  readonly timing: Timing;
  readonly seconds: number;
  readonly load: Load;
  readonly realtimePriority: number | null;
}

/** What one pair has shown so far. */
export interface ContestRecord {
  readonly type: 'contest';
  readonly peer: string;
  /** `5/15`. */
  readonly timing: string;
  readonly load: Load;
  readonly seconds: number;
  /** Declared by either of the two nodes. */
  readonly falseDeaths: number;
  readonly deaths: readonly FalseDeath[];
  /** Beats of the one node as they arrive at the other, and the other way round as they leave. */
  readonly beats: { readonly victim: BeatFigures; readonly survivor: BeatFigures };
  /** CPU time of one node for one heartbeat sent and one received [µs]. */
  readonly cpuPerBeatUs: number;
  /** Of one node [MB]. */
  readonly residentMb: { readonly start: number; readonly end: number };
  /** Seconds after the start at which a node was found not to run any more; null: both ran to the end. What follows is missing from all figures. */
  readonly endedAtS: number | null;
  /** Packets that the referee did not see: with any, gaps may be its own. */
  readonly lost: number;
}

/** At most this many are told one by one. */
const toldDeaths = 100;
/** After the load has begun, before the watch begins [ms]: how a machine gets busy is not the question. */
const settleMs = 3_000;

export interface ContestHandlers {
  /** Called every minute with the records so far. */
  tell(records: readonly ContestRecord[], atSeconds: number): void;
  /** A pair that did not come together; the others go on without it. */
  broke(peer: string, why: string): void;
  /** What a node has written to its log file, at the end; only of programs that keep one. */
  log(peer: string, role: 'survivor' | 'victim', text: string): void;
}

/** Runs all pairs at once. @param signal ends the run early, with the records so far */
export async function runContest(
  plan: ContestPlan,
  peers: readonly Peer[],
  handlers: ContestHandlers,
  signal?: AbortSignal,
): Promise<readonly ContestRecord[]> {
  const open: { name: string; arena: LabArena; match: Match | null }[] = [];
  let endLoad = async (): Promise<void> => undefined;
  try {
    const corners = [];
    for (const peer of peers) {
      const arena = await openArena(plan.realtimePriority, 'ucast');
      const entry: (typeof open)[number] = { name: peer.name, arena, match: null };
      open.push(entry);
      try {
        const match = await peer.start(arena, plan.timing);
        entry.match = match;
        await match.steady();
        corners.push({ peer, arena, match });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        handlers.broke(peer.name, error.message.split('\n')[0] ?? '');
      }
    }
    endLoad = startLoad(plan.load);
    await delay(settleMs);
    const watches = corners.map(({ peer, arena, match }) => new Watch(plan, peer, arena, match));
    const startMs = performance.now();
    const elapsedS = (): number => (performance.now() - startMs) / 1_000;
    for (;;) {
      const leftMs = (plan.seconds - elapsedS()) * 1_000;
      if (leftMs <= 0 || signal?.aborted === true) break;
      await delay(Math.min(60_000, leftMs), undefined, signal === undefined ? {} : { signal }).catch(onlyAbort);
      handlers.tell(
        watches.map((watch) => watch.record(elapsedS())),
        elapsedS(),
      );
    }
    const seconds = elapsedS();
    return watches.map((watch) => watch.record(seconds));
  } finally {
    await endLoad();
    for (const { name, arena, match } of open) {
      arena.referee.onPacket = null;
      for (const role of ['survivor', 'victim'] as const) {
        const text = arena[role].log();
        if (text !== '') handlers.log(name, role, text);
      }
      await match?.stop();
      await arena.close();
    }
  }
}

/** An aborted wait is an early end, not a failure. */
function onlyAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}

/** Counts for one pair. */
class Watch {
  readonly #plan: ContestPlan;
  readonly #peer: Peer;
  readonly #arena: LabArena;
  readonly #match: Match;
  readonly #beats: { readonly victim: BeatLog; readonly survivor: BeatLog };
  readonly #deaths: DeathLog;
  readonly #statedBefore: number | null;
  readonly #cpu: CpuMeter;
  readonly #residentBeforeMb: number;
  readonly #lostBefore: number;
  #endedAtS: number | null = null;

  constructor(plan: ContestPlan, peer: Peer, arena: LabArena, match: Match) {
    const { keepaliveMs, deadtimeMs } = plan.timing;
    this.#plan = plan;
    this.#peer = peer;
    this.#arena = arena;
    this.#match = match;
    this.#beats = { victim: new BeatLog(keepaliveMs, deadtimeMs), survivor: new BeatLog(keepaliveMs, deadtimeMs) };
    this.#deaths = new DeathLog(Number(process.hrtime.bigint()) / 1e6, peer.episodeMs ?? 100);
    this.#statedBefore = match.deaths();
    this.#cpu = new CpuMeter(match.survivorPids());
    this.#residentBeforeMb = residentMb(match.survivorPids());
    this.#lostBefore = arena.referee.lost;
    arena.referee.onPacket = (packet) => this.#take(packet);
  }

  #take(packet: CapturedPacket): void {
    const mirrored: CapturedPacket = { ...packet, way: packet.way === 'in' ? 'out' : 'in' };
    const [sender, other] = packet.way === 'in' ? (['victim', 'survivor'] as const) : (['survivor', 'victim'] as const);
    const asSurvivor = packet.way === 'in' ? mirrored : packet;
    if (this.#match.isReaction(asSurvivor)) this.#deaths.declared(sender, packet.atMs, this.#beats[other].lastMs);
    if (this.#match.isHeartbeat(packet.way === 'in' ? packet : mirrored)) this.#beats[sender].heard(packet.atMs);
  }

  record(seconds: number): ContestRecord {
    const stated = this.#match.deaths();
    // A node that has restarted itself says nothing any more; the wire still does.
    const survivorDeaths = Math.max(this.#deaths.count('survivor'), (stated ?? 0) - (this.#statedBefore ?? 0));
    const pids = this.#match.survivorPids();
    if (pids.length === 0 || this.#match.victimPids().length === 0) this.#endedAtS ??= Math.round(seconds);
    const beatsExpected = (seconds * 1_000) / this.#plan.timing.keepaliveMs;
    return {
      type: 'contest',
      peer: this.#peer.name,
      timing: timingName(this.#plan.timing),
      load: this.#plan.load,
      seconds: Math.round(seconds),
      falseDeaths: survivorDeaths + this.#deaths.count('victim'),
      deaths: this.#deaths.deaths.slice(0, toldDeaths),
      beats: { victim: this.#beats.victim.figures(), survivor: this.#beats.survivor.figures() },
      cpuPerBeatUs: (this.#cpu.sample(pids) / beatsExpected) * 1_000,
      residentMb: { start: this.#residentBeforeMb, end: residentMb(pids) },
      endedAtS: this.#endedAtS,
      lost: this.#arena.referee.lost - this.#lostBefore,
    };
  }
}
