/**
 * What one node costs and how fast it is, measured on loopback without root: time to the first heartbeat, memory, CPU when idle, and
 * detection at keepalive 100 ms / deadtime 300 ms.
 *
 *     node bench/node.bench.ts [--json] [--trials 20]
 *
 * Detection overhead is the survivor's own account: silence at the decision minus the limit in force, both on the monotonic clock. The
 * benchmark with an independent referee and the peers beside it is `systole bench detect`.
 */
import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { adminEvents } from '../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../runtime/bin/directories.ts';
import { endNode, monotonicMs as now, startNode, waitForStatus } from './loopback/node.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, trials: { type: 'string', default: '20' } },
});
const trials = Number(values.trials);

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const summarize = (samples: readonly number[]): { median: number; p90: number; worst: number } => {
  const sorted = [...samples].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p90: quantile(sorted, 0.9), worst: sorted.at(-1) ?? Number.NaN };
};

/** From the start of the process to its first datagram at the peer's address [ms]. */
async function firstHeartbeat(root: string, port: number): Promise<number> {
  const listener = createSocket('udp4');
  await new Promise<void>((resolve) => listener.bind(port, '127.0.0.2', resolve));
  const heard = new Promise<number>((resolve) => listener.once('message', () => resolve(now())));
  const node = startNode(root, port, 1, 2, 1, { keepalive: '1', deadtime: '30', initdead: '60' });
  const tookMs = (await heard) - node.spawnedMs;
  listener.close();
  await endNode(node, 'SIGTERM');
  return tookMs;
}

/** The pids of a process and of all its descendants. */
function processTree(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
  return [pid, ...children.flatMap(processTree)];
}

function parentOf(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[1]);
  } catch {
    return null;
  }
}

/** Megabytes of a field of /proc/PID/smaps_rollup. */
function memoryMb(pid: number, name: 'Rss' | 'Pss'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
  return Number(line?.[1] ?? Number.NaN) / 1_024;
}

/** CPU time that a process tree has used [ms] (fields 14 and 15 of stat, in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const used = (one: number): number => {
    const fields = readFileSync(`/proc/${one}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  return processTree(pid).reduce((sum, one) => sum + used(one), 0);
}

interface Footprint {
  readonly daemonRssMb: number;
  readonly daemonPssMb: number;
  readonly companionRssMb: number;
  readonly idleCpuPercent: number;
}

/** Two nodes with two media each at keepalive 1 s: memory of one of them, and its CPU over ten seconds. */
async function footprint(root: string, port: number): Promise<Footprint> {
  const times = { keepalive: '1', deadtime: '10', initdead: '15' };
  const nodes = [startNode(root, port, 1, 2, 2, times), startNode(root, port, 2, 1, 2, times)] as const;
  for (const node of nodes) await waitForStatus(node, 'active');
  await delay(5_000);
  const pid = nodes[0].process.pid ?? 0;
  const [cpuBefore, before] = [cpuMs(pid), now()];
  await delay(10_000);
  const idleCpuPercent = ((cpuMs(pid) - cpuBefore) / (now() - before)) * 100;
  const companions = processTree(pid).slice(1);
  const result = {
    daemonRssMb: memoryMb(pid, 'Rss'),
    daemonPssMb: memoryMb(pid, 'Pss'),
    companionRssMb: companions.reduce((sum, one) => sum + memoryMb(one, 'Rss'), 0),
    idleCpuPercent,
  };
  await Promise.all(nodes.map((node) => endNode(node, 'SIGTERM')));
  return result;
}

/** kill -9 of one node of two at 100/300, again and again: how far past its limit the survivor decided [ms]. */
async function detection(root: string, port: number): Promise<number[]> {
  const times = { keepalive: '100ms', deadtime: '300ms', initdead: '2' };
  const survivor = startNode(root, port, 1, 2, 1, times);
  await waitForStatus(survivor, 'up');
  const overheads: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const victim = startNode(root, port, 2, 1, 1, times);
    await waitForStatus(victim, 'active');
    // Any phase of the heartbeat's period, so that the kill is not in step with it.
    await delay(200 + Math.random() * 100);
    const death = new Promise<number>((resolve) => {
      const stream = adminEvents(
        adminSocketPath(survivor.runDir),
        (event) => {
          if (typeof event !== 'object' || event === null || !('event' in event) || event.event !== 'node.dead') return;
          if (!('silentMs' in event) || !('limitMs' in event)) return;
          stream.close();
          resolve(Number(event.silentMs) - Number(event.limitMs));
        },
        () => void endNode(victim, 'SIGKILL'),
      );
    });
    overheads.push(await death);
    if (!values.json) process.stderr.write(`\rdetection: ${trial + 1}/${trials}`);
  }
  if (!values.json) process.stderr.write('\n');
  await endNode(survivor, 'SIGTERM');
  return overheads;
}

const root = mkdtempSync(join(tmpdir(), 'systole-bench-'));
const port = 20_000 + (process.pid % 20_000);
try {
  const starts: number[] = [];
  for (let trial = 0; trial < 5; trial++) starts.push(await firstHeartbeat(join(root, `first${trial}`), port));
  const start = summarize(starts);
  const cost = await footprint(join(root, 'footprint'), port);
  const overhead = summarize(await detection(join(root, 'detection'), port));
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ firstHeartbeatMs: start, ...cost, detectionOverheadMs: overhead, trials })}\n`,
    );
  } else {
    const row = (name: string, value: string): string => `${name.padEnd(58)} ${value}\n`;
    process.stdout.write(
      row(
        'first heartbeat after process start, median / worst of 5',
        `${start.median.toFixed(0)} / ${start.worst.toFixed(0)} ms`,
      ),
    );
    process.stdout.write(
      row(
        'memory of the daemon with two media, resident / proportional',
        `${cost.daemonRssMb.toFixed(0)} / ${cost.daemonPssMb.toFixed(0)} MB`,
      ),
    );
    process.stdout.write(row('memory of its guardian, resident', `${cost.companionRssMb.toFixed(0)} MB`));
    process.stdout.write(
      row('CPU at keepalive 1 s, all processes of a node', `${cost.idleCpuPercent.toFixed(2)} % of a core`),
    );
    process.stdout.write(
      row(
        `detection past the deadline at 100/300, median / p90 / worst of ${trials}`,
        `${overhead.median.toFixed(2)} / ${overhead.p90.toFixed(2)} / ${overhead.worst.toFixed(2)} ms`,
      ),
    );
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
