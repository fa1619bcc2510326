/**
 * What a thread does when it has nothing more urgent to do: after the present turn of its event loop, in the order given.
 *
 * An actor that must act first (set an address) puts here what can come some moments later: casts that tell of it, lines of its log.
 */
export class Afterwards {
  #waiting: (() => void)[] = [];
  #scheduled = false;

  push(work: () => void): void {
    this.#waiting.push(work);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Does all of it now. Belongs into the actor's exit hooks, so that last words arrive. */
  flush(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }
}
