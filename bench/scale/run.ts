/**
 * One Systole node and a crowd of simulated ones, in a laboratory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { adminEvents, adminRequest } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import { openArena } from '../detect/arena.ts';
import { type Spread, spreadOf } from '../detect/statistics.core.ts';
import { CpuMeter, descendants, residentMb } from '../peers/processes.ts';
import { authkeysFile, memberName, memberOf } from './member.core.ts';

export interface ScalePlan {
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
  /** CPU time for one heartbeat heard [µs]; the node's own, sent to all with one packet, are not counted. */
  readonly cpuPerBeatUs: number;
  readonly residentMb: number;
  /** From the last heartbeat on the wire to the decision, less the dead time [ms]; null without deaths. */
  readonly overheadMs: Spread | null;
  /** Peers that were silenced and not found dead within {@link patienceMs}. */
  readonly missed: number;
  /** Peers declared dead that beat. */
  readonly falseDeaths: number;
}

/** Longest wait for a decision beyond the dead time [ms]. */
const patienceMs = 10_000;
const key = 'crowd';

const statusAnswer = v.object({ nodes: v.array(v.object({ name: v.string(), status: v.string() })) });
const deathEvent = v.object({ event: v.literal('node.dead'), node: v.string(), decidedMs: v.number() });

/** @param progress told what is being done */
export async function measureScale(plan: ScalePlan, progress: (what: string) => void): Promise<ScaleResult> {
  const arena = await openArena(30, 'ucast');
  const crowdProcesses: LabProcess[] = [];
  try {
    const { survivor: node, victim: crowdHost, referee } = arena;
    node.configure({ haCf: haCf(plan, node.name, arena.victimAddress), haresources: '', authkeys: authkeysFile(key) });
    const heardMs = new Map<number, number>();
    referee.onPacket = (packet) => {
      const number = packet.way === 'in' ? memberOf(packet.payload) : null;
      if (number !== null) heardMs.set(number, packet.atMs);
    };
    progress(`${plan.peers} peers at ${plan.keepaliveMs}/${plan.deadtimeMs} start`);
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
    const daemon = node.startSystole();
    const socket = node.outside(adminSocketPath('/var/run/heartbeat'));
    await eventually(
      async () => {
        if (!daemon.running) throw new Error(daemon.stderr.trim());
        const answer = await adminRequest(socket, 'status', {}, 5_000);
        if (answer.kind !== 'result') return false;
        const { nodes } = v.parse(statusAnswer, answer.result);
        return nodes.filter((one) => one.status === 'active').length === plan.peers + 1;
      },
      { what: 'all nodes to be active', timeoutMs: 60_000, intervalMs: 100 },
    );
    // A node that has just started still compiles its code.
    await delay(3_000);

    const decidedMs = new Map<number, number>();
    const stopped = new Set<number>();
    let falseDeaths = 0;
    const events = adminEvents(socket, (event) => {
      const death = v.safeParse(deathEvent, event);
      const number = death.success ? Number(/^m(\d+)$/.exec(death.output.node)?.[1]) : Number.NaN;
      if (!death.success || Number.isNaN(number)) return;
      if (stopped.has(number)) decidedMs.set(number, death.output.decidedMs);
      else falseDeaths += 1;
    });
    try {
      progress(`left alone for ${plan.seconds} s`);
      const pids = (): readonly number[] =>
        node.processes().flatMap((entry) => (entry.title.includes('heartbeatd') ? descendants(entry.pid) : []));
      const cpu = new CpuMeter(pids());
      const beginMs = performance.now();
      await delay(plan.seconds * 1_000);
      const elapsedMs = performance.now() - beginMs;
      const cpuShare = cpu.sample(pids()) / elapsedMs;
      const memoryMb = residentMb(pids());

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
        cpuShare,
        cpuPerBeatUs: (cpuShare * 1_000 * plan.keepaliveMs) / plan.peers,
        residentMb: memoryMb,
        overheadMs: spreadOf(overheads),
        missed,
        falseDeaths,
      };
    } finally {
      events.close();
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
    `deadtime ${plan.deadtimeMs}ms`,
    'initdead 10',
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
