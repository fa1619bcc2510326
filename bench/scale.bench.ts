/**
 * One node that tracks many: what it costs, and how late it finds deaths. Needs root (network namespaces).
 *
 *     node bench/scale.bench.ts [--peers 99] [--keepalive 100] [--deadtime 300] [--seconds 20] [--deaths 50] [--json]
 *
 * The peers are simulated by one process with the project's own codec; their heartbeats are signed and go over the wire. Overhead: from a peer's
 * last heartbeat, as a capture on the node's interface stamps it, to the node's decision, less the dead time. A cluster has at most 100 nodes, as
 * with Heartbeat 3.0.6: the node itself and 99 peers.
 */
import { parseArgs } from 'node:util';
import { shortNumber } from './detect/statistics.core.ts';
import { measureScale } from './scale/run.ts';

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '99' },
    keepalive: { type: 'string', default: '100' },
    deadtime: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '20' },
    deaths: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const result = await measureScale(
  {
    peers: Number(values.peers),
    keepaliveMs: Number(values.keepalive),
    deadtimeMs: Number(values.deadtime),
    seconds: Number(values.seconds),
    deaths: Number(values.deaths),
  },
  (what) => process.stderr.write(`scale: ${what}\n`),
);
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  const { overheadMs: overhead } = result;
  const row = (name: string, value: string): string => `${name.padEnd(52)} ${value}\n`;
  process.stdout.write(
    [
      row('CPU, of one core', `${(result.cpuShare * 100).toFixed(1)} %`),
      row('CPU for one heartbeat heard', `${result.cpuPerBeatUs.toFixed(0)} µs`),
      row('memory of all processes, resident', `${result.residentMb.toFixed(0)} MB`),
      row(`false deaths in ${result.seconds} s`, String(result.falseDeaths)),
      row(
        `death found past the deadline, median / p90 / p99 / worst of ${overhead?.count ?? 0}`,
        overhead === null
          ? '–'
          : `${[overhead.median, overhead.p90, overhead.p99, overhead.worst].map(shortNumber).join(' / ')} ms`,
      ),
      row('deaths not found', String(result.missed)),
    ].join(''),
  );
}
