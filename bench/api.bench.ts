/**
 * What clients cost a node, and how fast they hear: nodes on loopback, as root (real time, and a capture with the kernel's time stamps).
 *
 *     node bench/api.bench.ts [--json] [--trials 20] [--seconds 30] [--clients 200]
 *
 * - From the decision that a node is dead to the event in a client of another process: for a node with that client alone, and for one with
 *   many more, where it has signed on last and so hears last. Both instants are of CLOCK_MONOTONIC.
 * - Memory of the daemon for each signed-on client.
 * - Intervals of the heartbeats on the wire: of a node without clients and, at the same time, of one with many, idle and asking; and of one
 *   that runs scripts all the time (`monitor`), which fork from its guardian.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { clientSocketPath } from '../actors/api/paths.ts';
import { type Client, connect } from '../plugins/client/index.ts';
import { adminSocketPath } from '../runtime/bin/directories.ts';
import { type Datagram, PcapReader, udpDatagram } from '../test/net/lab/pcap.core.ts';
import { LabProcess } from '../test/net/lab/process.ts';
import { eventually } from '../test/net/lab/wait.ts';
import { endNode, type LoopbackNode, monotonicMs, type NodeExtras, startNode, waitForStatus } from './loopback/node.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    trials: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
    clients: { type: 'string', default: '200' },
  },
});
const trials = Number(values.trials);
const seconds = Number(values.seconds);
const clientCount = Number(values.clients);
const keepaliveMs = 100;
const times = { keepalive: `${keepaliveMs}ms`, deadtime: '1', initdead: '3' };
const anybody: NodeExtras = { directives: [`apiauth default uid=${process.geteuid?.() ?? 0}`] };
/** Groups whose scripts are asked for their status every 100 ms, the shortest interval there is. */
const busyGroups = 20;
const busy: NodeExtras = {
  directives: ['monitor 100ms failures 1000'],
  haresources: Array.from({ length: busyGroups }, (_, index) => `node1 busy::${index}\n`).join(''),
  // Through a shell and a program: at least two forks for each status.
  scripts: { busy: '#!/bin/sh\ncase "$2" in status) /bin/true; echo running;; esac\nexit 0\n' },
};

interface Summary {
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
}

function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { median: at(0.5), p99: at(0.99), worst: sorted.at(-1) ?? Number.NaN };
}

const say = (text: string): void => {
  if (!values.json) process.stderr.write(`${text}\n`);
};

/** Two nodes; node1 is the one that is looked at. */
class Pair {
  readonly node1: LoopbackNode;
  readonly port: number;
  readonly #root: string;
  #node2: LoopbackNode | null = null;

