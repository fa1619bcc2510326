/**
 * Descriptors that would outlive a killed thread: their numbers in shared memory, so that the next incarnation of the actor closes them.
 *
 * Node closes what it opened itself when a thread ends; what was opened through koffi it does not know. Each incarnation starts with
 * {@link DescriptorSlots.closeLeftovers}, notes what it opens and forgets what it closes. A slot is emptied *before* its descriptor is
 * closed: a kill in between leaks one descriptor, which is better than closing a stranger's later.
 */
import { libc } from './libc.ts';

/** Memory for so many descriptors; goes into the actor's init. */
export function createDescriptorSlots(count: number): SharedArrayBuffer {
  return new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT);
}

export class DescriptorSlots {
  /** Descriptor + 1; 0 = empty. */
  readonly #slots: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#slots = new Int32Array(memory);
  }

  /** Closes what a killed incarnation has left. @returns how many */
  closeLeftovers(): number {
    let closed = 0;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const noted = Atomics.exchange(this.#slots, slot, 0);
      if (noted === 0) continue;
      libc().close(noted - 1);
      closed++;
    }
    return closed;
  }

  /** Notes an open descriptor. */
  note(slot: number, fd: number): void {
    Atomics.store(this.#slots, slot, fd + 1);
  }

  /** To be called before the descriptor is closed. */
  forget(slot: number): void {
    Atomics.store(this.#slots, slot, 0);
  }
}
