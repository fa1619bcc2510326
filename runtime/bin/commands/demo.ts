/**
 * `systole demo`: a whole cluster on this machine, without root. Two nodes as two processes on loopback, real UDP, real actors, and
 * one resource group: a small web service. It shows who serves, and what happens when a node dies.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { adminEvents, type EventStream } from '../admin-client.ts';
import { createDemoCluster, type DemoCluster, type DemoNode, waitUntilUp } from '../demo/cluster.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

export interface DemoOptions {
  /** Kill the serving node by itself, this long after the service first answered [ms]; null = the user does it. */
  readonly killAfterMs: number | null;
  /** End after the failover, with 0 only if the service answered again from the other node. */
  readonly exitAfterFailover: boolean;
  readonly json: boolean;
}

/** What the failover took, all from the moment of the kill. */
interface FailoverReport {
  readonly killed: string;
  readonly servedBy: string | null;
  /** Kill to the survivor's decision "is dead" [ms]; null = never. */
  readonly detectionMs: number | null;
  /** Kill to the first answer of the service from the other node [ms]; null = never. */
  readonly takeoverMs: number | null;
  readonly deadtimeMs: number;
  /** The silence after which the survivor decided [ms]: a node asks for 2 s more than deadtime in its first 5 s; null = it did not decide. */
  readonly limitMs: number | null;
}

/** deadtime in conf/samples/demo/ha.cf. */
const demoDeadtimeMs = 500;
/** How long a failover may take before the demo calls it failed: deadtime, the script, and a machine under load. */
const failoverDeadlineMs = 20_000;
/** How often the service is asked. */
const probeEveryMs = 20;

const nodeDead = v.object({
  event: v.literal('node.dead'),
  node: v.string(),
  limitMs: v.number(),
  decidedMs: v.number(),
});
const described = v.object({ event: v.string(), text: v.optional(v.string()) });

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export async function runDemo(options: DemoOptions, io: Io): Promise<ExitCode> {
  const startedMs = monotonicMs();
  const say = (who: string, text: string, facts: object = {}): void => {
    if (options.json)
      io.out(`${JSON.stringify({ atMs: Math.round(monotonicMs() - startedMs), who, text, ...facts })}\n`);
    else io.out(`${((monotonicMs() - startedMs) / 1_000).toFixed(3).padStart(9)} s  ${who.padEnd(7)}  ${text}\n`);
  };
  const demo = new Demo(options, say);
  const interrupted = Promise.withResolvers<'interrupted'>();
  const interrupt = (): void => interrupted.resolve('interrupted');
  // Also while the nodes are being stopped: a second Ctrl-C must not leave them behind. A closed terminal is SIGHUP, a closed pipe behind us SIGPIPE.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const outcome = await Promise.race([demo.run(), interrupted.promise]);
    if (outcome === 'interrupted') {
      say('demo', 'stopping both nodes');
      return exitCode.ok;
    }
    return outcome;
  } finally {
    await demo.close();
    for (const signal of signals) process.removeListener(signal, interrupt);
  }
}

/** One line; `facts` are its machine-readable companions, in JSON only. */
type Say = (who: string, text: string, facts?: object) => void;

function limitText({ deadtimeMs, limitMs }: FailoverReport): string {
  return limitMs === null || limitMs === deadtimeMs
    ? `deadtime ${deadtimeMs} ms`
    : `deadtime ${deadtimeMs} ms, ${limitMs} ms for a node in its first 5 s`;
}

class Demo {
  readonly #options: DemoOptions;
  readonly #say: Say;
  #cluster: DemoCluster | null = null;
  #streams: EventStream[] = [];
  #keys: ReturnType<typeof createInterface> | null = null;
  #serving: string | null = null;
  #closed = false;
  readonly #deaths: v.InferOutput<typeof nodeDead>[] = [];

  constructor(options: DemoOptions, say: Say) {
    this.#options = options;
    this.#say = say;
  }

