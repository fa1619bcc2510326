/**
 * The built-in agent behind the resource names `IPaddr` and `IPaddr2`: takes and releases an IPv4 address in well under a millisecond,
 * without starting a program.
 *
 * The address looks as if Heartbeat's own script had made it (alias label, netmask, broadcast), so `ifconfig` and that script see it as
 * theirs, and either may stop what the other has started. It is announced by gratuitous ARP, the first frame before `start` returns.
 *
 * What counts as up: any entry of that address on the wanted interface (on any but loopback when none is written), alias or not.
 * `start` accepts it as it is; `stop` removes it, with one exception: an address that looks like the machine's own (no alias label, and
 * leased or the first of its interface) is left alone with a warning, since removing it would cut the machine off. An alias that is
 * found on another interface than the one written is removed too: the address must be free for the other node.
 *
 * ```ts
 * const agent = new AddressAgent({ script: 'IPaddr', log: (tag, line) => log.script(tag, process.pid, line) });
 * const result = agent.start(['10.77.0.200/24/eth0']); // { exitCode: 0, output: 'INFO:  Success\n', … }
 * agent.stop(['10.77.0.200/24/eth0']);
 * agent.close();
 * ```
 */
import { type Clock, SystemClock, type Timer } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { type ArpSender, openArpSender } from '../../runtime/sys/arp.ts';
import { formatIpv4, type Ipv4, maskOf, sameSubnet } from '../../runtime/sys/ipv4.ts';
import {
  type Address,
  type AddressChange,
  type Link,
  linkLoopback,
  linkUp,
  type Route,
} from '../../runtime/sys/netlink.core.ts';
import {
  addAddress,
  deleteAddress,
  listAddresses,
  listLinks,
  listRoutes,
  type NetlinkResult,
  setLinkUp,
} from '../../runtime/sys/netlink.ts';
import { ms } from '../../runtime/units.ts';
import type { AgentAction, AgentResult, AheadResult, StartAhead } from './agent.ts';
import { done, type Ending, failedBy, resultLine } from './ending.ts';
import {
  type AddressSpec,
  announces,
  chooseInterface,
  dependants,
  FreeLabels,
  findAddress,
  ifconfigLine,
  isMachinesOwn,
  type Placement,
  parseAddress,
  type Refusal,
} from './ipaddr.core.ts';

/** The part of the kernel that the agent uses; tests give their own. */
export interface AddressSystem {
  listLinks(): readonly Link[];
  listAddresses(): readonly Address[];
  listRoutes(): readonly Route[];
  /** Some dozens at most; one result for each, and none is left out when one is refused. */
  addAddresses(changes: readonly AddressChange[]): readonly NetlinkResult[];
  deleteAddress(change: AddressChange): NetlinkResult;
  setLinkUp(linkIndex: number): NetlinkResult;
  openArpSender(): ArpSender;
}

const kernel: AddressSystem = {
  listLinks,
  listAddresses,
  listRoutes,
  addAddresses: (changes) => changes.map(addAddress),
  deleteAddress,
  setLinkUp,
  openArpSender,
};

export interface AddressAgentOptions {
  /** The name in haresources; it appears in the log's tag only. */
  readonly script?: 'IPaddr' | 'IPaddr2';
  /** Takes lines as the script logs them: tag `IPaddr(IPaddr_10.77.0.200)`, text `INFO:  Success`. */
  readonly log?: (tag: string, line: string) => void;
  readonly clock?: Clock;
  readonly system?: AddressSystem;
  /** An address was taken on a link whose neighbours can be asked. */
  readonly onTaken?: (address: Ipv4, link: Link) => void;
  readonly onReleased?: (address: Ipv4) => void;
}

/** Frames of one announcement, request and reply in turn, and the time between two [ms]: as Heartbeat's send_arp. */
const announcementFrames = 20;
const announcementPauseMs = 250;

/** Addresses of one message: the first one's announcement waits until all of them are set, some 10 µs for each. */
const messageAddresses = 32;

const scopeGlobal = 0;
const scopeHost = 254;

