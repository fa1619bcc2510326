/**
 * Pairs of nodes that are left alone, side by side: false deaths, late heartbeats, jitter and drift of sending, CPU, memory. Needs root.
 *
 *     node bench/soak.bench.ts --timing 5/15 --for 60m --load busy [--peers systole,floor,keepalived-bfd] [--out FILE] [--no-realtime] [--no-stress]
 *
 * Ctrl-C ends it early, with the figures so far. `--out FILE` gets the records, one a line, and beside it the nodes' logs.
 *
 * `--load busy`: an endless loop for each processor, programs that come and go, writes with fsync; and for Systole itself garbage collections
 * that are forced in every thread, resource scripts whose status is asked every second, and clients that read the status in a loop (left out with
 * `--no-stress`).
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseDuration } from '../runtime/bin/duration.ts';
import { loads, parseChoice, parseTimings } from './detect/plan.core.ts';
import { peers as knownPeers } from './peers/index.ts';
import { stressedSystole } from './peers/systole.ts';
import { type ContestHandlers, runContest } from './soak/contest.ts';
import { contestTable } from './soak/table.core.ts';

const { values } = parseArgs({
  options: {
    timing: { type: 'string', default: '5/15' },
    for: { type: 'string', default: '1m' },
    load: { type: 'string', default: 'idle' },
    peers: { type: 'string', default: 'systole,floor,keepalived-bfd' },
    out: { type: 'string' },
    realtime: { type: 'boolean', default: true },
    stress: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const [timing] = parseTimings(values.timing);
const [load] = parseChoice(values.load, loads);
if (timing === undefined || load === undefined) throw new RangeError('a timing and a load are wanted');
const wanted = parseChoice(
  values.peers,
  knownPeers.map((peer) => peer.name),
);
const peers = wanted.flatMap((name) => {
  const peer =
    name === 'systole' && load === 'busy' && values.stress
      ? stressedSystole
      : knownPeers.find((one) => one.name === name);
  if (peer === undefined) return [];
  const support = peer.supports(timing);
  const obstacle = peer.missing() ?? (support.ok ? null : support.why);
  if (obstacle === null) return [peer];
  process.stderr.write(`soak: without ${name}: ${obstacle}\n`);
  return [];
});

const plan = {
  timing,
  load,
  seconds: parseDuration(values.for) / 1_000,
  realtimePriority: values.realtime ? 30 : null,
};
const { out } = values;
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
const handlers: ContestHandlers = {
  tell: (soFar, atSeconds) => {
    const shown = soFar.map(
      (record) =>
        `${record.peer} ${record.falseDeaths} (longest gap ${record.beats.victim.longestGapMs.toFixed(1)} ms)`,
    );
    process.stderr.write(`soak: ${atSeconds.toFixed(0)} of ${plan.seconds} s, false deaths: ${shown.join(', ')}\n`);
  },
  broke: (peer, why) => process.stderr.write(`soak: without ${peer} at ${values.timing}: ${why}\n`),
  log: (peer, role, text) => {
    if (out !== undefined) writeFileSync(`${out}.${peer}-${role}.log`, text);
  },
};
const records = await runContest(plan, peers, handlers, stop.signal);
if (out !== undefined) for (const record of records) appendFileSync(out, `${JSON.stringify(record)}\n`);
process.stdout.write(contestTable(records));
