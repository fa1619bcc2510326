/**
 * Two nodes in a lab and the questions of the acceptance scenarios: who owned the group when, how long nobody did, how long two did.
 *
 * The answers come from the referee (lab/observer.ts), never from the cluster itself.
 */

import * as v from 'valibot';
import { expect } from 'vitest';
import type { Host, NodeConfig } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { Observer } from './lab/observer.ts';
import type { LabProcess } from './lab/process.ts';
import { eventually, within } from './lab/wait.ts';

/** The times of all scenarios' ha.cf. */
export const times = { keepaliveMs: 200, deadtimeMs: 1_000, initdeadMs: 3_000 } as const;
/** What the stand-in scripts of one group take, all together: a few tens of milliseconds each, but on a busy machine [ms]. */
const scriptsMs = 1_000;
/** Two noisy cores with other work: how much later than its deadline anything may come [ms]. */
export const slackMs = 3_000;
/** Two processes stamp what two hosts do: shorter overlaps are their imprecision [ms]. */
const stampNoiseMs = 20;
/** The longest time without an owner after a node fell silent. */
export const takeoverMs = times.deadtimeMs + scriptsMs + slackMs;
/** The longest time without an owner when a group is handed over by agreement. */
export const handoverMs = scriptsMs + slackMs;
/** From the start of both programs to the owned group: contact, then at most the 10 s that a 3.0.6 waits before it takes its own [ms]. */
const settledMs = 40_000;

export interface ClusterPlan {
  readonly hosts?: readonly [string, string];
  readonly networks?: readonly string[];
  /** A node's files. */
  readonly configure: (host: Host, lab: Lab) => NodeConfig;
  /** Names of the group's resources, as the referee calls them: addresses and `service:NAME`. */
  readonly resources: readonly string[];
  /** The dead time of its ha.cf [ms]; default that of {@link times}. */
  readonly deadtimeMs?: number;
  /** Which program a host runs; default Systole. */
  readonly program?: (host: string) => Program;
}

type Program = 'systole' | 'heartbeat';

/** What a scenario says about the time since something was done. */
interface Expectation {
  /** For the printed line. */
  readonly scenario: string;
  /** When it was done [epoch ms]. */
  readonly sinceMs: number;
  /** Who owns every resource in the end. */
  readonly owner: string;
  /** The longest time that a resource may be without an owner [ms]; 0: it never is. */
  readonly outageMs: number;
  /** The longest time that two may own it [ms]; default: they never do. */
  readonly overlapMs?: number;
  /** How long to wait for the owner [ms]; default what the outage allows, and as much again. */
  readonly withinMs?: number;
}

const nodeStatus = v.object({
  status: v.string(),
  nodes: v.array(
    v.object({
      name: v.string(),
      status: v.string(),
      limitMs: v.number(),
      links: v.array(v.object({ name: v.string(), status: v.string() })),
    }),
  ),
  resources: v.object({ holding: v.string(), rscstatus: v.string(), guardian: v.nullable(v.number()) }),
});

export type NodeStatus = v.InferOutput<typeof nodeStatus>;

/**
 * A cluster of two, from the lab to its end.
 *
 * ```ts
 * await using cluster = await Cluster.create(plan);
 * await cluster.up();
 * const sinceMs = await cluster.kill('node1');
 * await cluster.expectOwner({ scenario: 'SIGKILL', sinceMs, owner: 'node2', outageMs: takeoverMs });
 * ```
 */
export class Cluster implements AsyncDisposable {
  readonly lab: Lab;
  readonly observer: Observer;
  readonly #plan: ClusterPlan;
  readonly #daemons = new Map<string, LabProcess>();

  private constructor(lab: Lab, observer: Observer, plan: ClusterPlan) {
    this.lab = lab;
    this.observer = observer;
    this.#plan = plan;
  }

