/**
 * Cuts the byte stream of a serial line into classic messages: what stands between a line that starts with `>>>` and
 * one that starts with `<<<`.
 */
import { maxMessageBytes } from './limits.ts';

const lineFeed = 0x0a;
const opening = Buffer.from('>>>');
const closing = Buffer.from('<<<');
const closingLine = Buffer.from('<<<\n');

/**
 * An incremental cutter: feed it chunks of any size. Garbage between messages is skipped and counted; a new `>>>`
 * before the `<<<` drops the half message before it, so that one lost line costs one message.
 */
export class ClassicSplitter {
  /** Bytes that belonged to no message, so far. */
  skippedBytes = 0;
  /** The line that has no end yet. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  /** Lines of the message that has no end yet; null between messages. */
  #message: Buffer[] | null = null;
  #messageBytes = 0;

  /**
   * Takes the next bytes of the line.
   *
   * @returns the messages that ended in them, each `>>>\n…<<<\n`, ready for `decodeDatagram`
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    const bytes = Buffer.from(chunk);
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
      this.#append(bytes.subarray(start, end + 1));
      const message = this.#endLine();
      if (message !== null) messages.push(message);
      start = end + 1;
    }
    if (start < bytes.length) this.#append(bytes.subarray(start));
    return messages;
  }

  #append(part: Buffer): void {
    this.#lineBytes += part.length;
    if (this.#lineBytes + this.#messageBytes < maxMessageBytes) {
      this.#line.push(part);
      return;
    }
    // More than any message has: forget it, and what comes until the next `>>>` is garbage.
    this.skippedBytes += this.#lineBytes + this.#messageBytes;
    this.#line = [];
    this.#lineBytes = 0;
    this.#drop();
  }

  #drop(): void {
    this.#message = null;
    this.#messageBytes = 0;
  }

  #endLine(): Uint8Array | null {
    const line = Buffer.concat(this.#line);
    this.#line = [];
    this.#lineBytes = 0;
    if (startsWith(line, opening)) {
      this.skippedBytes += this.#messageBytes;
      this.#message = [Buffer.concat([opening, Buffer.of(lineFeed)])];
      this.#messageBytes = line.length;
    } else if (this.#message === null) {
      this.skippedBytes += line.length;
    } else if (startsWith(line, closing)) {
      const message = Buffer.concat([...this.#message, closingLine]);
      this.#drop();
      return message;
    } else {
      this.#message.push(line);
      this.#messageBytes += line.length;
    }
    return null;
  }
}

function startsWith(line: Buffer, prefix: Buffer): boolean {
  return line.length >= prefix.length && line.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}
