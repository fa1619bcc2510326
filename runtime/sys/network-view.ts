/**
 * The network configuration as the kernel has it now, without asking for all of it every time.
 *
 * A list of links or addresses costs the kernel and us some 100 µs each. This keeps the last lists and a socket in which the kernel collects
 * what has changed: a look costs one system call, and is as true as a fresh list. Sockets for changes and for announcements stay open as
 * well, so that taking an address over takes the time of the one system call that adds it.
 */
import { type ArpSender, openArpSender } from './arp.ts';
import { type Address, type AddressChange, decodeAddress, type Link, message, type Route } from './netlink.core.ts';
import {
  type ChangeFeed,
  type ChangeSocket,
  deleteAddress,
  listAddresses,
  listLinks,
  listRoutes,
  type NetlinkResult,
  openChangeFeed,
  openChangeSocket,
  setLinkUp,
} from './netlink.ts';

export class NetworkView {
  readonly #feed: ChangeFeed = openChangeFeed();
  readonly #changes: ChangeSocket = openChangeSocket();
  #links: readonly Link[] | null = null;
  #addresses: Address[] | null = null;
  #arp: ArpSender | null = null;

  /** As {@link listLinks}. Throws SystemCallError. */
  listLinks(): readonly Link[] {
    this.#update();
    this.#links ??= listLinks();
    return this.#links;
  }

  /** As {@link listAddresses}. Throws SystemCallError. */
  listAddresses(): readonly Address[] {
    this.#update();
    this.#addresses ??= listAddresses();
    return this.#addresses;
  }

  listRoutes(): readonly Route[] {
    return listRoutes();
  }

  /** As {@link ChangeSocket.addAddresses}. */
  addAddresses(changes: readonly AddressChange[]): readonly NetlinkResult[] {
    return this.#changes.addAddresses(changes);
  }

  deleteAddress(change: AddressChange): NetlinkResult {
    return deleteAddress(change);
  }

  setLinkUp(linkIndex: number): NetlinkResult {
    return setLinkUp(linkIndex);
  }

  /** One sender for all, open until {@link close}: its own `close` does nothing. Throws SystemCallError: EPERM without CAP_NET_RAW. */
  openArpSender(): ArpSender {
    this.#arp ??= openArpSender();
    const { send } = this.#arp;
    return { send, close: () => undefined };
  }

  /** Does what taking an address over does, without effect: what has changed meanwhile is read, and the ways to the kernel are tried. */
  rehearse(): void {
    this.listLinks();
    this.#changes.rehearse(this.listAddresses());
  }

  close(): void {
    this.#feed.close();
    this.#changes.close();
    this.#arp?.close();
  }

  /** An added address is put at its place; whatever else has changed is asked for anew. */
  #update(): void {
    const changes = this.#feed.take();
    if (changes === 'unknown') {
      this.#links = null;
      this.#addresses = null;
      return;
    }
    for (const { type, body } of changes) {
      const address = decodeAddress(body);
      if (type === message.newLink || type === message.deleteLink) this.#links = null;
      else if (type === message.newAddress && address !== null && this.#append(address)) continue;
      else if (type === message.deleteAddress && address !== null && this.#remove(address)) continue;
      else this.#addresses = null;
    }
  }

  /** @returns false when more than this one entry changes: a primary address takes its secondaries along, or one of them follows it */
  #remove(removed: Address): boolean {
    const addresses = this.#addresses;
    if (addresses === null) return true;
    const rest = addresses.filter(
      (entry) =>
        entry.linkIndex !== removed.linkIndex ||
        entry.address !== removed.address ||
        entry.prefixLength !== removed.prefixLength,
    );
    const alone = removed.secondary || !rest.some((entry) => entry.secondary && entry.linkIndex === removed.linkIndex);
    if (alone) this.#addresses = rest;
    return alone;
  }

  /** @returns false when its place is not the end of its interface's addresses: it is one of them that changed */
  #append(added: Address): boolean {
    const addresses = this.#addresses;
    if (addresses === null) return true;
    if (addresses.some((entry) => entry.linkIndex === added.linkIndex && entry.address === added.address)) return false;
    const last = addresses.findLastIndex((entry) => entry.linkIndex === added.linkIndex);
    // The kernel puts primary addresses before all secondaries.
    if (last < 0 || (!added.secondary && addresses[last]?.secondary === true)) return false;
    this.#addresses = [...addresses.slice(0, last + 1), added, ...addresses.slice(last + 1)];
    return true;
  }
}
