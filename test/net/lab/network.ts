/**
 * One network of a lab: a switch (a bridge in a namespace of its own), a cable from it to each host, and what goes wrong in between.
 */

import { type DropFault, type Fault, faultRuleset, type PacketMatch } from './faults.core.ts';
import { bootNetworkNamespace, type Namespace } from './namespace.ts';
import { exec, run } from './process.ts';

/** A fault at work. It ends with `lift()`, at the end of an `await using` block, or with the lab. */
export interface ActiveFault extends AsyncDisposable {
  lift(): Promise<void>;
}

/** What {@link Network.drop} takes besides the host. */
export interface DropOptions extends PacketMatch {
  /** `from`: what the host sends; `to`: what it would receive. */
  readonly direction: 'from' | 'to';
  /** Only packets from or to this host. */
  readonly peer?: string;
  /** Whole percentage [1..100], default 100. */
  readonly percent?: number;
}

/** Where a host is plugged in. */
export interface Attachment {
  /** Interface name inside the host, `eth0`. */
  readonly device: string;
  /** The host's fixed IPv4 address on this network, without the length. */
  readonly address: string;
  /** The host's fixed IPv6 address, without the length. */
  readonly address6: string;
}

/** Hosts are numbered from 1; their number is the last part of their addresses. */
export class Network {
  readonly name: string;
  /** 0 for the first network: part of every address and of the device name inside the hosts. */
  readonly index: number;
  /** Answers echo requests, so it serves as the cluster's ping node: `10.77.<index>.254`. */
  readonly pingAddress: string;
  readonly pingAddress6: string;
  readonly #namespace: Namespace;
  readonly #portOfHost = new Map<string, { readonly port: string; readonly attachment: Attachment }>();
  #faults: Fault[] = [];
  #rulesetInForce: Promise<void> = Promise.resolve();

  private constructor(name: string, index: number, namespace: Namespace) {
    this.name = name;
    this.index = index;
    this.pingAddress = `10.77.${index}.254`;
    this.pingAddress6 = `fd77:${index + 1}::254`;
    this.#namespace = namespace;
  }