  constructor(root: string, name: string, port: number, extras: NodeExtras) {
    this.#root = join(root, name);
    this.port = port;
    this.node1 = startNode(this.#root, port, 1, 2, 1, times, extras);
  }

  get socket(): string {
    return clientSocketPath(this.node1.runDir);
  }

  async startPeer(): Promise<void> {
    this.#node2 = startNode(this.#root, this.port, 2, 1, 1, times);
    await waitForStatus(this.#node2, 'active');
    await waitForStatus(this.node1, 'active');
  }

  async killPeer(): Promise<void> {
    if (this.#node2 !== null) await endNode(this.#node2, 'SIGKILL');
    this.#node2 = null;
  }

  async end(): Promise<void> {
    await this.killPeer();
    await endNode(this.node1, 'SIGTERM');
  }
}

class Crowd {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(socket: string, mode: 'IDLE' | 'ASKING'): Promise<Crowd> {
    const program = fileURLToPath(new URL('./api/crowd.ts', import.meta.url));
    const child = spawn(process.execPath, [program, socket, String(clientCount), mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ready = child.stdout;
    if (ready === null) throw new Error('no output of the crowd');
    const gone = once(child, 'exit').then(() => {
      throw new Error('the crowd was not let in');
    });
    gone.catch(() => undefined);
    await Promise.race([once(ready, 'data'), gone]);
    return new Crowd(child);
  }

  async leave(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}

const death = v.object({ event: v.object({ event: v.literal('node.dead'), decidedMs: v.number() }) });

/**
 * The operator's event stream, read only when asked: the client that is measured is in this process too, and shall not wait for it.
 */
class Statements {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  static async open(path: string): Promise<Statements> {
    const socket = createConnection(path);
    await once(socket, 'connect');
    socket.write(`${JSON.stringify({ id: 1, method: 'events' })}\n`);
    return new Statements(socket);
  }

  /** When the first death was decided [monotonic ms]; waits for its statement, and ends the stream. */
  async decidedMs(): Promise<number> {
    const find = (): number | null => {
      for (const line of Buffer.concat(this.#chunks).toString().split('\n').slice(0, -1)) {
        const parsed = v.safeParse(death, JSON.parse(line));
        if (parsed.success) return parsed.output.event.decidedMs;
      }
      return null;
    };
    try {
      return await eventually(find, { what: 'the statement of the death' });
    } finally {
      this.#socket.destroy();
    }
  }
}

/** Kills node2 and starts it again, so many times: from each decision to the event in the client [ms]. */
async function callbackTimes(pair: Pair, client: Client): Promise<number[]> {
  const found: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    // Any phase of the heartbeat's period.
    await delay(Math.random() * keepaliveMs);
    const events = client.events();
    const heard = (async (): Promise<number> => {
      for await (const event of events) if (event.type === 'node' && event.status === 'dead') return monotonicMs();
      throw new Error('the client was disconnected');
    })();
    const statements = await Statements.open(adminSocketPath(pair.node1.runDir));
    await pair.killPeer();
    const heardMs = await heard;
    found.push(heardMs - (await statements.decidedMs()));
    await pair.startPeer();
  }
  return found;
}

/** Memory of a process [bytes], its share of shared pages only. */
function memoryBytes(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Processes started on this machine since its start. */
function forks(): number {
  return Number(/^processes (\d+)/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]);
}

/** UDP datagrams on the loopback device for so long, with the kernel's time stamps. (The lab's capture waits for counters that are not equal there.) */
async function capture(filter: string, forMs: number): Promise<readonly Datagram[]> {
  const options = ['-n', '-U', '--immediate-mode', '-s', '0', '-Z', 'root', '-w', '-'];
  const tcpdump = new LabProcess(['tcpdump', '-i', 'lo', ...options, filter], { stdin: '' });
  const reader = new PcapReader();
  const datagrams: Datagram[] = [];
  tcpdump.onStdout(
    (chunk) => {
      for (const frame of reader.push(chunk)) {
        const datagram = udpDatagram(frame);
        if (datagram !== null) datagrams.push(datagram);
      }
    },
    { keep: false },
  );
  await eventually(() => tcpdump.stderr.includes('listening on'), { what: `tcpdump: ${tcpdump.stderr}` });
  await delay(forMs);
  await tcpdump.signal('SIGTERM');
  await tcpdump.exited;
  return datagrams;
}

/** How far the intervals between heartbeats on the wire are off the keepalive [ms], for each pair, over the same time. */
async function deviations(pairs: readonly Pair[]): Promise<readonly Summary[]> {
  const ports = pairs.map(({ port }) => `dst port ${port}`).join(' or ');
  const datagrams = await capture(`udp and dst host 127.0.0.2 and (${ports})`, seconds * 1_000);
  return pairs.map(({ port }) => {
    const beats = datagrams.filter(
      ({ destinationPort, payload }) => destinationPort === port && Buffer.from(payload).includes('t=status'),
    );
    return summarize(beats.slice(1).map(({ atMs }, index) => Math.abs(atMs - (beats[index]?.atMs ?? 0) - keepaliveMs)));
  });
}

interface Beats {
  readonly alone: Summary;
  readonly beside: Summary;
}

async function sideBySide(alone: Pair, beside: Pair): Promise<Beats> {
  const [first, second] = await deviations([alone, beside]);
  if (first === undefined || second === undefined) throw new Error('nothing was captured');
  return { alone: first, beside: second };
}

const root = mkdtempSync(join(tmpdir(), 'systole-api-bench-'));
const port = 20_000 + (process.pid % 20_000);
const pairs: Pair[] = [];
const start = async (name: string, extras: NodeExtras): Promise<Pair> => {
  const pair = new Pair(root, name, port + 2 * pairs.length, extras);
  pairs.push(pair);
  await pair.startPeer();
  return pair;
};

try {
  const alone = await start('alone', anybody);
  const crowded = await start('crowded', anybody);
  await delay(5_000);
  const pid = crowded.node1.process.pid ?? 0;
  const beforeBytes = memoryBytes(pid);
  say(`${clientCount} clients sign on`);
  let crowd = await Crowd.open(crowded.socket, 'IDLE');
  await delay(2_000);
  const perClientBytes = (memoryBytes(pid) - beforeBytes) / clientCount;
  say(`heartbeats, clients idle: ${seconds} s`);
  const idle = await sideBySide(alone, crowded);

  say(`callbacks: ${trials} deaths of each`);
  const latencies: Summary[] = [];
  for (const pair of [alone, crowded]) {
    await using client = await connect({ path: pair.socket, name: 'probe' });
    latencies.push(summarize(await callbackTimes(pair, client)));
  }
  const [callbackMs, callbackCrowdedMs] = latencies;
  if (callbackMs === undefined || callbackCrowdedMs === undefined) throw new Error('no latency was measured');
  await crowd.leave();

  crowd = await Crowd.open(crowded.socket, 'ASKING');
  say(`heartbeats, clients asking: ${seconds} s`);
  const asking = await sideBySide(alone, crowded);
  const afterBytes = memoryBytes(pid);
  await crowd.leave();

  const forking = await start('forking', busy);
  await delay(5_000);
  say(`heartbeats, scripts running: ${seconds} s`);
  const [forksBefore, beganMs] = [forks(), monotonicMs()];
  const scripts = await sideBySide(alone, forking);
  const forksPerSecond = (forks() - forksBefore) / ((monotonicMs() - beganMs) / 1_000);

  if (values.json) {
    const result = {
      clients: clientCount,
      trials,
      seconds,
      callbackMs,
      callbackCrowdedMs,
      perClientBytes,
      grownByBytes: afterBytes - beforeBytes,
      deviationMs: { idle, asking, scripts },
      forksPerSecond,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } else {
    const figures = ({ median, p99, worst }: Summary): string =>
      `${median.toFixed(2)} / ${p99.toFixed(2)} / ${worst.toFixed(2)} ms`;
    const row = (what: string, figure: string): void => void process.stdout.write(`${what.padEnd(76)} ${figure}\n`);
    const compare = (what: string, { alone: one, beside: other }: Beats): void => {
      row(`heartbeat off its time, beside: no clients`, figures(one));
      row(`  ${what}`, figures(other));
    };
    row('median / p99 / worst:', '');
    row('from the decision to the event in a client, that client alone', figures(callbackMs));
    row(`  as the last of ${clientCount + 1} clients`, figures(callbackCrowdedMs));
    row(`memory of the daemon for each of ${clientCount} clients`, `${(perClientBytes / 1_024).toFixed(0)} KiB`);
    compare(`${clientCount} idle clients`, idle);
    compare(`${clientCount} clients, each asking once a second`, asking);
    compare(`scripts all the time, ${forksPerSecond.toFixed(0)} forks each second`, scripts);
  }
} finally {
  await Promise.all(pairs.map((pair) => pair.end()));
  rmSync(root, { recursive: true, force: true });
}