  /** A lab with configured hosts; nothing is started. */
  static async create(plan: ClusterPlan): Promise<Cluster> {
    const lab = await Lab.create({
      hosts: plan.hosts ?? ['node1', 'node2'],
      networks: plan.networks ?? ['net0', 'net1'],
    });
    try {
      const observer = await lab.observe();
      for (const host of lab.hosts) host.configure(plan.configure(host, lab));
      return new Cluster(lab, observer, plan);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  host(name: string): Host {
    return this.lab.host(name);
  }

  /** The running daemon of a Systole host. */
  daemon(name: string): LabProcess {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new Error(`Systole was not started on ${name}`);
    return daemon;
  }

  /** Starts the host's program and returns at once. */
  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#programOf(name) === 'heartbeat') await this.host(name).startHeartbeat();
    else this.#daemons.set(name, this.host(name).startSystole([], env));
  }

  /**
   * Starts both, waits until the first host owns the group and both nodes are active with their usual dead time (a node asks for two more
   * seconds of patience in its first five).
   */
  async up(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await Promise.all(this.lab.hosts.map((host) => this.start(host.name, env)));
    const [first] = this.lab.hosts;
    await this.#whileAlive(this.owned(first?.name ?? '', settledMs));
    await this.steady();
  }

  /** Waits for something that needs all daemons that run now: when one ends, that is the failure, and it is told at once. */
  async #whileAlive(done: Promise<void>): Promise<void> {
    const running = [...this.#daemons].filter(([, daemon]) => daemon.running);
    const ended = running.map(async ([name, daemon]): Promise<never> => {
      const { code, signal } = await daemon.exited;
      throw new Error(`Systole on ${name} has ended (${signal ?? code}): ${this.#lastWords()}`);
    });
    // A later end is no failure of this wait: whoever ends a daemon looks at it.
    for (const end of ended) end.catch(() => undefined);
    await Promise.race([done, ...ended]);
  }

  /** Waits until every resource has exactly this owner; null: nobody. */
  async owned(owner: string | null, timeoutMs: number): Promise<void> {
    const owners = owner === null ? [] : [owner];
    try {
      await Promise.all(
        this.#plan.resources.map((resource) => this.observer.waitForOwners(resource, owners, timeoutMs)),
      );
    } catch (error) {
      if (error instanceof Error) error.message += `\n${this.#lastWords()}`;
      throw error;
    }
  }

  /** What the hosts' logs and daemons said last, for the message of a failure. */
  #lastWords(): string {
    return this.lab.hosts
      .map((host) => {
        const daemon = this.#daemons.get(host.name);
        const state = daemon === undefined ? '' : daemon.running ? ' (running)' : ' (ended)';
        const lines = `${host.log()}${daemon?.stderr ?? ''}`.trimEnd().split('\n').slice(-40);
        return `${host.name}${state}:\n${lines.join('\n')}`;
      })
      .join('\n');
  }

