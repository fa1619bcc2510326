/**
 * What waits for a serial line, and when which bytes may be written: the pace of the line, its time limit, and what to drop when it is
 * too slow. Pure: time is an argument, writing is the caller's.
 *
 * ```ts
 * queue.push(message, now);
 * const step = queue.next(now);
 * if (step.type === 'write') accepted > 0 ? queue.written(accepted, now) : queue.refused(now);
 * if (step.type === 'wait') callAgainAt(step.untilMs);
 * ```
 */
import { type Ms, ms } from '../../runtime/units.ts';

/** Bytes written at a time, as Heartbeat does. */
const chunkBytes = 512;
/** Start bit, eight data bits, stop bit. (Heartbeat reckons with 8 bits a byte, so that the driver's buffer has to swallow a fifth.) */
const bitsPerByte = 10;
/** A line that takes nothing for so long is flushed, as Heartbeat does [ms]. */
const writeTimeoutMs = 500;
/** How soon a line that took nothing is asked again [ms]. */
const askAgainMs = 20;
/**
 * What may wait, as the time that the line needs for it [ms]. More than the burst of a start-up dialogue at 9600 baud; less than a sensible
 * deadtime, since a heartbeat that waits longer is worth nothing.
 */
const maxWaitingMs = 5_000;

export type QueueStep =
  /** Write these now, then report what was taken. */
  | { readonly type: 'write'; readonly bytes: Uint8Array }
  /** Nothing to do before. */
  | { readonly type: 'wait'; readonly untilMs: Ms }
  | { readonly type: 'idle' };

export class SendQueue {
  readonly #msPerByte: number;
  readonly #maxWaitingBytes: number;
  /** Messages in order; the first may be partly written. */
  readonly #messages: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Bytes of the first message that the line has taken. */
  #offset = 0;
  /** No write before. */
  #readyMs = Number.NEGATIVE_INFINITY;
  /** Since when the line refuses; null = it does not. */
  #refusedSinceMs: number | null = null;

  /** @param baud speed of the line [bit/s, > 0] */
  constructor(baud: number) {
    this.#msPerByte = (bitsPerByte * 1_000) / baud;
    this.#maxWaitingBytes = maxWaitingMs / this.#msPerByte;
  }

  /** Messages that wait, one in transit included. */
  get length(): number {
    return this.#messages.length;
  }

  /** Adds a message. @returns how many older ones were dropped for it: never one in transit, and never the new one itself */
  push(message: Uint8Array): number {
    let dropped = 0;
    const first = this.#offset > 0 ? 1 : 0;
    while (this.#messages.length > first && this.#waitingBytes + message.length > this.#maxWaitingBytes) {
      const [oldest] = this.#messages.splice(first, 1);
      this.#waitingBytes -= oldest?.length ?? 0;
      dropped++;
    }
    this.#messages.push(message);
    this.#waitingBytes += message.length;
    return dropped;
  }

  /** Holds every write back until then: while a break is on the line. */
  holdUntil(untilMs: Ms): void {
    this.#readyMs = Math.max(this.#readyMs, untilMs);
  }

  next(nowMs: Ms): QueueStep {
    const [message] = this.#messages;
    if (message === undefined) return { type: 'idle' };
    if (nowMs < this.#readyMs) return { type: 'wait', untilMs: ms(this.#readyMs) };
    return { type: 'write', bytes: message.subarray(this.#offset, this.#offset + chunkBytes) };
  }

  /** The line took so many bytes (> 0) of the last `write`. @returns the size of the message that is complete with them, else null */
  written(sizeBytes: number, nowMs: Ms): number | null {
    this.#refusedSinceMs = null;
    this.#offset += sizeBytes;
    this.#readyMs = nowMs + sizeBytes * this.#msPerByte;
    const [message] = this.#messages;
    if (message === undefined || this.#offset < message.length) return null;
    this.#removeFirst(message);
    return message.length;
  }

  /**
   * The line took nothing. @returns `timeout` when it has taken nothing for 500 ms: the message in transit is dropped, and the caller
   * should flush the line
   */
  refused(nowMs: Ms): 'retry' | 'timeout' {
    this.#refusedSinceMs ??= nowMs;
    if (nowMs - this.#refusedSinceMs >= writeTimeoutMs) {
      this.#refusedSinceMs = null;
      const [message] = this.#messages;
      if (message !== undefined) this.#removeFirst(message);
      return 'timeout';
    }
    this.#readyMs = nowMs + askAgainMs;
    return 'retry';
  }

  /** Forgets everything: the line is gone. @returns how many messages that were */
  clear(): number {
    const dropped = this.#messages.length;
    this.#messages.length = 0;
    this.#waitingBytes = 0;
    this.#offset = 0;
    this.#refusedSinceMs = null;
    this.#readyMs = Number.NEGATIVE_INFINITY;
    return dropped;
  }

  #removeFirst(message: Uint8Array): void {
    this.#messages.shift();
    this.#waitingBytes -= message.length;
    this.#offset = 0;
  }
}
