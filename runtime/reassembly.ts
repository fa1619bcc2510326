/**
 * Puts IP fragments together. A heartbeat message is one datagram, so one of more than about 1400 bytes travels in
 * fragments.
 */

/** Datagrams under construction at once; the oldest is given up for one more. */
const maxPending = 256;

/** Largest IP payload [bytes]. */
const maxPayloadBytes = 65_535;

interface Pending {
  readonly parts: Map<number, Uint8Array>;
  /** Length of the whole payload [bytes]; null until the last fragment was seen. */
  totalBytes: number | null;
  /** Bytes in `parts`. */
  gathered: number;
}

export class Reassembler {
  readonly #pending = new Map<string, Pending>();
  #givenUp = 0;

  /**
   * Takes one fragment; fragments may come in any order, and twice.
   *
   * @param key    what belongs together: addresses, protocol and identification
   * @param offset where it belongs in the payload [bytes]
   * @param more   false for the last one
   * @returns the whole payload when this was the missing part, else null. Overlapping fragments never give a payload
   *   (RFC 5722).
   */
  add(key: string, offset: number, more: boolean, bytes: Uint8Array): Uint8Array | null {
    if (offset + bytes.length > maxPayloadBytes) return null;
    const pending = this.#pending.get(key) ?? this.#open(key);
    if (!pending.parts.has(offset)) {
      pending.parts.set(offset, bytes);
      pending.gathered += bytes.length;
    }
    if (!more) pending.totalBytes = offset + bytes.length;
    if (pending.totalBytes === null || pending.gathered < pending.totalBytes) return null;
    this.#pending.delete(key);
    const whole = join(pending.parts, pending.totalBytes);
    if (whole === null) this.#givenUp++;
    return whole;
  }

  /** Datagrams that are not whole, and those that were given up. */
  get incomplete(): number {
    return this.#pending.size + this.#givenUp;
  }

  #open(key: string): Pending {
    const [oldest] = this.#pending.keys();
    if (this.#pending.size >= maxPending && oldest !== undefined) {
      this.#pending.delete(oldest);
      this.#givenUp++;
    }
    const pending: Pending = { parts: new Map(), totalBytes: null, gathered: 0 };
    this.#pending.set(key, pending);
    return pending;
  }
}

/** The parts one after the other; null when they leave a gap or overlap. */
function join(parts: ReadonlyMap<number, Uint8Array>, totalBytes: number): Uint8Array | null {
  const whole = new Uint8Array(totalBytes);
  let at = 0;
  for (const [offset, bytes] of [...parts].sort(([first], [second]) => first - second)) {
    if (offset !== at || offset + bytes.length > totalBytes) return null;
    whole.set(bytes, offset);
    at += bytes.length;
  }
  return at === totalBytes ? whole : null;
}
