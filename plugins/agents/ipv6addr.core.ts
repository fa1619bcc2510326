/** The built-in IPv6 agent's decisions: what a word means, where an address belongs. Pure. */
import { formatIpv6, sameAddress6, samePrefix } from '../../runtime/sys/ipv6.ts';
import { type Link, linkLoopback } from '../../runtime/sys/netlink.core.ts';
import type { Address6 } from '../../runtime/sys/netlink6.core.ts';
import { needsScope, parseIpv6 } from '../../runtime/sys/socket-address.ts';
import type { Refusal } from './ipaddr.core.ts';

/** What the resource word says; null stands for "not written". */
export interface Address6Spec {
  /** 16 bytes. */
  readonly address: Uint8Array;
  /** 1 to 128. */
  readonly prefixLength: number | null;
  readonly device: string | null;
}

const refuse = (exitCode: number, text: string): Refusal => ({ ok: false, exitCode, message: text });

/** Reads `address`, `address/bits` or `address/bits/interface`. The unspecified address, groups and mapped IPv4 addresses are refused. */
export function parseAddress6(word: string | undefined): { readonly ok: true; readonly spec: Address6Spec } | Refusal {
  const [text = '', bits, device, ...more] = (word ?? '').split('/');
  if (text === '') return refuse(6, 'IPv6 address parameter is mandatory.');
  const address = parseIpv6(text);
  if (address === null) return refuse(6, `Parameter OCF_RESKEY_ipv6addr [${text}] not an IPv6 address`);
  if (address[0] === 0xff || address.every((byte) => byte === 0) || formatIpv6(address).startsWith('::ffff:'))
    return refuse(6, `Parameter OCF_RESKEY_ipv6addr [${text}] is no address of a host`);
  if (more.length > 0) return refuse(6, `too many parts in ${word}: address/bits/interface is the longest form`);
  const prefixLength = bits === undefined ? null : Number(bits);
  if (prefixLength !== null && !(/^\d{1,3}$/.test(bits ?? '') && prefixLength >= 1 && prefixLength <= 128))
    return refuse(6, `Invalid prefix length [${bits}]: 1 to 128`);
  if (device !== undefined && !/^[^\s/:]{1,15}$/.test(device)) return refuse(6, `Invalid interface name [${device}]`);
  return { ok: true, spec: { address, prefixLength, device: device ?? null } };
}

export interface Placement6 {
  readonly ok: true;
  readonly link: Link;
  readonly prefixLength: number;
  /** Whether the addresses of this machine gave the interface. */
  readonly calculated: boolean;
}

/**
 * Decides interface and prefix length. Without a written interface it is the one with the longest prefix that contains the address; a
 * link-local address fits everywhere, so it needs the interface. Without a written length it is that of the prefix, else 128.
 */
export function chooseInterface6(
  addresses: readonly Address6[],
  links: readonly Link[],
  spec: Address6Spec,
): Placement6 | Refusal {
  const text = formatIpv6(spec.address);
  const wanted = spec.device === null ? null : links.find((link) => link.name === spec.device);
  if (wanted === undefined) return refuse(6, `${spec.device}: unknown interface: No such device`);
  if (wanted === null && needsScope(spec.address))
    return refuse(6, `${text} is link-local: write the interface too, as ${text}/64/eth0`);
  const [best] = addresses
    .filter((one) => one.prefixLength > 0 && one.prefixLength < 128 && !sameAddress6(one.address, spec.address))
    .filter((one) => samePrefix(one.address, spec.address, one.prefixLength))
    .filter((one) => (wanted === null ? isNetwork(links, one.linkIndex) : one.linkIndex === wanted.index))
    .toSorted((a, b) => b.prefixLength - a.prefixLength);
  const link = wanted ?? links.find((candidate) => candidate.index === best?.linkIndex);
  if (link === undefined) return refuse(1, `No interface found: none has an address of the network of ${text}.`);
  return { ok: true, link, prefixLength: spec.prefixLength ?? best?.prefixLength ?? 128, calculated: wanted === null };
}

function isNetwork(links: readonly Link[], index: number): boolean {
  const link = links.find((candidate) => candidate.index === index);
  return link !== undefined && (link.flags & linkLoopback) === 0;
}

/**
 * Whether an entry looks like the machine's own: leased, or the only permanent address of its network there and not added as the agent does.
 */
export function isMachinesOwn6(entry: Address6, addresses: readonly Address6[]): boolean {
  if (!entry.permanent) return true;
  if (entry.noDad) return false;
  return !addresses.some(
    (other) =>
      other !== entry &&
      other.permanent &&
      other.linkIndex === entry.linkIndex &&
      samePrefix(other.address, entry.address, Math.min(other.prefixLength, entry.prefixLength)),
  );
}