  /** Called by the lab. @param index 0..9 */
  static async create(name: string, index: number): Promise<Network> {
    const network = new Network(name, index, await bootNetworkNamespace());
    await network.#ip([
      'link set lo up',
      // An address of its own: else it takes that of a port, and with a host that goes the ping address would be elsewhere for a while.
      `link add br0 address 02:00:00:00:77:${index.toString(16).padStart(2, '0')} type bridge mcast_snooping 0`,
      'link set br0 up',
      `addr add ${network.pingAddress}/24 dev br0`,
      `addr add ${network.pingAddress6}/64 dev br0 nodad`,
    ]);
    return network;
  }

  /** The command line that runs a program in the switch: a capture there sees everything that reaches the switch. */
  get enterNetwork(): readonly string[] {
    return this.#namespace.enterNetwork;
  }

  /** IPv4 address range, `10.77.0.0/24`. */
  get subnet(): string {
    return `10.77.${this.index}.0/24`;
  }

  /** A free address for a service, host part 100 to 199. */
  serviceAddress(number: number): string {
    if (number < 100 || number > 199) throw new RangeError(`service addresses end in 100 to 199, not ${number}`);
    return `10.77.${this.index}.${number}`;
  }

  /** Plugs hosts in: their network namespaces get a device, up and with its fixed addresses. Called by the lab and at power-on. */
  async plug(
    hosts: readonly { readonly name: string; readonly number: number; readonly namespace: Namespace }[],
  ): Promise<void> {
    const device = `eth${this.index}`;
    await this.#ip(
      hosts.flatMap(({ number, namespace }) => [
        `link add port${number} type veth peer name ${device} netns ${namespace.initPid}`,
        `link set port${number} master br0 up`,
      ]),
    );
    for (const { name, number } of hosts) {
      const attachment = {
        device,
        address: `10.77.${this.index}.${number}`,
        address6: `fd77:${this.index + 1}::${number}`,
      };
      this.#portOfHost.set(name, { port: `port${number}`, attachment });
    }
  }

  /** Takes a host's cable away for good (power off); nothing when it has none. */
  async unplug(host: string): Promise<void> {
    const plugged = this.#portOfHost.get(host);
    if (plugged === undefined) return;
    this.#portOfHost.delete(host);
    const result = await exec([...this.#namespace.enterNetwork, 'ip', 'link', 'del', plugged.port]);
    // The kernel removes the pair itself when the host's namespace goes; whoever comes second finds nothing.
    if (result.code !== 0 && !/Cannot find device|No such device/.test(result.stderr))
      throw new Error(result.stderr.trim());
  }

  /** Where a host is plugged in. @throws Error for a host without a cable here */
  attachment(host: string): Attachment {
    return this.#plugged(host).attachment;
  }

  /** Pulls the host's cable: both ends lose their carrier. */
  async cut(host: string): Promise<void> {
    await this.#ip([`link set ${this.#plugged(host).port} down`]);
  }

  /** Puts the cable back. */
  async heal(host: string): Promise<void> {
    await this.#ip([`link set ${this.#plugged(host).port} up`]);
  }

  /**
   * Loses packets between a host and the switch, unseen by both ends.
   *
   * @example await using deaf = await lab.network('net0').drop('node1', { direction: 'to', udpPort: 694 });
   */
  async drop(host: string, options: DropOptions): Promise<ActiveFault> {
    const { peer, percent, ...rest } = options;
    const fault: DropFault = {
      kind: 'drop',
      port: this.#plugged(host).port,
      percent: percent ?? 100,
      ...(peer === undefined ? {} : { peerPort: this.#plugged(peer).port }),
      ...rest,
    };
    return this.#apply(fault);
  }

  /** Lets packets to a host arrive twice. @param options.percent [1..100], default 100 */
  async duplicate(host: string, options: PacketMatch & { readonly percent?: number } = {}): Promise<ActiveFault> {
    const { percent, ...match } = options;
    return this.#apply({ kind: 'duplicate', port: this.#plugged(host).port, percent: percent ?? 100, ...match });
  }

  /** Ends every fault of this network; cables stay as they are. */
  async liftAll(): Promise<void> {
    this.#faults = [];
    await this.#load();
  }

  /** Called by the lab: kills the switch. */
  async close(): Promise<void> {
    this.#namespace.kill();
    await this.#namespace.gone();
  }

  /** Kills the switch without waiting, for a program that is about to end. */
  kill(): void {
    this.#namespace.kill();
  }

  async #apply(fault: Fault): Promise<ActiveFault> {
    this.#faults.push(fault);
    const lift = async (): Promise<void> => {
      if (!this.#faults.includes(fault)) return;
      this.#faults = this.#faults.filter((other) => other !== fault);
      await this.#load();
    };
    await this.#load();
    return { lift, [Symbol.asyncDispose]: lift };
  }

  /** Loads one after the other, each with the faults of its own moment: the last to load is the newest. */
  #load(): Promise<void> {
    const next = this.#loadAfter(this.#rulesetInForce);
    this.#rulesetInForce = next.catch(() => undefined); // the caller gets the error; the next load starts afresh
    return next;
  }

  async #loadAfter(previous: Promise<void>): Promise<void> {
    await previous;
    await run([...this.#namespace.enterNetwork, 'nft', '-f', '-'], { stdin: faultRuleset(this.#faults) });
  }

  #plugged(host: string): { readonly port: string; readonly attachment: Attachment } {
    const plugged = this.#portOfHost.get(host);
    if (plugged === undefined) throw new Error(`${host} has no cable in ${this.name}`);
    return plugged;
  }

  async #ip(commands: readonly string[]): Promise<void> {
    await run([...this.#namespace.enterNetwork, 'ip', '-batch', '-'], { stdin: `${commands.join('\n')}\n` });
  }
}