/**
 * Whether `stop` removes an entry: never what looks like the machine's own; on another interface than the one written (haresources was
 * changed while it was up) only an alias, and nothing on loopback, where a load balancer's servers have service addresses for good.
 */
function mayRemove(
  entry: Address,
  addresses: readonly Address[],
  link: Link | undefined,
  kind: 'here' | 'elsewhere',
): boolean {
  if (isMachinesOwn(entry, addresses)) return false;
  return kind === 'here' || (entry.label.includes(':') && ((link?.flags ?? 0) & linkLoopback) === 0);
}

/** How an address will be set. */
interface Intent {
  readonly ok: true;
  readonly spec: AddressSpec;
  readonly placement: Placement;
  readonly change: AddressChange;
}

function intend(
  spec: AddressSpec,
  routes: () => readonly Route[],
  links: readonly Link[],
  labels: FreeLabels,
): Intent | Refusal {
  const placement = chooseInterface(spec.device === null ? routes() : [], links, spec);
  if (!placement.ok) return placement;
  const { link, prefixLength } = placement;
  if (spec.label !== null) labels.reserve(spec.label);
  const change: AddressChange = {
    linkIndex: link.index,
    address: spec.address,
    prefixLength,
    // In a subnet of one or two addresses the highest is a host: a broadcast route to it would make that host unreachable.
    broadcast: prefixLength >= 31 && spec.broadcast === null ? null : placement.broadcast,
    label: spec.label ?? labels.take(link.name),
    scope: spec.address >>> 24 === 127 ? scopeHost : scopeGlobal,
  };
  return { ok: true, spec, placement, change };
}

/** What the original would log of it. */
function describeIntent({ spec, placement, change }: Intent): readonly string[] {
  const ip = formatIpv4(spec.address);
  const { link, prefixLength, calculated } = placement;
  return [
    ...(calculated ? [`INFO: Using calculated nic for ${ip}: ${link.name}`] : []),
    `INFO: Using calculated netmask for ${ip}: ${formatIpv4(maskOf(prefixLength))}`,
    `INFO: eval ${ifconfigLine(change.label ?? link.name, spec, placement)}`,
  ];
}

/** Whether setting it gives its interface a route that it has not: another address may belong elsewhere then. */
function bringsRoute({ linkIndex, address, prefixLength }: AddressChange, there: readonly AddressChange[]): boolean {
  return (
    prefixLength < 32 &&
    !there.some(
      (one) =>
        one.linkIndex === linkIndex &&
        one.prefixLength === prefixLength &&
        sameSubnet(one.address, address, prefixLength),
    )
  );
}

/** One address of {@link AddressAgent.ahead}; without an intent it is up. */
interface Planned {
  readonly args: readonly string[];
  readonly spec: AddressSpec;
  readonly intent: Intent | null;
}

export class AddressAgent {
  readonly #script: string;
  readonly #log: (tag: string, line: string) => void;
  readonly #clock: Clock;
  readonly #system: AddressSystem;
  readonly #onTaken: (address: Ipv4, link: Link) => void;
  readonly #onReleased: (address: Ipv4) => void;
  readonly #announcements = new Map<Ipv4, Timer>();
  /** Open while there are announcements. */
  #arp: ArpSender | null = null;

  constructor(options: AddressAgentOptions = {}) {
    this.#script = options.script ?? 'IPaddr';
    this.#log = options.log ?? (() => undefined);
    this.#clock = options.clock ?? new SystemClock();
    this.#system = options.system ?? kernel;
    this.#onTaken = options.onTaken ?? (() => undefined);
    this.#onReleased = options.onReleased ?? (() => undefined);
  }

  /** Takes the address and announces it. Success when it is up already (then without an announcement, as the original). */
  start(args: readonly string[]): AgentResult {
    return this.#run('start', args, (spec, log) => this.#start(spec, log));
  }

