/**
 * The built-in address agent's decisions: what a resource word means, which interface an address belongs to, which alias is free.
 *
 * Pure: state of the kernel in, a decision out. The rules are those of Heartbeat's IPaddr as recorded from it; where they differ, the
 * comment says so.
 */
import {
  broadcastOf,
  formatIpv4,
  type Ipv4,
  maskOf,
  parseIpv4,
  prefixLengthOf,
  sameSubnet,
} from '../../runtime/sys/ipv4.ts';
import { type Address, type Link, linkLoopback, linkNoArp, type Route } from '../../runtime/sys/netlink.core.ts';

/** What the resource word says; null stands for "not written". */
export interface AddressSpec {
  readonly address: Ipv4;
  /** 1 to 32. */
  readonly prefixLength: number | null;
  readonly device: string | null;
  /** The alias label wanted with `iface:label`, complete: `eth0:web`. */
  readonly label: string | null;
  readonly broadcast: Ipv4 | null;
}

/** A refusal: exit code as a script's (2 arguments, 6 configuration, 1 other) and what to print. */
export interface Refusal {
  readonly ok: false;
  readonly exitCode: number;
  readonly message: string;
}

/** IFNAMSIZ of <linux/if.h> less the NUL: longer labels are refused by the kernel. */
const labelMaxLength = 15;
/** Heartbeat tries alias numbers up to this one. */
const aliasMax = 511;
const arphrdEther = 1;

const refuse = (exitCode: number, message: string): Refusal => ({ ok: false, exitCode, message });

/** `24` or `255.255.255.0` as a prefix length of 1 to 32, or null. */
function parseMask(text: string): number | null {
  if (/^\d{1,2}$/.test(text)) {
    const bits = Number(text);
    return bits >= 1 && bits <= 32 ? bits : null;
  }
  const mask = parseIpv4(text);
  const bits = mask === null ? null : prefixLengthOf(mask);
  return bits === null || bits === 0 ? null : bits;
}

/**
 * Reads the arguments of `IPaddr` or `IPaddr2`: one word `ip`, `ip/bits`, `ip/bits/iface`, `ip/bits/bcast` or `ip/bits/iface/bcast`;
 * bits may be a dotted mask, iface may carry `:label`.
 *
 * A host cannot own 0.0.0.0, a group or the limited broadcast, so those are refused as well.
 */
export function parseAddress(args: readonly string[]): { readonly ok: true; readonly spec: AddressSpec } | Refusal {
  const [word, ...rest] = args;
  if (word === undefined || word === '') return refuse(6, 'IP address parameter is mandatory.');
  if (rest.length > 0) return refuse(2, `one word wanted, as in 10.0.0.1/24/eth0; not understood: ${rest.join(' ')}`);
  const [ip = '', mask, third, fourth, ...more] = word.split('/');
  const address = parseIpv4(ip);
  if (address === null || address === 0 || address >>> 28 >= 14)
    return refuse(6, `Parameter OCF_RESKEY_ip [${ip}] not an IP address`);
  const prefixLength = mask === undefined ? null : parseMask(mask);
  if (mask !== undefined && prefixLength === null) return refuse(6, `Invalid netmask specification [${mask}]`);
  // A third part that begins with a digit is a broadcast address: no interface does.
  const thirdIsBroadcast = third !== undefined && /^\d/.test(third);
  const broadcastText = thirdIsBroadcast ? third : fourth;
  if (more.length > 0 || (thirdIsBroadcast && fourth !== undefined))
    return refuse(6, `too many parts in ${word}: ip/bits/iface/broadcast is the longest form`);
  const broadcast = broadcastText === undefined ? null : parseIpv4(broadcastText);
  if (broadcastText !== undefined && broadcast === null)
    return refuse(6, `Invalid broadcast address [${broadcastText}]`);
  if (third === undefined || thirdIsBroadcast)
    return { ok: true, spec: { address, prefixLength, device: null, label: null, broadcast } };
  const [device = '', alias] = third.split(':', 2);
  if (!/^[^\s/:]{1,15}$/.test(device)) return refuse(6, `Invalid interface name [${third}]`);
  const label = alias === undefined ? null : `${device}:${alias}`;
  if (label !== null && (alias === '' || label.length > labelMaxLength || third !== label)) {
    return refuse(6, `Invalid interface label [${third}]: at most ${labelMaxLength} characters, interface included`);
  }
  return { ok: true, spec: { address, prefixLength, device, label, broadcast } };
}

/** Where an address shall go. */
export interface Placement {
  readonly ok: true;
  readonly link: Link;
  readonly prefixLength: number;
  readonly broadcast: Ipv4;
  /** Whether the route table gave the interface. */
  readonly calculated: boolean;
}

/**
 * Chooses the row of the route table for an address, by Heartbeat's rule: rows in the kernel's order; a row that contains the address
 * is better when its metric is not higher *and* its prefix is not shorter than the best so far.
 */
function bestRoute(routes: readonly Route[], address: Ipv4): Route | null {
  let best: Route | null = null;
  for (const route of routes) {
    if (route.linkIndex === null || !sameSubnet(address, route.destination, route.prefixLength)) continue;
    if (best === null || (route.metric <= best.metric && route.prefixLength >= best.prefixLength)) best = route;
  }
  return best;
}

/**
 * Decides interface, netmask and broadcast of an address.
 *
 * An interface that is written is taken as it is, with mask 32 when none is written. Else the route table decides; an address that only the
 * default route reaches needs a mask. Two differences to the recorded agent: there is no default interface eth0, the calculated one is
 * taken; and 127.0.0.0/8 always belongs to the loopback interface.
 *
 * @param routes the main table in the kernel's order; not looked at when an interface is written
 */