  /** Waits until all Systole nodes see both nodes active, nothing in transition, and the usual dead time in force. */
  async steady(): Promise<void> {
    const nodes = this.lab.hosts.filter((host) => host.poweredOn && this.#programOf(host.name) === 'systole');
    await this.#whileAlive(Promise.all(nodes.map((host) => this.#steady(host))).then(() => undefined));
  }

  async #steady(host: Host): Promise<void> {
    await eventually(
      async () => {
        const status = await this.status(host.name);
        if (status === null) throw new Error(`no status: ${this.#daemons.get(host.name)?.stderr.slice(-1_000) ?? ''}`);
        const settled =
          status.resources.rscstatus !== 'transition' &&
          status.nodes
            .filter((node) => this.lab.hosts.some(({ name }) => name === node.name))
            .every((node) => node.status === 'active' && node.limitMs <= (this.#plan.deadtimeMs ?? times.deadtimeMs));
        if (!settled) throw new Error(JSON.stringify(status));
        return true;
      },
      { what: `${host.name} to be steady`, timeoutMs: settledMs, intervalMs: 250 },
    );
  }

  /** What `systole status` says on a host; null when no daemon answers. */
  async status(name: string): Promise<NodeStatus | null> {
    const { code, stdout } = await this.host(name).systole(['status', '--json']);
    if (code !== 0) return null;
    return v.parse(nodeStatus, JSON.parse(stdout));
  }

  /** SIGKILL for the whole program of a host. @returns when [epoch ms] */
  async kill(name: string): Promise<number> {
    if (this.#programOf(name) === 'heartbeat') return this.host(name).killHeartbeat();
    const atMs = Date.now();
    const daemon = this.daemon(name);
    await daemon.signal('SIGKILL');
    expect((await within(daemon.exited, slackMs, `${name} to be killed`)).signal).toBe('SIGKILL');
    return atMs;
  }

  /** Graceful stop of a host's program; returns when it is gone. @returns when it was asked for [epoch ms] */
  async stop(name: string): Promise<number> {
    const atMs = Date.now();
    if (this.#programOf(name) === 'heartbeat') {
      await this.host(name).stopHeartbeat();
      return atMs;
    }
    const result = await this.host(name).systole(['stop']);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(await within(this.daemon(name).exited, slackMs, `${name} to end`)).toEqual({ code: 0, signal: null });
    return atMs;
  }

  /** Both stop at the same moment: nothing is taken over, nothing is held afterwards, and no process is left. */
  async stopAll(): Promise<void> {
    const sinceMs = Date.now();
    await Promise.all(this.lab.hosts.map((host) => this.stop(host.name)));
    await this.owned(null, slackMs);
    expect((await this.observer.timeline()).overlaps({ fromMs: sinceMs, atLeastMs: stampNoiseMs })).toEqual([]);
    for (const host of this.lab.hosts) {
      await eventually(() => host.processes().length === 0, {
        what: `no process left on ${host.name}`,
        timeoutMs: slackMs,
      });
    }
  }

  /** Waits for the owner of everything, judges the time since, prints one line, and returns the longest outage and overlap [ms]. */
  async expectOwner(expected: Expectation): Promise<{ readonly outageMs: number; readonly overlapMs: number }> {
    const { scenario, sinceMs, owner } = expected;
    await this.owned(owner, expected.withinMs ?? 2 * expected.outageMs + slackMs);
    const timeline = await this.observer.timeline();
    const lengthsOf = (resource: string): { outageMs: number; overlapMs: number } => {
      const range = { fromMs: sinceMs, resource };
      return {
        outageMs: Math.max(0, ...timeline.gaps(range).map((span) => span.lengthMs)),
        overlapMs: timeline.overlaps(range).reduce((sum, span) => sum + span.lengthMs, 0),
      };
    };
    const lengths = this.#plan.resources.map(lengthsOf);
    const outageMs = Math.max(...lengths.map((entry) => entry.outageMs));
    const overlapMs = Math.max(...lengths.map((entry) => entry.overlapMs));
    report(
      `${scenario}: overlap ${Math.round(overlapMs)} ms, outage ${Math.round(outageMs)} ms (allowed ${expected.overlapMs ?? stampNoiseMs} and ${expected.outageMs} ms)`,
    );
    expect(overlapMs, `${scenario}: two owners`).toBeLessThanOrEqual(expected.overlapMs ?? stampNoiseMs);
    expect(outageMs, `${scenario}: no owner`).toBeLessThanOrEqual(expected.outageMs);
    return { outageMs, overlapMs };
  }

  #programOf(name: string): Program {
    return this.#plan.program?.(name) ?? 'systole';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

/** One line of measurement beside vitest's own output. */
export function report(line: string): void {
  process.stderr.write(`  ${line}\n`);
}

const serviceAddress = '10.77.0.100';

/**
 * A cluster with one group of an address and a service, and two links: broadcast on net0 and unicast on net1.
 *
 * @param extra further lines of ha.cf; `auto_failback` is among them
 */
export function twoLinks(extra: string, options: Pick<ClusterPlan, 'deadtimeMs' | 'program'> = {}): ClusterPlan {
  const deadMs = options.deadtimeMs ?? times.deadtimeMs;
  return {
    ...options,
    configure: (host, lab) => {
      const peer = lab.hosts.find((other) => other !== host);
      return {
        haCf: `logfile /var/log/ha-log
logfacility none
keepalive ${times.keepaliveMs}ms
warntime ${deadMs / 2}ms
deadtime ${deadMs}ms
initdead ${times.initdeadMs}ms
${extra}
bcast eth0
ucast eth1 ${peer?.attachment('net1').address ?? ''}
node node1
node node2
`,
        haresources: `node1 ${serviceAddress}/24/eth0 service::web\n`,
      };
    },
    resources: [serviceAddress, 'service:web'],
  };
}