  /**
   * The same for addresses that are wanted one after another, in one message to the kernel. It ends before the first one of which `status` and
   * `start` may have something to say: that one, and those behind it, are left to them.
   */
  ahead(words: readonly (readonly string[])[]): StartAhead {
    const planned = this.#plan(words);
    return { count: planned.length, carryOut: () => this.#carryOut(planned) };
  }

  /** Releases the address and ends its announcement. Success when it is not up. */
  stop(args: readonly string[]): AgentResult {
    return this.#run('stop', args, (spec, log) => this.#stop(spec, log));
  }

  /** 0 and `INFO:  Running OK`, 7 and `INFO:  Resource is stopped`, or 1 when it is up on another interface than the one written. */
  status(args: readonly string[]): AgentResult {
    return this.#run('status', args, (spec) => this.#status(spec));
  }

  /**
   * Announces an address that is up here once more, from the first frame on: another machine had it as well, and the neighbours may have
   * believed that one last. Nothing when it is not up.
   */
  announce(args: readonly string[]): void {
    const parsed = parseAddress(args);
    if (!parsed.ok) return;
    const links = this.#system.listLinks();
    const found = findAddress(this.#system.listAddresses(), links, parsed.spec);
    if (found.kind !== 'here') return;
    const link = links.find((candidate) => candidate.index === found.places[0]?.linkIndex);
    if (link === undefined || !announces(link)) return;
    const tag = `${this.#script}(${this.#script}_${args[0]?.split('/')[0] ?? ''})`;
    this.#announce(parsed.spec.address, link, (line) => this.#log(tag, line));
  }

  /** Whether frames of an announcement are still to be sent. */
  get announcing(): boolean {
    return this.#announcements.size > 0;
  }

  /** Ends all announcements; addresses stay as they are. */
  close(): void {
    for (const address of [...this.#announcements.keys()]) this.#endAnnouncement(address);
  }

  /** Parses, runs, and makes the result that the original's wrapper would print and log. */
  #run(
    action: AgentAction,
    args: readonly string[],
    operate: (spec: AddressSpec, log: (line: string) => void) => Ending,
  ): AgentResult {
    const startMs = this.#clock.now();
    const parsed = parseAddress(args);
    const log = this.#logFor(args);
    const ending = parsed.ok
      ? this.#guard(() => operate(parsed.spec, log))
      : { exitCode: parsed.exitCode, reason: `ERROR: ${parsed.message}` };
    return this.#conclude(action, ending, log, this.#clock.now() - startMs);
  }

  #logFor(args: readonly string[]): (line: string) => void {
    const tag = `${this.#script}(${this.#script}_${args[0]?.split('/')[0] ?? ''})`;
    return (line) => this.#log(tag, line);
  }

  #conclude(action: AgentAction, ending: Ending, log: (line: string) => void, durationMs: number): AgentResult {
    const result = resultLine(action, ending.exitCode);
    if (ending.reason !== undefined) log(ending.reason);
    log(result);
    // The engine reads the output of `status` for words like "running": it gets the result line only, as from the original.
    const reason = ending.reason === undefined || action === 'status' ? '' : `${ending.reason}\n`;
    return {
      exitCode: ending.exitCode,
      output: `${reason}${result}\n`,
      timedOut: false,
      durationMs,
    };
  }

  #plan(words: readonly (readonly string[])[]): readonly Planned[] {
    const planned: Planned[] = [];
    try {
      const links = this.#system.listLinks();
      const addresses = this.#system.listAddresses();
      const labels = new FreeLabels(addresses);
      const there: AddressChange[] = [...addresses];
      const meant = new Set<Ipv4>();
      let routes: readonly Route[] | null = null;
      let newRoute = false;
      for (const args of words) {
        const parsed = parseAddress(args);
        if (!parsed.ok) break;
        const { spec } = parsed;
        const found = findAddress(addresses, links, spec);
        if (found.kind === 'elsewhere' || meant.has(spec.address)) break;
        meant.add(spec.address);
        if (found.kind === 'here') {
          planned.push({ args, spec, intent: null });
          continue;
        }
        if (newRoute && spec.device === null) break;
        const intent = intend(
          spec,
          () => {
            routes ??= this.#system.listRoutes();
            return routes;
          },
          links,
          labels,
        );
        if (!intent.ok || (intent.placement.link.flags & linkUp) === 0) break;
        planned.push({ args, spec, intent });
        newRoute ||= bringsRoute(intent.change, there);
        there.push(intent.change);
      }
    } catch (error) {
      // Left to `start`, which has words for it.
      if (!(error instanceof SystemCallError)) throw error;
    }
    return planned;
  }