  async run(): Promise<ExitCode> {
    const cluster = await createDemoCluster((node, code, signal) => {
      if (!this.#closed)
        this.#say(node.name, signal === null ? `process ended with code ${code}` : `process ended by ${signal}`);
    });
    this.#cluster = cluster;
    if (this.#closed) {
      await cluster.close();
      return exitCode.general;
    }
    for (const node of cluster.nodes) this.#startNode(cluster, node);
    for (const node of cluster.nodes) {
      if (await waitUntilUp(node, 30_000)) continue;
      this.#say(node.name, `did not start: see ${node.dir}/ha-log`);
      return exitCode.general;
    }
    const url = `http://127.0.0.1:${cluster.servicePort}/`;
    void this.#probe(url);
    if (!(await this.#until(() => this.#serving !== null, 60_000))) {
      this.#say('demo', 'the service never answered');
      return exitCode.general;
    }
    this.#say('demo', `the service answers at ${url} (try: curl ${url})`);
    this.#explain(cluster);
    if (this.#options.killAfterMs === null)
      return await new Promise<ExitCode>((resolve) => this.#listenForKeys(cluster, resolve));
    await delay(this.#options.killAfterMs);
    const report = await this.#failover(cluster);
    this.#report(report);
    if (!this.#options.exitAfterFailover)
      return await new Promise<ExitCode>((resolve) => this.#listenForKeys(cluster, resolve));
    return report.servedBy !== null && report.servedBy !== report.killed ? exitCode.ok : exitCode.general;
  }

  #startNode(cluster: DemoCluster, node: DemoNode): void {
    cluster.start(node);
    this.#say(node.name, `started, pid ${node.process?.pid}`);
    void this.#follow(node);
  }

  async #follow(node: DemoNode): Promise<void> {
    if (!(await waitUntilUp(node, 30_000)) || this.#closed) return;
    this.#streams.push(
      adminEvents(adminSocketPath(node.runDir), (event) => {
        const dead = v.safeParse(nodeDead, event);
        if (dead.success) this.#deaths.push(dead.output);
        const line = v.safeParse(described, event);
        if (line.success && line.output.text !== undefined && !this.#closed) this.#say(node.name, line.output.text);
      }),
    );
  }

  /** Asks the service all the time; a change of who answers is a line. */
  async #probe(url: string): Promise<void> {
    while (!this.#closed) {
      const answer = await fetch(url, { signal: AbortSignal.timeout(500) })
        .then((response) => response.text())
        .catch(() => null);
      const by = answer === null ? null : (/^served by (\S+)/.exec(answer)?.[1] ?? null);
      if (by !== this.#serving && !this.#closed) {
        this.#serving = by;
        this.#say('service', by === null ? 'does not answer' : `answers, served by ${by}`);
      }
      await delay(probeEveryMs);
    }
  }

  async #until(condition: () => boolean, deadlineMs: number): Promise<boolean> {
    const end = monotonicMs() + deadlineMs;
    while (!condition()) {
      if (monotonicMs() > end) return false;
      await delay(2);
    }
    return true;
  }

  #explain(cluster: DemoCluster): void {
    const kills = cluster.nodes.map((node) => `kill -9 ${node.process?.pid} (${node.name})`).join('   ');
    this.#say('demo', `to see a failover, kill a node: ${kills}`);
    this.#say('demo', `configuration and logs: ${cluster.dir}`);
    if (process.stdin.isTTY)
      this.#say('demo', 'keys, then Enter: k = kill the serving node, r = start dead nodes again, q = quit');
  }

  #listenForKeys(cluster: DemoCluster, end: (code: ExitCode) => void): void {
    if (!process.stdin.isTTY) return;
    this.#keys = createInterface({ input: process.stdin });
    this.#keys.on('line', (line) => {
      if (line.trim() === 'q') end(exitCode.ok);
      if (line.trim() === 'k') void this.#failover(cluster).then((report) => this.#report(report));
      if (line.trim() === 'r')
        for (const node of cluster.nodes) if (node.process === null) this.#startNode(cluster, node);
    });
  }

  async #failover(cluster: DemoCluster): Promise<FailoverReport> {
    const victim = cluster.nodes.find((node) => node.name === this.#serving && node.process !== null);
    const nothing = {
      killed: '',
      servedBy: null,
      detectionMs: null,
      takeoverMs: null,
      deadtimeMs: demoDeadtimeMs,
      limitMs: null,
    };
    if (victim === undefined) return nothing;
    const known = this.#deaths.length;
    const killedMs = monotonicMs();
    victim.process?.kill('SIGKILL');
    this.#say('demo', `${victim.name} killed (SIGKILL)`);
    const servedAgain = (): boolean => this.#serving !== null && this.#serving !== victim.name;
    let answeredMs: number | null = null;
    const done = (): boolean => {
      if (answeredMs === null && servedAgain()) answeredMs = monotonicMs();
      return answeredMs !== null && this.#deaths.length > known;
    };
    await this.#until(done, failoverDeadlineMs);
    const death = this.#deaths.slice(known).find((entry) => entry.node === victim.name);
    return {
      killed: victim.name,
      servedBy: answeredMs === null ? null : this.#serving,
      detectionMs: death === undefined ? null : death.decidedMs - killedMs,
      takeoverMs: answeredMs === null ? null : answeredMs - killedMs,
      deadtimeMs: demoDeadtimeMs,
      limitMs: death?.limitMs ?? null,
    };
  }

  #report(report: FailoverReport): void {
    if (report.servedBy === null || report.takeoverMs === null) {
      this.#say(
        'demo',
        report.killed === ''
          ? 'no node serves: nothing to kill'
          : `FAILED: no other node served within ${failoverDeadlineMs / 1_000} s`,
        { failover: report },
      );
      return;
    }
    const detection = report.detectionMs === null ? 'not seen' : `${report.detectionMs.toFixed(1)} ms`;
    this.#say(
      'demo',
      `detection ${detection} after the kill (${limitText(report)}), takeover ${report.takeoverMs.toFixed(1)} ms after the kill`,
      { failover: report },
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#keys?.close();
    for (const stream of this.#streams) stream.close();
    await this.#cluster?.close();
  }
}
