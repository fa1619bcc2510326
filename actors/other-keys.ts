/**
 * Peers that sign with another key than we: the middle of a change of keys, node by node.
 *
 * Heartbeat 3.0.6 checks a netstring with the *selected* key, whatever key the signature names, so that while keys change it takes nothing
 * from the others. A classic datagram it checks with the key that is named. So as long as somebody signs with another key, we send classic
 * datagrams, and everybody hears us before, between and after.
 */
import type { NodeName } from '../runtime/units.ts';

export class OtherKeys {
  /** Newest packet of each node that was signed with a key that is not selected here [monotonic ms], and that key. */
  readonly #nodes = new Map<string, { readonly key: number; readonly heardMs: number }>();
  readonly #self: NodeName;
  readonly #forMs: number;

  /** @param forMs how long a node counts that has said nothing more [ms]: until it is dead in any case */
  constructor(self: NodeName, forMs: number) {
    this.#self = self;
    this.#forMs = forMs;
  }

  /**
   * Notes by which key a peer has signed. Our own words that come back are of no account.
   *
   * @param key slot that is not the selected one of the medium that took the packet; undefined: the selected one
   */
  note(node: string, key: number | undefined, heardMs: number): void {
    if (node === this.#self) return;
    if (key !== undefined) this.#nodes.set(node, { key, heardMs });
    else this.#nodes.delete(node);
  }

  /** authkeys was read again: everybody else signs with the former key as far as we know. */
  changed(from: number, to: number, peers: readonly string[], nowMs: number): void {
    if (from === to) return;
    for (const node of peers) {
      if (node === this.#self) continue;
      const known = this.#nodes.get(node);
      if (known?.key === to) this.#nodes.delete(node);
      else if (known === undefined) this.#nodes.set(node, { key: from, heardMs: nowMs });
    }
  }

  /** Whether there is anything to look at in {@link anyAt}. */
  get any(): boolean {
    return this.#nodes.size > 0;
  }

  /** Whether somebody who may be alive signs with another key than we. */
  anyAt(nowMs: number): boolean {
    if (this.#nodes.size === 0) return false;
    for (const [node, { heardMs }] of this.#nodes) if (nowMs - heardMs > this.#forMs) this.#nodes.delete(node);
    return this.#nodes.size > 0;
  }
}
