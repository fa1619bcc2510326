/**
 * One node that tracks many: what it costs, and how late it finds deaths. Needs root (network namespaces).
 *
 *     node bench/scale.bench.ts [--beside] [--peers 99] [--keepalive 100] [--deadtime 300] [--seconds 20] [--deaths 50] [--json]
 *
 * The peers are simulated by one process with the project's own codec; their heartbeats are signed and go over the wire. Overhead: from a peer's
 * last heartbeat, as a capture on the node's interface stamps it, to the node's decision, less the dead time. A cluster has at most 100 nodes, as
 * with Heartbeat 3.0.6: the node itself and 99 peers.
 *
 * `--beside`: afterwards the same with the real heartbeat 3.0.6 as the node. `--json`: one line for each of the two.
 */
import { parseArgs } from 'node:util';
import { shortNumber } from './detect/statistics.core.ts';
import { measureScale, type ScaleResult } from './scale/run.ts';
import { missingProgram, type Program, programs } from './scale/trackers.ts';

const { values } = parseArgs({
  options: {
    beside: { type: 'boolean', default: false },
    peers: { type: 'string', default: '99' },
    keepalive: { type: 'string', default: '100' },
    deadtime: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '20' },
    deaths: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const wanted: readonly Program[] = values.beside ? programs : ['systole'];
for (const program of wanted) {
  const why = missingProgram(program);
  if (why !== null) throw new Error(`${program}: ${why}`);
}

const results: ScaleResult[] = [];
for (const program of wanted) {
  const result = await measureScale(
    {
      program,
      peers: Number(values.peers),
      keepaliveMs: Number(values.keepalive),
      deadtimeMs: Number(values.deadtime),
      seconds: Number(values.seconds),
      deaths: Number(values.deaths),
    },
    (what) => process.stderr.write(`scale: ${what}\n`),
  );
  results.push(result);
  // At once: the other one may fail.
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
}
if (!values.json) {
  const row = (name: string, value: (result: ScaleResult) => string): string =>
    `${name.padEnd(54)} ${results.map((result) => value(result).padEnd(26)).join(' ')}`.trimEnd();
  const lines = [
    row('', ({ program }) => program),
    row('CPU, of one core', ({ cpuShare }) => `${(cpuShare * 100).toFixed(1)} %`),
    row('heartbeats heard', ({ beatsHeard, seconds }) => `${beatsHeard} in ${seconds} s`),
    row('CPU for one heartbeat heard', ({ cpuPerBeatUs }) => `${cpuPerBeatUs.toFixed(0)} µs`),
    row('memory of all processes, resident', (result) => `${result.residentMb.toFixed(0)} MB`),
    row('false deaths', ({ falseDeaths }) => String(falseDeaths)),
    row('deaths found', ({ overheadMs, deaths }) => `${overheadMs?.count ?? 0} of ${deaths}`),
    row('death past the deadline, median / p90 / p99 / worst', ({ overheadMs: overhead }) =>
      overhead === null
        ? '–'
        : `${[overhead.median, overhead.p90, overhead.p99, overhead.worst].map(shortNumber).join(' / ')} ms`,
    ),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
