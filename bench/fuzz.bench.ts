/**
 * Millions of damaged packets through the decoder and the membership core: how many a second, what became of them, and the seed of everything
 * that must not be.
 *
 * `node bench/fuzz.bench.ts [--packets N] [--first ROUND] [--threads N] [--json]`; N is 10 000 000 by default, in rounds of 2 000. A finding
 * names its round: `--first ROUND --packets 2000` finds it again. The exit code is 1 when there is one.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as v from 'valibot';
import { corpusMessages } from './fuzz/corpus.ts';
import { addTallies, fuzzRound, makeOriginals, roundPackets, type Tally } from './fuzz/fuzz.core.ts';

/** The rounds of one thread: `first`, `first + step`, … below `end`. */
const share = v.object({ first: v.number(), step: v.number(), end: v.number() });
type Share = v.InferOutput<typeof share>;

/** How many rounds become one report, so that a long run does not look like a hanging one. */
const roundsAtOnce = 50;

function work({ first, step, end }: Share, report: (tally: Tally) => void): void {
  const originals = makeOriginals(corpusMessages());
  let tallies: Tally[] = [];
  for (let round = first; round < end; round += step) {
    tallies.push(fuzzRound(round, originals));
    if (tallies.length < roundsAtOnce && round + step < end) continue;
    report(addTallies(tallies));
    tallies = [];
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      packets: { type: 'string', default: '10000000' },
      first: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Math.ceil(Number(values.packets) / roundPackets);
  const first = Number(values.first);
  const threads = Math.min(Number(values.threads), rounds);
  const startMs = performance.now();
  let total: Tally = addTallies([]);
  let shownPackets = 0;
  const onReport = (tally: Tally): void => {
    total = addTallies([total, tally]);
    if (values.json || total.packets - shownPackets < 1_000_000) return;
    shownPackets = total.packets;
    process.stderr.write(`${(total.packets / 1e6).toFixed(1)} million, ${total.findings.length} findings\n`);
  };
  await Promise.all(
    Array.from({ length: threads }, (_, index) => {
      const part: Share = { first: first + index, step: threads, end: first + rounds };
      const worker = new Worker(new URL(import.meta.url), { workerData: part });
      worker.on('message', onReport);
      return new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      });
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const packetsPerSecond = Math.round(total.packets / seconds);
  if (values.json)
    process.stdout.write(`${JSON.stringify({ ...total, seconds, threads, packetsPerSecond }, null, 2)}\n`);
  else process.stdout.write(text(total, `${threads} threads, ${seconds.toFixed(0)} s, ${packetsPerSecond} packets/s`));
  process.exitCode = total.packets < rounds * roundPackets || total.findings.length > 0 ? 1 : 0;
}

function text({ packets, counts, findings }: Tally, how: string): string {
  const rows = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return [
    `${packets} packets, ${how}`,
    ...rows.map(([what, count]) => `${String(count).padStart(10)}  ${what}`),
    ...(findings.length === 0
      ? ['no findings']
      : findings.map((found) => `FOUND in round ${found.round}, packet ${found.packet}: ${found.what}`)),
    '',
  ].join('\n');
}

if (isMainThread) await main();
else work(v.parse(share, workerData), (tally) => parentPort?.postMessage(tally, []));
