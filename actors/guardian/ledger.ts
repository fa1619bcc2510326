/**
 * The ledger: what the daemon is about to hold, in memory that the guardian sees, until the same words have gone through the pipe.
 *
 * The guardian must know of a resource before it is started. To tell it through the pipe wakes it, which costs the waker a tenth of a millisecond at
 * the one moment that counts. A note here costs a copy; the pipe gets the words when the resource has been started. When the daemon dies in
 * between, the guardian reads the ledger as the last thing that it was told.
 *
 * It lies behind the heart board in the same memory. One writer, the thread that owns the guardian; the length is written after the bytes, so a note
 * is there as a whole or not at all.
 */
import { mapShared } from '../../runtime/sys/libc.ts';
import { type HeartFd, heartBoardBytes, ledgerBytes } from '../heart.ts';

/** Length of what is noted [bytes], as the first four bytes of the ledger. */
const lengthBytes = 4;

export class Ledger {
  readonly #length: Int32Array;
  readonly #bytes: Buffer;

  /** Throws SystemCallError for a descriptor that is no heart board. */
  constructor(fd: HeartFd) {
    const memory = mapShared(fd, heartBoardBytes + ledgerBytes);
    this.#length = new Int32Array(memory, heartBoardBytes, 1);
    this.#bytes = Buffer.from(memory, heartBoardBytes + lengthBytes, ledgerBytes - lengthBytes);
  }

  /** Adds to what is noted. @returns false when there is no room: nothing is noted then */
  note(text: string): boolean {
    const at = Atomics.load(this.#length, 0);
    if (at + Buffer.byteLength(text) > this.#bytes.length) return false;
    const written = this.#bytes.write(text, at);
    Atomics.store(this.#length, 0, at + written);
    return true;
  }

  /** Everything that is noted. */
  read(): string {
    return this.#bytes.toString('utf8', 0, Atomics.load(this.#length, 0));
  }

  /** The guardian has it. */
  clear(): void {
    Atomics.store(this.#length, 0, 0);
  }
}
