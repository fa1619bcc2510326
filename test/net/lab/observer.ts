/**
 * The referee: watches from outside which host holds which service address and which stand-in service.
 *
 * It asks no cluster program. Addresses come from the kernel's own announcements (`ip monitor` in each host's network, stamped by `ip`),
 * services from the log that their script writes.
 */

import { readFileSync } from 'node:fs';
import { parseAddressLine } from './address-monitor.core.ts';
import type { Host } from './host.ts';
import type { PowerEvent } from './machine.ts';
import { type OwnershipEvent, Timeline } from './ownership.core.ts';
import { LabProcess, run } from './process.ts';
import { eventually } from './wait.ts';

/** A fence address is put on the loopback device and taken away: when the monitor tells of it, it has told everything before. */
const fencePrefix = '127.255.255.';

/** Watches all hosts of a lab from its creation to `close()`. */
export class Observer implements AsyncDisposable {
  readonly #watches: readonly HostWatch[];

  private constructor(watches: readonly HostWatch[]) {
    this.#watches = watches;
  }

  static async start(hosts: readonly Host[]): Promise<Observer> {
    const watches = hosts.map((host) => new HostWatch(host));
    await Promise.all(watches.map((watch) => watch.start()));
    return new Observer(watches);
  }

  /**
   * Everything up to now. Waits until the kernel's announcements of all hosts have arrived, so what a command did before it
   * returned is in.
   *
   * Resources are named by the address without its length (`10.77.0.100`) and by `service:NAME`.
   */
  async timeline(): Promise<Timeline> {
    await Promise.all(this.#watches.map((watch) => watch.catchUp()));
    return this.#soFar();
  }

  /** Waits until exactly these hosts hold a resource. @throws WaitTimeoutError that tells who holds it instead */
  async waitForOwners(resource: string, owners: readonly string[], timeoutMs: number): Promise<void> {
    const wanted = owners.toSorted().join(', ');
    const look = (): boolean => {
      const found = this.#soFar().owners(resource).join(', ');
      if (found !== wanted) throw new Error(`held by: ${found || 'nobody'}`);
      return true;
    };
    await eventually(look, { what: `${resource} held by: ${wanted || 'nobody'}`, timeoutMs, intervalMs: 20 });
  }

  /** Who holds a resource by what has arrived so far: cheap, and a moment late. */
  ownersNow(resource: string): readonly string[] {
    return this.#soFar().owners(resource);
  }

  /** What has arrived, without asking the hosts for anything: cheap enough to look again and again. */
  #soFar(): Timeline {
    const events = this.#watches.flatMap((watch) => watch.events());
    return new Timeline(events, Date.now());
  }

  async close(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class HostWatch {
  readonly #host: Host;
  readonly #addressEvents: OwnershipEvent[] = [];
  readonly #powerEvents: PowerEvent[] = [];
  readonly #fencesSeen = new Set<string>();
  readonly #deviceOf = new Map<string, Set<string>>();
  #fixed: ReadonlySet<string> = new Set();
  #monitor: LabProcess | undefined;
  #fence = 0;
  #partial = '';
  /** News that came before the listing was read wait for it: they are newer, or already in it. */
  readonly #waiting: string[] = [];
  #listed = false;
  #closed = false;

  constructor(host: Host) {
    this.#host = host;
    host.onPower(async (event) => {
      if (this.#closed) return;
      if (event.power === 'on') await this.start();
      else await this.#powerCut(event);
    });
  }

  /** Subscribes, then lists what is there already: nothing falls between the two. */
  async start(): Promise<void> {
    if (!this.#host.poweredOn) return;
    this.#fixed = this.#host.fixedAddresses();
    // It stamps what it reads when it reads it: on a busy machine only a real-time process does that at once.
    const command = ['chrt', '--rr', '50', 'ip', '-ts', '-o', 'monitor', 'address'];
    const monitor = new LabProcess([...this.#host.enterNetwork, ...command], { stdin: '' });
    monitor.onStdout((chunk) => this.#read(chunk.toString('utf8')), { keep: false });
    this.#monitor = monitor;
    await eventually(() => subscribed(monitor), { what: `address events of ${this.#host.name}`, intervalMs: 2 });
    const listedAtMs = Date.now();
    const listing = await run([...this.#host.enterNetwork, 'ip', '-o', 'address', 'show']);
    for (const line of listing.split('\n')) this.#note(line, listedAtMs);
    this.#listed = true;
    for (const line of this.#waiting.splice(0)) this.#note(line, listedAtMs);
  }

  async catchUp(): Promise<void> {
    if (this.#monitor === undefined || !this.#host.poweredOn) return;
    this.#fence = (this.#fence % 250) + 1;
    const address = `${fencePrefix}${this.#fence}`;
    this.#fencesSeen.delete(address);
    const stdin = `address add ${address}/32 dev lo\naddress del ${address}/32 dev lo\n`;
    await run([...this.#host.enterNetwork, 'ip', '-batch', '-'], { stdin });
    await eventually(() => this.#fencesSeen.has(address), {
      what: `address events of ${this.#host.name}`,
      intervalMs: 1,
    });
  }

  events(): OwnershipEvent[] {
    const host = this.#host.name;
    const services: OwnershipEvent[] = [];
    for (const entry of this.#host.serviceLog()) {
      if (entry.what !== 'up' && entry.what !== 'down') continue;
      services.push({ atMs: entry.atMs, host, resource: `service:${entry.name}`, held: entry.what === 'up' });
    }
    const events = [...this.#addressEvents, ...services];
    const ends = this.#powerEvents.flatMap(({ atMs }) =>
      [...new Set(events.map((event) => event.resource))].map((resource) => ({ atMs, host, resource, held: false })),
    );
    return [...events, ...ends];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#monitor?.kill();
    this.#monitor = undefined;
  }

  async #powerCut(event: PowerEvent): Promise<void> {
    this.#powerEvents.push(event);
    await this.#monitor?.kill();
    this.#monitor = undefined;
    this.#partial = '';
    this.#waiting.length = 0;
    this.#listed = false;
    this.#deviceOf.clear();
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    if (!this.#listed) this.#waiting.push(...lines);
    else for (const line of lines) this.#note(line, Date.now());
  }

  /** @param unstampedAtMs the time of a line that tells none [epoch ms] */
  #note(line: string, unstampedAtMs: number): void {
    const change = parseAddressLine(line);
    if (change === null) return;
    const { address, device } = change;
    if (address.startsWith(fencePrefix)) {
      if (!change.present) this.#fencesSeen.add(address);
      return;
    }
    if (device === 'lo' || address.startsWith('fe80:') || this.#fixed.has(address) || change.tentative) return;
    // The same address on two devices is one holding, which ends when the last one loses it.
    const devices = this.#deviceOf.get(address) ?? new Set();
    this.#deviceOf.set(address, devices);
    if (change.present) devices.add(device);
    else devices.delete(device);
    const held = devices.size > 0;
    this.#addressEvents.push({ atMs: change.atMs ?? unstampedAtMs, host: this.#host.name, resource: address, held });
  }
}

/** Whether the monitor's netlink socket has joined its groups; the kernel lists the sockets of the namespace. */
function subscribed(monitor: LabProcess): boolean {
  if (!monitor.running) throw new Error(monitor.stderr.trim());
  return readFileSync(`/proc/${monitor.pid}/net/netlink`, 'utf8')
    .split('\n')
    .some((line) => {
      const [, protocol, portId, groups] = line.trim().split(/\s+/);
      return protocol === '0' && portId === String(monitor.pid) && groups !== undefined && /[1-9a-f]/.test(groups);
    });
}
