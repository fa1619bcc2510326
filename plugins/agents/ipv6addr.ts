/**
 * The built-in agent behind the resource name `IPv6addr`: takes and releases an IPv6 address by rtnetlink, and tells the neighbours.
 *
 * The address can be used at once (the kernel's duplicate address detection would take a second); conflict.ts asks for other owners
 * meanwhile. The neighbours are told by unsolicited advertisements with the override bit, the first before `start` returns.
 *
 * ```text
 * node1 IPv6addr::2001:db8::10 IPv6addr::fe80::10/64/eth0 2001:db8::11/64/eth0
 * ```
 */
import { type Clock, SystemClock, type Timer } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { formatIpv6, sameAddress6 } from '../../runtime/sys/ipv6.ts';
import { unsolicitedAdvertisement } from '../../runtime/sys/neighbour.core.ts';
import { type FrameSender, forwards6, openFrameSender } from '../../runtime/sys/neighbour.ts';
import { type Link, linkUp } from '../../runtime/sys/netlink.core.ts';
import {
  addAddress6,
  deleteAddress6,
  listAddresses6,
  listLinks,
  type NetlinkResult,
  setLinkUp,
} from '../../runtime/sys/netlink.ts';
import type { Address6, Address6Change } from '../../runtime/sys/netlink6.core.ts';
import { ms } from '../../runtime/units.ts';
import type { AgentAction, AgentResult } from './agent.ts';
import { done, type Ending, failedBy, resultLine } from './ending.ts';
import { announces } from './ipaddr.core.ts';
import { type Address6Spec, chooseInterface6, isMachinesOwn6, parseAddress6 } from './ipv6addr.core.ts';

/** The part of the kernel that the agent uses; tests give their own. */
export interface Address6System {
  listLinks(): readonly Link[];
  listAddresses6(): readonly Address6[];
  addAddress6(change: Address6Change): NetlinkResult;
  deleteAddress6(change: Address6Change): NetlinkResult;
  setLinkUp(linkIndex: number): NetlinkResult;
  openFrameSender(): FrameSender;
  forwards6(device: string): boolean;
}

const kernel: Address6System = {
  listLinks,
  listAddresses6,
  addAddress6,
  deleteAddress6,
  setLinkUp,
  openFrameSender,
  forwards6,
};

export interface Address6AgentOptions {
  /** Takes lines as the script logs them. */
  readonly log?: (tag: string, line: string) => void;
  readonly clock?: Clock;
  readonly system?: Address6System;
  /** An address was taken on a link whose neighbours can be asked. */
  readonly onTaken?: (address: Uint8Array, link: Link) => void;
  readonly onReleased?: (address: Uint8Array) => void;
}

/** Advertisements of one announcement, and the time between two [ms]; a neighbour that missed one hears the next. */
const advertisements = 5;
const advertisementPauseMs = 500;

export class Address6Agent {
  readonly #options: Address6AgentOptions;
  readonly #clock: Clock;
  readonly #system: Address6System;
  readonly #announcements = new Map<string, Timer>();
  /** Open while there are announcements. */
  #sender: FrameSender | null = null;

  constructor(options: Address6AgentOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#system = options.system ?? kernel;
  }

  /** Takes the address and announces it. Success when it is up already. */
  start(args: readonly string[]): AgentResult {
    return this.#run('start', args, (spec, log) => this.#start(spec, log));
  }

  /** Releases the address and ends its announcement. Success when it is not up. */
  stop(args: readonly string[]): AgentResult {
    return this.#run('stop', args, (spec, log) => this.#stop(spec, log));
  }

  /** 0 and `INFO:  Running OK`, or 7 and `INFO:  Resource is stopped`. */
  status(args: readonly string[]): AgentResult {
    return this.#run('status', args, (spec) => (this.#places(spec).length > 0 ? done : { exitCode: 7 }));
  }

  /** Announces an address that is up here once more; as the agent of IPv4 does (ipaddr.ts). */
  announce(args: readonly string[]): void {
    const [word = ''] = args;
    const parsed = parseAddress6(word);
    if (!parsed.ok) return;
    const index = this.#places(parsed.spec)[0]?.linkIndex;
    const link = this.#system.listLinks().find((candidate) => candidate.index === index);
    if (link === undefined || !announces(link)) return;
    const log = (line: string): void => this.#options.log?.(`IPv6addr(IPv6addr_${word.split('/')[0]})`, line);
    this.#announce(parsed.spec.address, link, log);
  }

