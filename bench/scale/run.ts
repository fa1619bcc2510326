/**
 * One node of a program and a crowd of simulated ones, in a laboratory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import { openArena } from '../detect/arena.ts';
import { type Spread, spreadOf } from '../detect/statistics.core.ts';
import { cpuSinceMs, residentMb, threadTimes } from '../peers/processes.ts';
import { authkeysFile, memberName, memberOf } from './member.core.ts';
import { type Program, startTracker, type Tracker } from './trackers.ts';

export interface ScalePlan {
  /** What runs on the node. */
  readonly program: Program;
  /** Simulated peers; a node refuses more than 99. */
  readonly peers: number;
  readonly keepaliveMs: number;
  readonly deadtimeMs: number;
  /** How long nothing happens, for CPU and false deaths [s]. */
  readonly seconds: number;
  /** How many peers are silenced, one after the other and the last half of them at once [0..peers]. */
  readonly deaths: number;
}

export interface ScaleResult extends ScalePlan {
  /** Of all processes of the node, as a part of one core [0..]. */
  readonly cpuShare: number;
  /** Statuses of the crowd that arrived at the node in that time. */
  readonly beatsHeard: number;
  /** CPU time for one heartbeat heard [µs]; the node's own, sent to all with one packet, are not counted. */
  readonly cpuPerBeatUs: number;
  readonly residentMb: number;
  /**
   * From the last heartbeat on the wire to the decision, less the dead time [ms]; null without deaths. Of 3.0.6 the decision is the packet that shows it.
   */
  readonly overheadMs: Spread | null;
  /** Peers that were silenced and not found dead within {@link patienceMs}. */
  readonly missed: number;
  /** Peers declared dead that beat. */
  readonly falseDeaths: number;
}

/** Longest wait for a decision beyond the dead time [ms]. */
const patienceMs = 10_000;
const key = 'crowd';

/** @param progress told what is being done */
export async function measureScale(plan: ScalePlan, progress: (what: string) => void): Promise<ScaleResult> {
  const arena = await openArena(30, 'ucast');
  const crowdProcesses: LabProcess[] = [];
  try {
    const { survivor: node, victim: crowdHost, referee } = arena;
    node.configure({ haCf: haCf(plan, node.name, arena.victimAddress), haresources: '', authkeys: authkeysFile(key) });
    const heardMs = new Map<number, number>();
    let beats = 0;
    let tracker: Tracker | null = null;
    referee.onPacket = (packet) => {
      tracker?.onPacket(packet);
      const number = packet.way === 'in' ? memberOf(packet.payload) : null;
      if (number === null) return;
      heardMs.set(number, packet.atMs);
      beats += 1;
    };
    progress(`${plan.program}: ${plan.peers} peers at ${plan.keepaliveMs}/${plan.deadtimeMs} start`);
    const crowd = new LabProcess([
      ...crowdHost.enterNetwork,
      process.execPath,
      fileURLToPath(new URL('./crowd.ts', import.meta.url)),
      arena.victimAddress,
      arena.survivorAddress,
      String(plan.peers),
      String(plan.keepaliveMs),
      String(plan.deadtimeMs),
      key,
    ]);
    crowdProcesses.push(crowd);
    await eventually(
      () => {
        if (!crowd.running) throw new Error(crowd.stderr.trim());
        return crowd.stdout.includes('ready');
      },
      { what: 'the simulated nodes', timeoutMs: 30_000, intervalMs: 20 },
    );
    const started = await startTracker(plan.program, arena);
    tracker = started;
    await eventually(async () => (await started.activePeers()) === plan.peers, {
      what: 'all nodes to be active',
      timeoutMs: 60_000,
      intervalMs: 100,
    });
    // A node that has just started still compiles its code.
    await delay(3_000);

    const decidedMs = new Map<number, number>();
    const stopped = new Set<number>();
    let falseDeaths = 0;
    started.onDeath((number, atMs) => {
      if (stopped.has(number)) decidedMs.set(number, atMs);
      else falseDeaths += 1;
    });
    try {
      progress(`left alone for ${plan.seconds} s`);
      const cpuBefore = threadTimes(started.pids());
      const [beginMs, beatsBefore] = [performance.now(), beats];
      await delay(plan.seconds * 1_000);
      const usedMs = cpuSinceMs(cpuBefore, started.pids());
      const [elapsedMs, beatsHeard] = [performance.now() - beginMs, beats - beatsBefore];
      const memoryMb = residentMb(started.pids());

      progress(`${plan.deaths} deaths`);
      for (const number of shuffled(plan.peers).slice(0, plan.deaths)) {
        stopped.add(number);
        crowd.write(`stop ${number}\n`);
        // The first half one by one, at any phase of the period; then all that are left at once.
        if (stopped.size <= plan.deaths / 2) await delay(Math.random() * 2 * plan.keepaliveMs);
      }
      const allDecided = eventually(() => decidedMs.size === stopped.size, {
        what: 'all deaths',
        timeoutMs: plan.deadtimeMs + patienceMs,
        intervalMs: 20,
      });
      const missed = await allDecided.then(
        () => 0,
        () => stopped.size - decidedMs.size,
      );
      await referee.caughtUp(Number(process.hrtime.bigint()) / 1e6);
      const overheads = [...decidedMs].flatMap(([number, atMs]) => {
        const lastMs = heardMs.get(number);
        return lastMs === undefined ? [] : [atMs - lastMs - plan.deadtimeMs];
      });
      return {
        ...plan,
        cpuShare: usedMs / elapsedMs,
        beatsHeard,
        cpuPerBeatUs: (usedMs * 1_000) / Math.max(1, beatsHeard),
        residentMb: memoryMb,
        overheadMs: spreadOf(overheads),
        missed,
        falseDeaths,
      };
    } finally {
      started.close();
    }
  } finally {
    for (const crowd of crowdProcesses) await crowd.kill();
    await arena.close();
  }
}

function haCf(plan: ScalePlan, name: string, crowdAddress: string): string {
  const names = Array.from({ length: plan.peers }, (_, index) => memberName(index + 1));
  return [
    'logfile /var/log/ha-log',
    'logfacility none',
    `keepalive ${plan.keepaliveMs}ms`,
    // Late heartbeats are not what is measured, and each would be a line in the log.
    `warntime ${plan.deadtimeMs}ms`,
    `deadtime ${plan.deadtimeMs}ms`,
    'initdead 10',
    'auto_failback on',
    `ucast eth0 ${crowdAddress}`,
    'rtprio 30',
    `node ${name}`,
    // Lines of ha.cf have a limited length.
    ...Array.from({ length: Math.ceil(names.length / 20) }, (_, index) => {
      const some = names.slice(index * 20, (index + 1) * 20);
      return `node ${some.join(' ')}`;
    }),
    '',
  ].join('\n');
}

/** 1 to `count` in any order. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ({ number: index + 1, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ number }) => number);
}
