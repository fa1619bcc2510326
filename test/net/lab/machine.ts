/**
 * One host of a lab as a machine: power, processes, files, devices. It knows nothing of clusters; see host.ts.
 */

import {
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Capture, type CaptureOptions } from './capture.ts';
import { type Bind, bootHostNamespace, type Namespace } from './namespace.ts';
import type { Attachment, Network } from './network.ts';
import { type ExecOptions, type ExecResult, exec, LabProcess, run, type SpawnOptions } from './process.ts';

/** The host was switched on (its namespaces exist and its cables are plugged) or off (all its processes are gone). */
export interface PowerEvent {
  readonly power: 'on' | 'off';
  /** Wall clock [epoch ms]. At `off`: when the kill was sent, after which nothing of the host runs any more. */
  readonly atMs: number;
}

/** A process of a host, as this machine sees it. */
export interface ProcessEntry {
  /** As this machine counts; what `process.kill` here takes. */
  readonly pid: number;
  /** The short name, at most 15 characters (`/proc/PID/comm`). */
  readonly name: string;
  /** The arguments, or the title that the program gave itself. */
  readonly title: string;
}

/** Where the host's private directories are mounted, by their name in the lab's folder. */
const mountPoints = { config: '/etc/ha.d', state: '/var/lib/heartbeat', run: '/run', log: '/var/log' } as const;

/** Run at every boot: what the packages' tmpfiles rules make in a fresh /run, and the folders that heartbeat wants in its state directory. */
const startup = `
    mkdir -p /run/lock /run/resource-agents && chmod 1777 /run/lock
    install -d -m 750 -o hacluster -g haclient /run/heartbeat /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
    install -d -m 755 /var/lib/heartbeat/api /var/lib/heartbeat/casual /var/lib/heartbeat/cores
    install -d -m 700 /var/lib/heartbeat/cores/root
    install -d -m 700 -o hacluster -g haclient /var/lib/heartbeat/cores/hacluster`;

/** Parts of the package's configuration directory that a host starts with; ha.cf, haresources and authkeys of this machine stay out. */
const shippedConfig = ['harc', 'shellfuncs', 'rc.d', 'resource.d'];

/**
 * A host: network, mount, UTS and PID namespace around one init process.
 *
 * /etc/ha.d, /var/lib/heartbeat and /var/log are its disk and outlive a power cycle; /run is emptied at every boot. Everything else is
 * this machine's file system.
 */
export class Machine {
  /** What `uname -n` says in it. */
  readonly name: string;
  /** From 1; the last part of its fixed addresses. */
  readonly number: number;
  readonly #directory: string;
  readonly #networks: readonly Network[];
  readonly #powerListeners: ((event: PowerEvent) => void | Promise<void>)[] = [];
  readonly #processes = new Set<LabProcess>();
  #namespace: Namespace | undefined;

  /** Called by the lab, which then calls {@link powerOn}. @param directory an own folder for the host's disk */
  constructor(name: string, number: number, directory: string, networks: readonly Network[]) {
    this.name = name;
    this.number = number;
    this.#directory = directory;
    this.#networks = networks;
    for (const part of Object.keys(mountPoints)) mkdirSync(join(directory, part), { recursive: true });
    const config = join(directory, 'config');
    for (const part of shippedConfig) {
      const source = join(mountPoints.config, part);
      if (existsSync(source)) cpSync(source, join(config, part), { recursive: true, mode: constants.COPYFILE_FICLONE });
    }
    mkdirSync(join(config, 'resource.d'), { recursive: true });
    copyFileSync(new URL('./service.sh', import.meta.url), join(config, 'resource.d', 'service'));
  }

  get poweredOn(): boolean {
    return this.#namespace !== undefined;
  }