  #carryOut(planned: readonly Planned[]): readonly AheadResult[] {
    const results: AheadResult[] = [];
    for (let from = 0; from < planned.length; from += messageAddresses) {
      const part = this.#carryOutPart(planned.slice(from, from + messageAddresses));
      results.push(...part.results);
      if (part.refused) break;
    }
    return results;
  }

  /** One message to the kernel. */
  #carryOutPart(planned: readonly Planned[]): { readonly results: readonly AheadResult[]; readonly refused: boolean } {
    const startMs = this.#clock.now();
    const intents = planned.flatMap(({ intent }) => intent ?? []);
    let added: readonly NetlinkResult[] = [];
    const unsaid = this.#guard(() => {
      if (intents.length > 0) added = this.#system.addAddresses(intents.map(({ change }) => change));
      return done;
    });
    const durationMs = this.#clock.now() - startMs;
    const told = new Map<Intent, { readonly ending: Ending; readonly lines: string[] }>();
    for (const [index, intent] of intents.entries()) {
      const result = added[index];
      const ending = result === undefined ? unsaid : this.#endingOf(intent, result);
      const lines: string[] = [];
      if (ending.exitCode === 0) this.#taken(intent, (line) => lines.push(line));
      told.set(intent, { ending, lines });
    }
    const results = planned.map(({ args, intent }): AheadResult => {
      const log = this.#logFor(args);
      const { ending = done, lines = [] } = (intent === null ? undefined : told.get(intent)) ?? {};
      return {
        status: () => this.#conclude('status', intent === null ? done : { exitCode: 7 }, log, 0),
        start: () => {
          for (const line of [...(intent === null ? [] : describeIntent(intent)), ...lines]) log(line);
          return this.#conclude('start', ending, log, durationMs);
        },
      };
    });
    return { results, refused: [...told.values()].some(({ ending }) => ending.exitCode !== 0) };
  }

  #endingOf({ spec, placement }: Intent, added: NetlinkResult): Ending {
    if (added.ok || added.errno === 'EEXIST') return done;
    return failedBy(added.errno, `add ${formatIpv4(spec.address)}/${placement.prefixLength} to ${placement.link.name}`);
  }

  /** The address is up. */
  #taken({ spec, placement: { link } }: Intent, log: (line: string) => void): void {
    if (!announces(link)) return;
    this.#announce(spec.address, link, log);
    this.#onTaken(spec.address, link);
  }

  #guard(operate: () => Ending): Ending {
    try {
      return operate();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return { exitCode: 1, reason: `ERROR: ${error.message}` };
    }
  }

  #status(spec: AddressSpec): Ending {
    const found = findAddress(this.#system.listAddresses(), this.#system.listLinks(), spec);
    if (found.kind === 'absent') return { exitCode: 7 };
    if (found.kind === 'here') return done;
    return { exitCode: 1, reason: this.#elsewhere(spec, found.onDevice) };
  }

  #elsewhere(spec: AddressSpec, onDevice: string): string {
    return `ERROR: ${formatIpv4(spec.address)} is running an interface (${onDevice}) instead of the configured one${spec.device === null ? '' : ` (${spec.device})`}`;
  }

  #start(spec: AddressSpec, log: (line: string) => void): Ending {
    const links = this.#system.listLinks();
    const addresses = this.#system.listAddresses();
    const ip = formatIpv4(spec.address);
    const found = findAddress(addresses, links, spec);
    if (found.kind === 'elsewhere') return { exitCode: 1, reason: this.#elsewhere(spec, found.onDevice) };
    if (found.kind === 'here') {
      const own = found.places.find((entry) => isMachinesOwn(entry, addresses));
      if (own !== undefined)
        log(
          `WARNING: ${ip} looks like this machine's own address (label ${own.label}): it counts as started, and stop will leave it`,
        );
      return done;
    }
    const intent = intend(spec, () => this.#system.listRoutes(), links, new FreeLabels(addresses));
    if (!intent.ok) return { exitCode: intent.exitCode, reason: intent.message };
    for (const line of describeIntent(intent)) log(line);
    const { link } = intent.placement;
    if ((link.flags & linkUp) === 0) {
      // ifconfig sets the interface up as well.
      const up = this.#system.setLinkUp(link.index);
      if (!up.ok) return failedBy(up.errno, `set interface ${link.name} up`);
    }
    const ending = this.#endingOf(intent, this.#add(intent.change));
    if (ending.exitCode === 0) this.#taken(intent, log);
    return ending;
  }

  #add(change: AddressChange): NetlinkResult {
    const [result] = this.#system.addAddresses([change]);
    if (result === undefined) throw new Error('an address was asked for, and there is no answer');
    return result;
  }

  /** Sends the first frame now and the others on timers at fixed times, so that a slow one does not delay the rest. */
  #announce(address: Ipv4, link: Link, log: (line: string) => void): void {
    const startMs = this.#clock.now();
    let failed = false;
    const frame = (number: number): void => {
      try {
        this.#arp ??= this.#system.openArpSender();
        this.#arp.send(number % 2 === 0 ? 'request' : 'reply', address, link);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        if (!failed) log(`WARNING: gratuitous ARP for ${formatIpv4(address)} on ${link.name} failed: ${error.message}`);
        failed = true;
      }
      const next = number + 1;
      if (next === announcementFrames) this.#endAnnouncement(address);
      else
        this.#announcements.set(
          address,
          this.#clock.setTimer(ms(startMs + next * announcementPauseMs), () => frame(next)),
        );
    };
    this.#endAnnouncement(address);
    frame(0);
  }

  /** The socket ends with the last announcement. */
  #endAnnouncement(address: Ipv4): void {
    this.#announcements.get(address)?.cancel();
    this.#announcements.delete(address);
    if (this.#announcements.size > 0) return;
    this.#arp?.close();
    this.#arp = null;
  }

  #stop(spec: AddressSpec, log: (line: string) => void): Ending {
    this.#endAnnouncement(spec.address);
    this.#onReleased(spec.address);
    const links = this.#system.listLinks();
    const addresses = this.#system.listAddresses();
    const found = findAddress(addresses, links, spec);
    if (found.kind === 'absent') return done;
    const ip = formatIpv4(spec.address);
    for (const entry of found.places) {
      const link = links.find((candidate) => candidate.index === entry.linkIndex);
      const device = link?.name ?? `interface ${entry.linkIndex}`;
      if (!mayRemove(entry, addresses, link, found.kind)) {
        log(
          `WARNING: ${ip} on ${device} (label ${entry.label}) was not made by this agent: not removed. If it belongs to the resource, remove it by hand`,
        );
        continue;
      }
      log(`INFO: ifconfig ${entry.label} down`);
      const removed = this.#remove(entry, addresses, log);
      if (!removed.ok) return failedBy(removed.errno, `remove ${ip}/${entry.prefixLength} from ${device}`);
    }
    return done;
  }

  /** Deletes one entry and puts back the addresses that the kernel deleted with it. */
  #remove(entry: Address, before: readonly Address[], log: (line: string) => void): NetlinkResult {
    const deleted = this.#system.deleteAddress({ ...entry, broadcast: null });
    // Gone meanwhile is as good.
    if (!deleted.ok && deleted.errno !== 'EADDRNOTAVAIL' && deleted.errno !== 'ENODEV') return deleted;
    const kin = dependants(entry, before);
    if (kin.length === 0) return { ok: true };
    const after = this.#system.listAddresses();
    for (const lost of kin) {
      if (after.some((candidate) => candidate.linkIndex === lost.linkIndex && candidate.address === lost.address))
        continue;
      const restored = this.#add(lost);
      log(
        restored.ok
          ? `INFO: ${lost.label} ${formatIpv4(lost.address)} put back: the kernel had removed it with ${entry.label}`
          : `ERROR: ${lost.label} ${formatIpv4(lost.address)} was removed by the kernel with ${entry.label} and could not be put back: ${restored.errno}`,
      );
    }
    return { ok: true };
  }
}
