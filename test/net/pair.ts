/**
 * Two nodes in a lab, each with Systole or the real Heartbeat 3.0.6: how they are started, ended, looked at and waited for.
 *
 * It judges nothing: that is for the tests (cluster.ts) and for the benchmark of faults. What goes wrong on the way is an error that tells the
 * hosts' last words.
 */

import * as v from 'valibot';
import type { Host, NodeConfig } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { Observer } from './lab/observer.ts';
import type { LabProcess } from './lab/process.ts';
import { eventually, within } from './lab/wait.ts';

/** The times of all scenarios' ha.cf. Who starts on a busy machine needs seconds, so initdead is long: only a node that is alone waits for it. */
export const times = { keepaliveMs: 200, deadtimeMs: 1_000, initdeadMs: 30_000 } as const;
/** A process that was killed or stopped is waited for so long before it counts as hanging: generous, since nothing is measured by it [ms]. */
export const endMs = 60_000;
/** From the start of both programs to the owned group: contact, then at most the 10 s that a 3.0.6 waits before it takes its own [ms]. */
const settledMs = 120_000;

export type Program = 'systole' | 'heartbeat';

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

type NodeStatus = v.InferOutput<typeof nodeStatus>;

/**
 * Two nodes, from the lab to its end.
 *
 * ```ts
 * await using pair = await Pair.create(plan);
 * await pair.up();
 * const sinceMs = await pair.kill('node1');
 * await pair.owned('node2', 30_000);
 * ```
 */
export class Pair implements AsyncDisposable {
  readonly lab: Lab;
  readonly observer: Observer;
  readonly plan: ClusterPlan;
  readonly #daemons = new Map<string, LabProcess>();

  protected constructor(lab: Lab, observer: Observer, plan: ClusterPlan) {
    this.lab = lab;
    this.observer = observer;
    this.plan = plan;
  }

