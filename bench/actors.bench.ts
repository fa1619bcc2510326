/**
 * What an actor costs: latency and throughput of casts between two actors beside bare `postMessage` between two bare workers in the same run,
 * and start time, memory and killing of whole actors.
 *
 * Usage: node bench/actors.bench.ts [--json] [--quick]
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type ChildSpec, ms, Supervisor } from '../runtime/index.ts';
import type { Measured, Plan } from '../test/fixtures/actors/bench-measure.ts';
import type { PartnerProtocol } from '../test/fixtures/actors/bench-partner.ts';

const json = process.argv.includes('--json');
const quick = process.argv.includes('--quick');
const plan: Plan = quick ? { rounds: 500, bursts: 20, burst: 200 } : { rounds: 20_000, bursts: 400, burst: 500 };
/** Each side is measured that many times, alternately, and the best of each is shown: the noise of other work only ever slows down. */
const repeats = quick ? 1 : 3;
const crowd = quick ? 3 : 10;

function partner(
  id: string,
  other: string,
  change: Partial<ChildSpec<PartnerProtocol>> = {},
): ChildSpec<PartnerProtocol> {
  const module = new URL('../test/fixtures/actors/bench-partner.ts', import.meta.url);
  return { id, module, init: { partner: other }, refs: [other], hangMs: ms(60_000), startMs: ms(60_000), ...change };
}

async function measureActors(): Promise<Measured> {
  const left = partner('left', 'right');
  const supervisor = new Supervisor({ children: [left, partner('right', 'left')] });
  await supervisor.start();
  const handle = supervisor.child(left);
  const measured = new Promise<Measured>((resolve) => {
    handle.onEmit(resolve);
  });
  handle.cast({ type: 'measure', ...plan });
  const result = await measured;
  await supervisor.stop();
  return { p50Us: result.p50Us, p99Us: result.p99Us, perSecond: result.perSecond };
}

async function measureBare(): Promise<Measured> {
  const { port1, port2 } = new MessageChannel();
  const script = new URL('../test/fixtures/actors/bench-bare.ts', import.meta.url);
  const right = new Worker(script, { workerData: { port: port2, plan: null }, transferList: [port2] });
  await once(right, 'online');
  const left = new Worker(script, { workerData: { port: port1, plan }, transferList: [port1] });
  const [result]: Measured[] = await once(left, 'message');
  await Promise.all([left.terminate(), right.terminate()]);
  if (result === undefined) throw new Error('the bare workers measured nothing');
  return result;
}

interface Crowd {
  readonly startMs: number;
  readonly memoryMb: number;
  readonly killAllMs: number;
}

/** Starts a crowd of actors one after the other, and kills all at once. */
async function measureCrowd(change: Partial<ChildSpec<PartnerProtocol>>): Promise<Crowd> {
  const supervisor = new Supervisor({ children: [] });
  const tookMs: number[] = [];
  supervisor.onEvent((event) => {
    if (event.type === 'ready') tookMs.push(event.tookMs);
  });
  await supervisor.start();
  await supervisor.add(partner('first', 'none', change));
  const beforeBytes = process.memoryUsage.rss();
  for (let i = 0; i < crowd; i += 1) await supervisor.add(partner(`actor:${i}`, 'none', change));
  const memoryMb = (process.memoryUsage.rss() - beforeBytes) / crowd / 1e6;
  const killedAt = performance.now();
  await supervisor.killAll();
  const sorted = tookMs.toSorted((a, b) => a - b);
  return { startMs: sorted[sorted.length >> 1] ?? 0, memoryMb, killAllMs: performance.now() - killedAt };
}

function best(results: readonly Measured[]): Measured {
  return {
    p50Us: Math.min(...results.map((result) => result.p50Us)),
    p99Us: Math.min(...results.map((result) => result.p99Us)),
    perSecond: Math.max(...results.map((result) => result.perSecond)),
  };
}

/** Memory is measured in a process of its own: what one crowd gave back would hide what the next one takes. */
function crowdInOwnProcess(limits: 'small' | 'large'): Crowd {
  const args = [import.meta.filename, '--crowd', limits, ...(quick ? ['--quick'] : [])];
  const crowdResult: Crowd = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  return crowdResult;
}

async function compare(): Promise<void> {
  const actorRuns: Measured[] = [];
  const bareRuns: Measured[] = [];
  for (let i = 0; i < repeats; i += 1) {
    bareRuns.push(await measureBare());
    actorRuns.push(await measureActors());
  }
  const cast = best(actorRuns);
  const bare = best(bareRuns);
  const small = crowdInOwnProcess('small');
  const large = crowdInOwnProcess('large');
  if (json) {
    console.log(JSON.stringify({ node: process.version, plan, cast, bare, actors: { crowd, small, large } }));
  } else {
    console.table([castRow('cast between actors', cast), castRow('bare postMessage', bare)]);
    console.table([crowdRow('default limits', small), crowdRow('as the main thread', large)]);
  }
}

function castRow(what: string, { p50Us, p99Us, perSecond }: Measured): object {
  return {
    what,
    'p50 one way [µs]': p50Us.toFixed(1),
    'p99 one way [µs]': p99Us.toFixed(1),
    'messages/s': Math.round(perSecond),
  };
}

function crowdRow(what: string, { startMs, memoryMb, killAllMs }: Crowd): object {
  return {
    limits: what,
    'start, median [ms]': startMs.toFixed(1),
    'resident memory each [MB]': memoryMb.toFixed(1),
    [`killAll of ${crowd + 1} [ms]`]: killAllMs.toFixed(1),
  };
}

const asked = process.argv.indexOf('--crowd');
if (asked < 0) {
  await compare();
} else {
  // A young generation as large as V8 gives the main thread of a server.
  const large = { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 2048, codeRangeSizeMb: 0 };
  const change = process.argv[asked + 1] === 'large' ? { resourceLimits: large } : {};
  console.log(JSON.stringify(await measureCrowd(change)));
}
