/**
 * Looks whether another machine has an address that was just taken here: duplicate address detection that costs a takeover nothing.
 *
 * The address is taken and announced first, since a node that takes over must not wait; the questions follow in the same millisecond, and for
 * a second every claim of another machine is heard. A conflict is told, not acted upon: when the former owner is fenced or has left, it is
 * a stranger's mistake in its configuration; when it is only mute (a stopped process, a broken heartbeat link), its kernel still answers for an
 * address whose service is gone, and to step back would leave nobody. Fencing decides who owns; this says when that was not enough.
 */
import type { Clock, Timer } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { formatIpv4, type Ipv4 } from '../../runtime/sys/ipv4.ts';
import { formatIpv6 } from '../../runtime/sys/ipv6.ts';
import { arpProbe, type Frame, formatMac, neighbourProbe } from '../../runtime/sys/neighbour.core.ts';
import { type FrameSender, openFrameSender, watchAdvertisements, watchArp } from '../../runtime/sys/neighbour.ts';
import type { Link } from '../../runtime/sys/netlink.core.ts';
import { ms } from '../../runtime/units.ts';

/** The part of the kernel that is used; tests give their own. */
export interface ConflictSystem {
  openFrameSender(): FrameSender;
  watchArp: typeof watchArp;
  watchAdvertisements: typeof watchAdvertisements;
}

export interface ConflictWatchOptions {
  readonly clock: Clock;
  /** The links of this machine: their claims are our own. */
  readonly listLinks: () => readonly Link[];
  /** Another machine has the address. Told once for each address and machine. @param mac null: it did not say */
  onConflict(address: string, device: string, mac: string | null): void;
  /** The question could not be asked (no right, interface down). */
  onTrouble(text: string): void;
  readonly system?: ConflictSystem;
}

/** When the question is asked again [ms after the first], and when the watch ends. A busy neighbour may miss one. */
const askAgainMs = [200, 500] as const;
const watchMs = 1_000;

const kernel: ConflictSystem = { openFrameSender, watchArp, watchAdvertisements };

interface Watched {
  readonly text: string;
  readonly link: Link;
  readonly probe: Frame;
  readonly told: Set<string>;
  timer: Timer | null;
}

export class ConflictWatch {
  readonly #options: ConflictWatchOptions;
  readonly #system: ConflictSystem;
  /** By address as text: one address is one resource. */
  readonly #watched = new Map<string, Watched>();
  #sender: FrameSender | null = null;
  #ears: { close(): void }[] = [];
  #families = new Set<4 | 6>();

  constructor(options: ConflictWatchOptions) {
    this.#options = options;
    this.#system = options.system ?? kernel;
  }

  /** Asks for an IPv4 address that was taken on an Ethernet link; returns at once, everything happens later. */
  watch4(address: Ipv4, link: Link): void {
    this.#begin(4, formatIpv4(address), link, arpProbe(address, link.mac));
  }

  /** The same for an IPv6 address. @param address 16 bytes */
  watch6(address: Uint8Array, link: Link): void {
    this.#begin(6, formatIpv6(address), link, neighbourProbe(address, link.mac));
  }

  /** The address was given up. */
  forget(text: string): void {
    const entry = this.#watched.get(text);
    entry?.timer?.cancel();
    this.#watched.delete(text);
    if (this.#watched.size === 0) this.#silence();
  }

  close(): void {
    for (const text of [...this.#watched.keys()]) this.forget(text);
  }

  #begin(family: 4 | 6, text: string, link: Link, probe: Frame): void {
    this.forget(text);
    const startMs = this.#options.clock.now();
    const entry: Watched = { text, link, probe, told: new Set(), timer: null };
    this.#watched.set(text, entry);
    const times = [...askAgainMs.map((delayMs) => startMs + delayMs), null];
    const ask = (): void => {
      if (!this.#ask(family, entry)) return;
      const next = times.shift() ?? null;
      entry.timer =
        next === null
          ? this.#options.clock.setTimer(ms(startMs + watchMs), () => this.forget(text))
          : this.#options.clock.setTimer(ms(next), ask);
    };
    // Not in this turn: the resources behind the address come first.
    entry.timer = this.#options.clock.setTimer(ms(startMs), ask);
  }

  /** @returns false when it cannot be asked: the watch is over */
  #ask(family: 4 | 6, { text, link, probe }: Watched): boolean {
    try {
      this.#listen(family);
      this.#sender ??= this.#system.openFrameSender();
      this.#sender.send(probe, link.index);
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#options.onTrouble(`cannot look for other owners of ${text} on ${link.name}: ${error.message}`);
      this.forget(text);
      return false;
    }
  }

  #listen(family: 4 | 6): void {
    if (this.#families.has(family)) return;
    this.#ears.push(
      family === 4
        ? this.#system.watchArp((address, mac, linkIndex) => this.#heard(formatIpv4(address), mac, linkIndex))
        : this.#system.watchAdvertisements((address, mac) => this.#heard(formatIpv6(address), mac, null)),
    );
    this.#families.add(family);
  }

  #heard(text: string, mac: Uint8Array | null, linkIndex: number | null): void {
    const entry = this.#watched.get(text);
    if (entry === undefined || (linkIndex !== null && linkIndex !== entry.link.index)) return;
    const owner = mac === null ? null : formatMac(mac);
    // Another interface of ours on the same network answers as well.
    if (this.#options.listLinks().some((link) => formatMac(link.mac) === owner)) return;
    if (entry.told.has(owner ?? '')) return;
    entry.told.add(owner ?? '');
    this.#options.onConflict(text, entry.link.name, owner);
  }

  #silence(): void {
    for (const ear of this.#ears) ear.close();
    this.#ears = [];
    this.#families = new Set();
    this.#sender?.close();
    this.#sender = null;
  }
}