  /** A lab with configured hosts; nothing is started. */
  static async create(plan: ClusterPlan): Promise<Pair> {
    const { lab, observer } = await openLab(plan);
    return new Pair(lab, observer, plan);
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

  programOf(name: string): Program {
    return this.plan.program?.(name) ?? 'systole';
  }

  /** Starts the host's program and returns at once. */
  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.programOf(name) === 'heartbeat') await this.host(name).startHeartbeat([], env);
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
      throw new Error(`Systole on ${name} has ended (${signal ?? code}): ${this.lastWords()}`);
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
        this.plan.resources.map((resource) => this.observer.waitForOwners(resource, owners, timeoutMs)),
      );
    } catch (error) {
      if (error instanceof Error) error.message += `\n${this.lastWords()}`;
      throw error;
    }
  }

  /** What the hosts' logs and daemons said last, for the message of a failure. */
  lastWords(): string {
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
    const nodes = this.lab.hosts.filter((host) => host.poweredOn && this.programOf(host.name) === 'systole');
    await this.#whileAlive(Promise.all(nodes.map((host) => this.#steady(host))).then(() => undefined));
  }

  /** As {@link steady}, and the nodes with the real program as well: each sees the other one active and is not in transition. */
  async settled(timeoutMs = settledMs): Promise<void> {
    const real = this.lab.hosts.filter((host) => host.poweredOn && this.programOf(host.name) === 'heartbeat');
    await Promise.all([this.steady(), ...real.map((host) => this.#realSettled(host, timeoutMs))]);
  }

  async #realSettled(host: Host, timeoutMs: number): Promise<void> {
    await eventually(
      async () => {
        const questions = [['rscstatus'], ...this.lab.hosts.map(({ name }) => ['nodestatus', name])];
        const answers = await Promise.all(questions.map((words) => host.clStatus(...words)));
        const [resources, ...nodes] = answers.map(({ answer }) => answer);
        const settled = resources !== 'transition' && resources !== '' && nodes.every((node) => node === 'active');
        if (!settled) throw new Error(`${host.name}: ${[resources, ...nodes].join(' ')}`);
        return true;
      },
      { what: `${host.name} to be steady`, timeoutMs, intervalMs: 250 },
    );
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
            .every((node) => node.status === 'active' && node.limitMs <= (this.plan.deadtimeMs ?? times.deadtimeMs));
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
    if (this.programOf(name) === 'heartbeat') return this.host(name).killHeartbeat();
    const atMs = Date.now();
    const daemon = this.daemon(name);
    await daemon.signal('SIGKILL');
    const { code, signal } = await within(daemon.exited, endMs, `${name} to be killed`);
    if (signal !== 'SIGKILL') throw new Error(`${name} ended by ${signal ?? `code ${code}`}, not by SIGKILL`);
    return atMs;
  }

  /** Graceful stop of a host's program; returns when it is gone. @returns when it was asked for [epoch ms] */
  async stop(name: string): Promise<number> {
    const atMs = Date.now();
    if (this.programOf(name) === 'heartbeat') {
      await this.host(name).stopHeartbeat(endMs);
      return atMs;
    }
    const result = await this.host(name).systole(['stop'], endMs);
    if (result.code !== 0) throw new Error(`systole stop on ${name}: exit code ${result.code}: ${result.stderr}`);
    const { code, signal } = await within(this.daemon(name).exited, endMs, `${name} to end`);
    if (code !== 0) throw new Error(`${name} was stopped and ended by ${signal ?? `code ${code}`}`);
    return atMs;
  }

  /** Freezes or wakes the whole program of a host, but for a guardian beside it. */
  async signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    if (this.programOf(name) === 'heartbeat') this.host(name).signalAll('heartbeat', signal);
    else await this.daemon(name).signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

/** A lab with its referee and the hosts' files. */
export async function openLab(plan: ClusterPlan): Promise<{ readonly lab: Lab; readonly observer: Observer }> {
  const lab = await Lab.create({
    hosts: plan.hosts ?? ['node1', 'node2'],
    networks: plan.networks ?? ['net0', 'net1'],
  });
  try {
    const observer = await lab.observe();
    for (const host of lab.hosts) host.configure(plan.configure(host, lab));
    return { lab, observer };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** The address of the group that {@link twoLinks} makes. */
export const serviceAddress = '10.77.0.100';

/** What {@link twoLinks} may be told. */
export interface TwoLinksOptions extends Pick<ClusterPlan, 'deadtimeMs' | 'program'> {
  /** Resources of the group of node1, as in haresources; default the address, then the service `web`. */
  readonly group?: string;
  /** The names by which the referee calls them. */
  readonly resources?: readonly string[];
  /** The initdead of its ha.cf [ms]; default that of {@link times}. */
  readonly initdeadMs?: number;
  /** Further lines of one host's ha.cf. */
  readonly linesOf?: (host: string) => readonly string[];
}

/**
 * A cluster with one group of an address and a service, and two links: broadcast on net0 and unicast on net1.
 *
 * @param extra further lines of ha.cf; `auto_failback` is among them
 */
export function twoLinks(extra: string, options: TwoLinksOptions = {}): ClusterPlan {
  const { group, resources, linesOf, initdeadMs = times.initdeadMs, ...rest } = options;
  const deadMs = options.deadtimeMs ?? times.deadtimeMs;
  return {
    ...rest,
    configure: (host, lab) => {
      const peer = lab.hosts.find((other) => other !== host);
      return {
        haCf: `logfile /var/log/ha-log
logfacility none
keepalive ${times.keepaliveMs}ms
warntime ${deadMs / 2}ms
deadtime ${deadMs}ms
initdead ${initdeadMs}ms
${[extra, ...(linesOf?.(host.name) ?? [])].join('\n')}
bcast eth0
ucast eth1 ${peer?.attachment('net1').address ?? ''}
node node1
node node2
`,
        haresources: `node1 ${group ?? `${serviceAddress}/24/eth0 service::web`}\n`,
      };
    },
    resources: resources ?? [serviceAddress, 'service:web'],
  };
}
