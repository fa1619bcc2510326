/**
 * A stream of events for any number of readers, each with a bounded queue of its own.
 */

/** Events that wait for a reader that is slower than the cluster; beyond, its oldest are dropped and counted. */
const maxWaiting = 10_000;

interface Reader<T> {
  readonly waiting: T[];
  wake: (() => void) | null;
}

export class Stream<T> {
  readonly #readers = new Set<Reader<T>>();
  #ended = false;
  #dropped = 0;

  /** Events that slow readers have missed. */
  get dropped(): number {
    return this.#dropped;
  }

  publish(event: T): void {
    for (const reader of this.#readers) {
      if (reader.waiting.length >= maxWaiting) {
        reader.waiting.shift();
        this.#dropped += 1;
      }
      reader.waiting.push(event);
      reader.wake?.();
    }
  }

  /** Readers get what waits for them, and then the end. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers) reader.wake?.();
  }

  /** Everything from this call on (not from the first `next`): leaving the loop ends it. */
  read(): AsyncGenerator<T, void> {
    const reader: Reader<T> = { waiting: [], wake: null };
    this.#readers.add(reader);
    return this.#iterate(reader);
  }

  async *#iterate(reader: Reader<T>): AsyncGenerator<T, void> {
    try {
      for (;;) {
        const event = reader.waiting.shift();
        if (event !== undefined) yield event;
        else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        reader.wake = null;
      }
    } finally {
      this.#readers.delete(reader);
    }
  }
}