  /** For the lab, which plugs all hosts in at once: boots without cables. */
  async boot(): Promise<Namespace> {
    if (this.#namespace !== undefined) throw new Error(`${this.name} is on already`);
    const volatile = join(this.#directory, 'run');
    rmSync(volatile, { recursive: true, force: true });
    mkdirSync(volatile, { mode: 0o755 });
    const binds: Bind[] = Object.entries(mountPoints).map(([part, target]) => ({
      source: join(this.#directory, part),
      target,
    }));
    this.#namespace = await bootHostNamespace(this.name, binds, startup);
    return this.#namespace;
  }

  /** For the lab, after the cables are plugged: addresses up, listeners told. */
  async configureDevices(): Promise<void> {
    await this.#giveAddresses(this.#networks);
    await this.#tell({ power: 'on', atMs: Date.now() });
  }

  async #giveAddresses(networks: readonly Network[]): Promise<void> {
    const commands = networks.flatMap((network) => {
      const { device, address, address6 } = network.attachment(this.name);
      return [
        `addr add ${address}/24 brd + dev ${device}`,
        `addr add ${address6}/64 dev ${device} nodad`,
        `link set ${device} up`,
      ];
    });
    const batch = `${['link set lo up', ...commands].join('\n')}\n`;
    await run([...this.enterNetwork, 'ip', '-batch', '-'], { stdin: batch });
  }

  /** Takes a network's device out of the running host, with its addresses, as an unloaded driver does. */
  async removeDevice(network: Network): Promise<void> {
    await network.unplug(this.name);
  }

  /** Gives the host a new device of the old name and addresses after {@link removeDevice}. */
  async addDevice(network: Network): Promise<void> {
    await network.plug([{ name: this.name, number: this.number, namespace: this.#on() }]);
    await this.#giveAddresses([network]);
  }

  /** Switches the host on again after {@link powerOff}: same disk, same cables, empty /run. */
  async powerOn(): Promise<void> {
    const namespace = await this.boot();
    for (const network of this.#networks) await network.plug([{ name: this.name, number: this.number, namespace }]);
    await this.configureDevices();
  }

  /**
   * Cuts the power: every process dies at once, the cables go dead. Nothing is stopped or flushed.
   *
   * @param diedMs when a host died that ended itself by a reboot [epoch ms]; by default now
   * @returns when the kill was sent [epoch ms]; at the return every process of the host is gone
   */
  async powerOff(diedMs?: number): Promise<number> {
    const namespace = this.#on();
    const atMs = diedMs ?? Date.now();
    namespace.kill();
    await Promise.all([namespace.gone(), ...this.#networks.map((network) => network.unplug(this.name))]);
    this.#namespace = undefined;
    await Promise.all([...this.#processes].map((child) => child.exited));
    await this.#tell({ power: 'off', atMs });
    return atMs;
  }

  /** Settles when the running host is gone, whoever did it: {@link powerOff}, or a program in it that rebooted it. */
  async gone(): Promise<void> {
    await this.#on().gone();
  }

  /** Kills everything without waiting, for a program that is about to end. */
  kill(): void {
    this.#namespace?.kill();
  }

  /** Calls `listener` at every power event from now on; the power change waits for what it returns. */
  onPower(listener: (event: PowerEvent) => void | Promise<void>): void {
    this.#powerListeners.push(listener);
  }

  /** Runs a command in the host to its end; working directory `/`. A daemon must redirect its output. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return exec([...this.#on().enter, ...argv], { ...options, forks: true });
  }

  /** Runs a command in the host that must succeed; returns its standard output. @throws Error with status and standard error */
  async run(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    return run([...this.#on().enter, ...argv], { ...options, forks: true });
  }

  /** Starts a program in the host and leaves it running; it ends with the host at the latest. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): LabProcess {
    const child = new LabProcess([...this.#on().enter, ...argv], { ...options, forks: true });
    this.#processes.add(child);
    const forget = (): boolean => this.#processes.delete(child);
    child.exited.then(forget, forget);
    return child;
  }

  /** The command line that runs a program of this machine in the host's network (it keeps the network alive after a power cut). */
  get enterNetwork(): readonly string[] {
    return this.#on().enterNetwork;
  }

  /** Device and fixed addresses on a network. @param network its name; by default the first one */
  attachment(network?: string): Attachment {
    const found = network === undefined ? this.#networks[0] : this.#networks.find((other) => other.name === network);
    if (found === undefined) throw new Error(`no network ${network ?? ''} in this lab`);
    return found.attachment(this.name);
  }

  /** All fixed addresses of the host, both families: whatever else it has is a service address. */
  fixedAddresses(): ReadonlySet<string> {
    const attachments = this.#networks.map((network) => network.attachment(this.name));
    return new Set(attachments.flatMap(({ address, address6 }) => [address, address6]));
  }

  /** Captures on one of the host's devices. Ends by itself at a power cut. */
  async capture(device: string, options: CaptureOptions = {}): Promise<Capture> {
    const capture = await Capture.start(this.enterNetwork, device, options);
    this.onPower(({ power }) => (power === 'off' ? capture.stop() : undefined));
    return capture;
  }

  /** All processes in the host except its init and what `ps` would not show. */
  processes(): readonly ProcessEntry[] {
    const { initPid } = this.#on();
    const own = readlinkSync(`/proc/${initPid}/ns/pid`);
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== initPid)
      .flatMap((entry) => processEntry(Number(entry), own));
  }

  /**
   * Sends a signal to all processes of that name at once; they are found from outside, so no pid file is trusted.
   *
   * @param name short name, at most 15 characters
   * @returns how many there were
   */
  signalAll(name: string, signal: NodeJS.Signals): number {
    const targets = this.processes().filter((entry) => entry.name === name);
    for (const { pid } of targets) signalIfThere(pid, signal);
    return targets.length;
  }

  /** Loads rules into the host's own firewall, replacing all before; an empty text removes them. A refused send fails with EPERM there. */
  async firewall(rules: string): Promise<void> {
    await this.run(['nft', '-f', '-'], { stdin: `flush ruleset\n${rules}\n` });
  }

  /** Writes a file on one of the private directories, seen in the host as `path`. Works while the host is off too. */
  writeFile(path: string, content: string, mode = 0o644): void {
    const outside = this.outside(path);
    mkdirSync(join(outside, '..'), { recursive: true });
    rmSync(outside, { force: true }); // the mode of an existing file would stay
    writeFileSync(outside, content, { mode });
  }

  /** A file of the host as text; empty when there is none. */
  readFile(path: string): string {
    const outside = this.outside(path);
    return existsSync(outside) ? readFileSync(outside, 'utf8') : '';
  }

  removeFile(path: string): void {
    rmSync(this.outside(path), { force: true });
  }

  exists(path: string): boolean {
    return existsSync(this.outside(path));
  }

  /** The path by which this machine reaches a file of the host. @throws Error for a path outside the private directories */
  outside(path: string): string {
    const direct = path.replace(/^\/var\/run(?=\/|$)/, '/run').replace(/^\/var\/lock(?=\/|$)/, '/run/lock');
    for (const [part, target] of Object.entries(mountPoints)) {
      if (direct.startsWith(`${target}/`)) return join(this.#directory, part, direct.slice(target.length));
    }
    throw new Error(`${path} is not private to a host: only ${Object.values(mountPoints).join(', ')} are`);
  }

  /** Called by the lab. */
  async close(): Promise<void> {
    if (this.#namespace !== undefined) await this.powerOff();
  }

  #on(): Namespace {
    if (this.#namespace === undefined) throw new Error(`${this.name} is off`);
    return this.#namespace;
  }

  async #tell(event: PowerEvent): Promise<void> {
    for (const listener of this.#powerListeners) await listener(event);
  }
}

/** One process if it lives in that PID namespace and is more than a corpse; a process may end while it is looked at. */
function processEntry(pid: number, pidNamespace: string): ProcessEntry[] {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== pidNamespace) return [];
    const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return title === '' ? [] : [{ pid, name: readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd(), title }];
  } catch (error) {
    // Ended meanwhile; or a process of somebody else whose namespace is closed to us, so surely not of this host.
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH') || isErrno(error, 'EACCES')) return [];
    throw error;
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
