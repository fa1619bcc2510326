/**
 * Messages in the byte stream of the FIFO, as scripts write them (client-api.md 3): classic ones line by line, and netstrings.
 */
import { decodeDatagram } from '../../runtime/message/datagram.ts';
import { maxMessageBytes } from '../../runtime/message/limits.ts';
import type { FieldList } from '../../runtime/message/message.ts';

export type FifoItem =
  | { readonly type: 'message'; readonly fields: FieldList }
  /** A message that could not be read, or had no end within reason. */
  | { readonly type: 'lost'; readonly reason: string };

const lineFeed = 0x0a;
const opening = '>>>';
const closing = '<<<';
const netstringOpening = '###';
const netstringClosing = Buffer.from('%%%');

/**
 * Cuts the stream into messages. What stands between messages is skipped, as the original does. Unlike there, long lines are whole, and a
 * netstring that lacks its last newline does not swallow the message behind it.
 */
export class FifoReader {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, chunk]);
  }

  /** The next message; null when none is complete. One at a time, so that a reader may stop in the middle and go on later. */
  next(): FifoItem | null {
    const item = this.#find();
    if (item !== null || this.#held.length < maxMessageBytes) return item;
    this.#held = Buffer.alloc(0);
    return { type: 'lost', reason: `a message of more than ${maxMessageBytes} bytes` };
  }

  #find(): FifoItem | null {
    for (;;) {
      const end = this.#held.indexOf(lineFeed);
      if (end < 0) return null;
      const line = this.#held.toString('latin1', 0, end);
      if (line === opening) return this.#classic(end + 1);
      if (line === netstringOpening) return this.#netstring(end + 1);
      this.#held = this.#held.subarray(end + 1);
    }
  }

  /** @param from where its second line starts */
  #classic(from: number): FifoItem | null {
    let at = from;
    for (let end = this.#held.indexOf(lineFeed, at); end >= 0; end = this.#held.indexOf(lineFeed, at)) {
      const line = this.#held.toString('latin1', at, end);
      if (line === closing) return this.#take(end + 1, Buffer.alloc(0));
      // A writer that died in the middle loses its own message only.
      if (line === opening) {
        this.#held = this.#held.subarray(at);
        return { type: 'lost', reason: 'a message without an end' };
      }
      at = end + 1;
    }
    return null;
  }

  #netstring(from: number): FifoItem | null {
    let at = from;
    for (;;) {
      const rest = this.#held.subarray(at);
      if (rest.length < netstringClosing.length) return null;
      if (rest.subarray(0, netstringClosing.length).equals(netstringClosing))
        return this.#take(at + netstringClosing.length, Buffer.of(lineFeed));
      const length = /^(\d{1,7}):/.exec(rest.toString('latin1', 0, 8));
      if (length === null && rest.length < 8 && /^\d*$/.test(rest.toString('latin1'))) return null;
      if (length === null) {
        this.#held = rest;
        return { type: 'lost', reason: 'a netstring with a bad length' };
      }
      at += length[0].length + Number(length[1]) + 1;
      if (at > this.#held.length) return null;
    }
  }

  #take(end: number, missing: Uint8Array): FifoItem {
    const bytes = Buffer.concat([this.#held.subarray(0, end), missing]);
    this.#held = this.#held.subarray(end);
    const decoded = decodeDatagram(bytes, null);
    return decoded.ok
      ? { type: 'message', fields: decoded.fields }
      : { type: 'lost', reason: `${decoded.reason} at byte ${decoded.atByte}` };
  }
}
