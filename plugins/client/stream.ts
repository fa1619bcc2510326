/**
 * A stream of events for any number of readers, each with a bounded queue of its own.
 */

/** Events that wait for a reader that is slower than the cluster; beyond, its oldest are dropped and counted. */
const maxWaiting = 10_000;

export class Stream<T> {
  readonly #readers = new Set<{ offer(event: T): boolean; end(): void }>();
  #ended = false;
  #dropped = 0;

  /** Events that slow readers have missed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Loops that read at present. */
  get readers(): number {
    return this.#readers.size;
  }

  publish(event: T): void {
    for (const reader of this.#readers) if (!reader.offer(event)) this.#dropped += 1;
  }

  /** Readers get what waits for them, and then the end. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }

  /**
   * Everything from this call on (not from the first `next`): leaving the loop ends it.
   *
   * @param pick what the reader gets of an event; null: nothing
   */
  read<U>(pick: (event: T) => U | null): AsyncGenerator<U, void> {
    const reader = new Reader(pick, () => this.#readers.delete(reader));
    if (this.#ended) reader.end();
    else this.#readers.add(reader);
    return reader;
  }
}

/** Not a generator function: that would begin to listen at its first `next` only, and could not be left before. */
class Reader<T, U> implements AsyncGenerator<U, void> {
  readonly #pick: (event: T) => U | null;
  readonly #leave: () => void;
  readonly #waiting: U[] = [];
  readonly #asked: ((result: IteratorResult<U, void>) => void)[] = [];
  #ended = false;

  constructor(pick: (event: T) => U | null, leave: () => void) {
    this.#pick = pick;
    this.#leave = leave;
  }

  /** @returns false when an older event was dropped for it */
  offer(event: T): boolean {
    const value = this.#pick(event);
    if (value === null) return true;
    const answer = this.#asked.shift();
    if (answer !== undefined) {
      answer({ value, done: false });
      return true;
    }
    this.#waiting.push(value);
    if (this.#waiting.length <= maxWaiting) return true;
    this.#waiting.shift();
    return false;
  }

  end(): void {
    this.#ended = true;
    for (const answer of this.#asked.splice(0)) answer({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<U, void>> {
    const [value] = this.#waiting.splice(0, 1);
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  return(): Promise<IteratorResult<U, void>> {
    this.#leave();
    this.#waiting.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error: unknown): Promise<IteratorResult<U, void>> {
    void this.return();
    return Promise.reject(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
