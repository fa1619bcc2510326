/**
 * A laboratory: several hosts and networks on this machine, made in a moment and gone without a trace.
 */

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Capture, type CaptureOptions } from './capture.ts';
import { Host } from './host.ts';
import { Network } from './network.ts';
import { Observer } from './observer.ts';
import { Probe } from './probe.ts';
import { LabProcess } from './process.ts';
import { eventually } from './wait.ts';

export interface LabOptions {
  /** Host names, in the order of their numbers; default node1 and node2. */
  readonly hosts?: readonly string[];
  /** Network names; the first is eth0 of every host, the second eth1, and so on. Default one network, `net0`; at most ten. */
  readonly networks?: readonly string[];
}

/** Two pseudo-terminals wired crosswise; the same paths are valid in every host. */
export interface NullModem {
  readonly ends: readonly [string, string];
  /** Takes the cable away for good; both devices vanish. */
  cut(): Promise<void>;
}

const prefix = 'systole-lab-';
const highestNetworkCount = 10;
let labsMade = 0;

/**
 * Hosts, networks and their faults, from `Lab.create()` to `close()`.
 *
 * Needs root. All namespaces belong to processes that die with this program, however it ends; only a folder under the system's temporary
 * directory can stay behind, and the next lab removes it. Many labs can be open at the same time: each has its own networks.
 *
 * @example
 * await using lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0', 'net1'] });
 * await lab.host('node1').run(['ping', '-c1', lab.host('node2').attachment('net0').address]);
 * await lab.network('net0').cut('node1');
 */
export class Lab implements AsyncDisposable {
  readonly hosts: readonly Host[];
  readonly networks: readonly Network[];
  /** A folder for captures and other files of this lab; removed at `close()`. */
  readonly directory: string;
  readonly #modems: LabProcess[] = [];
  readonly #captures: Capture[] = [];
  readonly #observers: Observer[] = [];
  readonly #probes: Probe[] = [];
  readonly #atExit = (): void => this.#vanish();
  #closed: Promise<void> | undefined;

  private constructor(directory: string, networks: readonly Network[], hostNames: readonly string[]) {
    this.directory = directory;
    this.networks = networks;
    this.hosts = hostNames.map((name, index) => new Host(name, index + 1, join(directory, name), networks));
    process.on('exit', this.#atExit);
  }

  /** @throws Error when the machine lacks something; `requireLab()` tells beforehand what */
  static async create(options: LabOptions = {}): Promise<Lab> {
    const hostNames = options.hosts ?? ['node1', 'node2'];
    const networkNames = options.networks ?? ['net0'];
    if (networkNames.length > highestNetworkCount) throw new RangeError(`at most ${highestNetworkCount} networks`);
    removeStaleFolders();
    labsMade += 1;
    const directory = join(tmpdir(), `${prefix}${process.pid}-${labsMade}`);
    mkdirSync(directory, { mode: 0o755 });
    const networks = await Promise.all(networkNames.map((name, index) => Network.create(name, index)));
    const lab = new Lab(directory, networks, hostNames);
    try {
      const plugs = await Promise.all(
        lab.hosts.map(async (host) => ({ name: host.name, number: host.number, namespace: await host.boot() })),
      );
      await Promise.all(networks.map((network) => network.plug(plugs)));
      await Promise.all(lab.hosts.map((host) => host.configureDevices()));
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /** @throws Error for a name that this lab does not have */
  host(name: string): Host {
    const found = this.hosts.find((host) => host.name === name);
    if (found === undefined)
      throw new Error(`no host ${name} in this lab: ${this.hosts.map((host) => host.name).join(', ')}`);
    return found;
  }

  /** @param name by default the first network. @throws Error for a name that this lab does not have */
  network(name?: string): Network {
    const found = name === undefined ? this.networks[0] : this.networks.find((network) => network.name === name);
    if (found === undefined) throw new Error(`no network ${name ?? ''} in this lab`);
    return found;
  }

  /** Starts a referee over all hosts; it ends with the lab. */
  async observe(): Promise<Observer> {
    const observer = await Observer.start(this.hosts);
    this.#observers.push(observer);
    return observer;
  }

  /** Starts a client of an address, placed in the network's switch; it ends with the lab. */
  probe(network: Network, address: string): Probe {
    const probe = Probe.start(network, address);
    this.#probes.push(probe);
    return probe;
  }

  /** Captures in the middle of a network: what hosts send, after the faults on their way in. Outlives power cuts of hosts. */
  async capture(network: Network, options: CaptureOptions = {}): Promise<Capture> {
    const capture = await Capture.start(network.enterNetwork, 'br0', options);
    this.#captures.push(capture);
    return capture;
  }

  /** Wires two serial ports crosswise, for `serial` lines of ha.cf. */
  async nullModem(): Promise<NullModem> {
    const socat = new LabProcess(['socat', '-d', '-d', 'pty,raw,echo=0', 'pty,raw,echo=0'], { stdin: '' });
    this.#modems.push(socat);
    const ends = await eventually(
      () => {
        const [first, second] = [...socat.stderr.matchAll(/PTY is (\S+)/g)].map((match) => match[1]);
        return first === undefined || second === undefined ? undefined : ([first, second] as const);
      },
      { what: 'two pseudo-terminals' },
    );
    return { ends, cut: () => socat.kill().then(() => undefined) };
  }

  /** Ends every process, namespace and file of the lab. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Each step is tried, whatever became of the ones before; the first error is told at the end. */
  async #close(): Promise<void> {
    const outcomes = [
      ...(await Promise.allSettled(this.#observers.map((observer) => observer.close()))),
      ...(await Promise.allSettled(this.#captures.map((capture) => capture.stop()))),
      ...(await Promise.allSettled([
        ...this.#modems.map((socat) => socat.kill()),
        ...this.#probes.map((probe) => probe.close()),
        ...this.hosts.map((host) => host.close()),
      ])),
      ...(await Promise.allSettled(this.networks.map((network) => network.close()))),
    ];
    rmSync(this.directory, { recursive: true, force: true });
    process.off('exit', this.#atExit);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /** The last act of a program that ends without `close()`: everything at once, without waiting. */
  #vanish(): void {
    for (const machine of [...this.hosts, ...this.networks]) machine.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Removes the folders of labs whose program is gone. Namespaces need no such care: they died with it. */
function removeStaleFolders(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-\\d+$`).exec(entry)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) rmSync(join(tmpdir(), entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