  /** Ends all announcements; addresses stay as they are. */
  close(): void {
    for (const address of [...this.#announcements.keys()]) this.#endAnnouncement(address);
  }

  #run(
    action: AgentAction,
    args: readonly string[],
    operate: (spec: Address6Spec, log: (line: string) => void) => Ending,
  ): AgentResult {
    const startMs = this.#clock.now();
    const [word = ''] = args;
    const log = (line: string): void => this.#options.log?.(`IPv6addr(IPv6addr_${word.split('/')[0]})`, line);
    const parsed = parseAddress6(word);
    let ending: Ending;
    try {
      ending = parsed.ok
        ? operate(parsed.spec, log)
        : { exitCode: parsed.exitCode, reason: `ERROR: ${parsed.message}` };
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      ending = { exitCode: 1, reason: `ERROR: ${error.message}` };
    }
    const line = resultLine(action, ending.exitCode);
    if (ending.reason !== undefined) log(ending.reason);
    log(line);
    const reason = ending.reason === undefined || action === 'status' ? '' : `${ending.reason}\n`;
    const durationMs = this.#clock.now() - startMs;
    return { exitCode: ending.exitCode, output: `${reason}${line}\n`, timedOut: false, durationMs };
  }

  /** Every entry of the address counts, on the written interface or on any. */
  #places(spec: Address6Spec): readonly Address6[] {
    const links = spec.device === null ? null : this.#system.listLinks();
    const index = links?.find((link) => link.name === spec.device)?.index;
    return this.#system
      .listAddresses6()
      .filter((entry) => sameAddress6(entry.address, spec.address))
      .filter((entry) => links === null || entry.linkIndex === index)
      .filter((entry) => !entry.dadFailed);
  }

  #start(spec: Address6Spec, log: (line: string) => void): Ending {
    const text = formatIpv6(spec.address);
    if (this.#places(spec).length > 0) return done;
    const placement = chooseInterface6(this.#system.listAddresses6(), this.#system.listLinks(), spec);
    if (!placement.ok) return { exitCode: placement.exitCode, reason: `ERROR: ${placement.message}` };
    const { link, prefixLength } = placement;
    if (placement.calculated) log(`INFO: Using calculated nic for ${text}: ${link.name}`);
    log(`INFO: ip -f inet6 addr add ${text}/${prefixLength} dev ${link.name}`);
    if ((link.flags & linkUp) === 0) {
      const up = this.#system.setLinkUp(link.index);
      if (!up.ok) return failedBy(up.errno, `set interface ${link.name} up`);
    }
    const added = this.#system.addAddress6({ linkIndex: link.index, address: spec.address, prefixLength });
    if (!added.ok) return failedBy(added.errno, `add ${text}/${prefixLength} to ${link.name}`);
    if (announces(link)) {
      this.#announce(spec.address, link, log);
      this.#options.onTaken?.(spec.address, link);
    }
    return done;
  }

  /** The first one now, the others on timers at fixed times. */
  #announce(address: Uint8Array, link: Link, log: (line: string) => void): void {
    const text = formatIpv6(address);
    const frame = unsolicitedAdvertisement(address, link.mac, this.#system.forwards6(link.name));
    const startMs = this.#clock.now();
    let failed = false;
    const send = (number: number): void => {
      try {
        this.#sender ??= this.#system.openFrameSender();
        this.#sender.send(frame, link.index);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        if (!failed) log(`WARNING: announcing ${text} on ${link.name} failed: ${error.message}`);
        failed = true;
      }
      const next = number + 1;
      if (next === advertisements) this.#endAnnouncement(text);
      else
        this.#announcements.set(
          text,
          this.#clock.setTimer(ms(startMs + next * advertisementPauseMs), () => send(next)),
        );
    };
    this.#endAnnouncement(text);
    send(0);
  }

  #endAnnouncement(text: string): void {
    this.#announcements.get(text)?.cancel();
    this.#announcements.delete(text);
    if (this.#announcements.size > 0) return;
    this.#sender?.close();
    this.#sender = null;
  }

  #stop(spec: Address6Spec, log: (line: string) => void): Ending {
    const text = formatIpv6(spec.address);
    this.#endAnnouncement(text);
    this.#options.onReleased?.(spec.address);
    const addresses = this.#system.listAddresses6();
    const links = this.#system.listLinks();
    for (const entry of addresses.filter((one) => sameAddress6(one.address, spec.address))) {
      const device = links.find((link) => link.index === entry.linkIndex)?.name ?? `interface ${entry.linkIndex}`;
      if (spec.device !== null && device !== spec.device) continue;
      if (isMachinesOwn6(entry, addresses)) {
        log(`WARNING: ${text} on ${device} looks like this machine's own address: not removed`);
        continue;
      }
      log(`INFO: ip -f inet6 addr delete ${text}/${entry.prefixLength} dev ${device}`);
      const removed = this.#system.deleteAddress6(entry);
      // Gone meanwhile is as good.
      if (!removed.ok && removed.errno !== 'EADDRNOTAVAIL' && removed.errno !== 'ENODEV')
        return failedBy(removed.errno, `remove ${text}/${entry.prefixLength} from ${device}`);
    }
    return done;
  }
}