export function chooseInterface(
  routes: readonly Route[],
  links: readonly Link[],
  spec: AddressSpec,
): Placement | Refusal {
  const place = (link: Link, prefixLength: number, calculated: boolean): Placement => ({
    ok: true,
    link,
    prefixLength,
    broadcast: spec.broadcast ?? broadcastOf(spec.address, prefixLength),
    calculated,
  });
  if (spec.device !== null) {
    const link = links.find((candidate) => candidate.name === spec.device);
    return link === undefined
      ? refuse(6, `${spec.device}: unknown interface: No such device`)
      : place(link, spec.prefixLength ?? 32, false);
  }
  if (spec.address >>> 24 === 127) {
    const loopback = links.find((candidate) => (candidate.flags & linkLoopback) !== 0);
    return loopback === undefined ? refuse(1, 'No interface found.') : place(loopback, spec.prefixLength ?? 8, true);
  }
  const route = bestRoute(routes, spec.address);
  const link = links.find((candidate) => candidate.index === route?.linkIndex);
  if (route === null || link === undefined) return refuse(1, 'No interface found.');
  if (route.prefixLength === 0 && spec.prefixLength === null)
    return refuse(1, `ERROR: Cannot use default route w/o netmask [${formatIpv4(spec.address)}]`);
  return place(link, spec.prefixLength ?? route.prefixLength, true);
}

/** Alias labels for addresses that are set one after another. */
export class FreeLabels {
  readonly #taken: Set<string>;
  /** By device: no smaller number is free. */
  readonly #next = new Map<string, number>();

  constructor(addresses: readonly Address[]) {
    this.#taken = new Set(addresses.map((address) => address.label));
  }

  /**
   * The first free alias `iface:N` from 0, by the labels in use; null when all 512 are taken or the interface's name leaves no room
   * (then the address gets the plain label and other programs do not list it as an alias).
   */
  take(device: string): string | null {
    for (let number = this.#next.get(device) ?? 0; number <= aliasMax; number++) {
      const label = `${device}:${number}`;
      if (label.length > labelMaxLength) return null;
      if (this.#taken.has(label)) continue;
      this.#next.set(device, number + 1);
      this.#taken.add(label);
      return label;
    }
    return null;
  }

  /** A label that was written. */
  reserve(label: string): void {
    this.#taken.add(label);
  }
}

/** Where an address of a resource is now. */
export type Whereabouts =
  | { readonly kind: 'absent' }
  /** `places` are all entries of the address that count as the resource. */
  | { readonly kind: 'here'; readonly places: readonly Address[] }
  /** Up, but on another interface than the one written. */
  | { readonly kind: 'elsewhere'; readonly places: readonly Address[]; readonly onDevice: string };

/**
 * Finds an address on this machine.
 *
 * The recorded agent sees aliases only. Here every entry counts, so that `status` never denies an address that answers. An address on the
 * loopback interface (a load balancer's real server has its service address there) is "elsewhere" unless that interface is written.
 */
export function findAddress(addresses: readonly Address[], links: readonly Link[], spec: AddressSpec): Whereabouts {
  const places = addresses.filter((candidate) => candidate.address === spec.address);
  const wanted = places.filter((candidate) => {
    const link = links.find((one) => one.index === candidate.linkIndex);
    if (spec.device !== null) return link?.name === spec.device;
    return spec.address >>> 24 === 127 || ((link?.flags ?? 0) & linkLoopback) === 0;
  });
  if (wanted.length > 0) return { kind: 'here', places: wanted };
  const [first] = places;
  if (first === undefined) return { kind: 'absent' };
  return {
    kind: 'elsewhere',
    places,
    onDevice: links.find((link) => link.index === first.linkIndex)?.name ?? `interface ${first.linkIndex}`,
  };
}

/**
 * Whether an entry looks like the machine's own, permanent address: no alias label, and either leased (DHCP) or the first plain address of
 * its interface. The agent never removes such an address: that would cut the machine off because of a mistake in haresources.
 */
export function isMachinesOwn(entry: Address, addresses: readonly Address[]): boolean {
  if (entry.label.includes(':')) return false;
  if (!entry.permanent) return true;
  return (
    addresses.find((candidate) => candidate.linkIndex === entry.linkIndex && !candidate.label.includes(':')) === entry
  );
}

/**
 * The addresses that the kernel deletes together with `entry`: its secondaries, unless promote_secondaries is set.
 * To be put back by whoever deletes it.
 */
export function dependants(entry: Address, addresses: readonly Address[]): Address[] {
  if (entry.secondary) return [];
  return addresses.filter(
    (candidate) =>
      candidate.secondary &&
      candidate.linkIndex === entry.linkIndex &&
      candidate.prefixLength === entry.prefixLength &&
      candidate.address !== entry.address &&
      sameSubnet(candidate.address, entry.address, entry.prefixLength),
  );
}

/** Whether neighbours on this link learn addresses by ARP of Ethernet frames. */
export function announces(link: Link): boolean {
  return link.hardwareType === arphrdEther && link.mac.length === 6 && (link.flags & (linkLoopback | linkNoArp)) === 0;
}

/** The call that Heartbeat's agent would make, which operators know from its log. */
export function ifconfigLine(label: string, spec: AddressSpec, placement: Placement): string {
  return `ifconfig ${label} ${formatIpv4(spec.address)} netmask ${formatIpv4(maskOf(placement.prefixLength))} broadcast ${formatIpv4(placement.broadcast)}`;
}
