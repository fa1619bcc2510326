/**
 * Writing to files without waiting for them: for the log lines of threads that beat.
 *
 * A write to a file may take a tenth of a second and more, when the disk is busy and the file system waits for its journal. So these go to Node's pool of
 * helper threads, one after the other. What is still waiting when the log is closed, or its actor crashes, is written at once.
 */
import { close, closeSync, write, writeSync } from 'node:fs';

interface Chunk {
  readonly fd: number;
  /** Null: the descriptor is closed when its turn comes. */
  readonly bytes: Buffer | null;
  written: number;
  readonly failed: (error: unknown, isTorn: boolean) => void;
}

/** More than this waits for nobody [chunks]: a disk that has stood still for so long gets no more. */
const mostChunks = 10_000;

export class WriteQueue {
  readonly #chunks: Chunk[] = [];
  #busy = false;

  /**
   * Writes all of a text, some time.
   *
   * @param failed called when it could not be written; `isTorn`: a part of it was
   * @returns false when too much waits: it will not be written
   */
  write(fd: number, text: string, failed: Chunk['failed']): boolean {
    if (this.#chunks.length >= mostChunks) return false;
    this.#chunks.push({ fd, bytes: Buffer.from(text), written: 0, failed });
    this.#next();
    return true;
  }

  /** Closes a descriptor when everything that was written to it before is there. */
  closeAfter(fd: number): void {
    this.#chunks.push({ fd, bytes: null, written: 0, failed: () => undefined });
    this.#next();
  }

  /** Everything that waits is written now. What is under way at this moment comes in its own time, perhaps after it. */
  flush(): void {
    for (const chunk of this.#chunks.splice(this.#busy ? 1 : 0)) {
      const { fd, bytes, failed } = chunk;
      try {
        // What is under way may be for this one.
        if (bytes === null && this.#busy) this.#chunks.push(chunk);
        else if (bytes === null) closeSync(fd);
        else while (chunk.written < bytes.length) chunk.written += writeSync(fd, bytes, chunk.written);
      } catch (error) {
        failed(error, chunk.written > 0);
      }
    }
  }

  #next(): void {
    const [chunk] = this.#chunks;
    if (this.#busy || chunk === undefined) return;
    this.#busy = true;
    const { fd, bytes, failed } = chunk;
    const done = (error: Error | null, count = 0): void => {
      this.#busy = false;
      chunk.written += count;
      if (error !== null) failed(error, chunk.written > 0);
      if (error !== null || bytes === null || chunk.written >= bytes.length) this.#chunks.shift();
      this.#next();
    };
    if (bytes === null) close(fd, done);
    else write(fd, bytes, chunk.written, bytes.length - chunk.written, null, done);
  }
}
