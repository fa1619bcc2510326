/**
 * The receiving side of casts: one lane for each sender, bounded by a window that both ends count in shared memory.
 *
 * A MessagePort alone is unbounded: whoever sends faster than the receiver handles fills the memory. So the sender counts what it has sent,
 * the receiver what it has taken, and the sender holds back when the difference reaches the lane's capacity (ref.ts). Counting costs two
 * atomic operations a message and no allocation.
 */
import type { MessagePort } from 'node:worker_threads';
import { ActorError } from './errors.ts';
import { LANE, type MailboxOptions, type OverflowPolicy, type SenderWire, type Tagged } from './protocol.ts';

/** Every option of a mailbox, checked and with its default. */
export interface MailboxLimits {
  readonly capacity: number;
  readonly held: number;
  readonly overflow: Readonly<Record<string, OverflowPolicy>>;
  readonly otherwise: OverflowPolicy;
}

const DEFAULT_CAPACITY = 1024;
const DEFAULT_HELD = 256;
const LARGEST = 1_000_000;

/** Fills in the defaults of {@link MailboxOptions}; a number out of its range is an ActorError HB_ACTOR_SPEC. */
export function mailboxLimits(options: MailboxOptions = {}): MailboxLimits {
  const overflow: Record<string, OverflowPolicy> = {};
  for (const [type, policy] of Object.entries(options.overflow ?? {}))
    if (policy !== undefined) overflow[type] = policy;
  return {
    capacity: inRange('mailbox.capacity', options.capacity ?? DEFAULT_CAPACITY, 1),
    held: inRange('mailbox.held', options.held ?? DEFAULT_HELD, 0),
    overflow,
    otherwise: options.otherwise ?? 'drop-oldest',
  };
}

function inRange(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= LARGEST) return value;
  throw new ActorError('HB_ACTOR_SPEC', `${name} is ${value}: give a whole number from ${least} to ${LARGEST}`, {
    value,
  });
}

/** Makes the shared memory of a new lane. */
export function makeLane(capacity: number): Int32Array {
  const lane = new Int32Array(new SharedArrayBuffer(LANE.length * Int32Array.BYTES_PER_ELEMENT));
  lane[LANE.capacity] = capacity;
  return lane;
}

/** Messages sent but not yet handled; the counters wrap at 2^32, their difference does not. */
export function inFlight(lane: Int32Array): number {
  return (Atomics.load(lane, LANE.sent) - Atomics.load(lane, LANE.taken)) | 0;
}

/** One sender's lane into this thread. */
export class Lane {
  readonly from: string;
  readonly #port: MessagePort;
  readonly #shared: Int32Array;
  readonly #wakeAt: number;
  #taken = 0;

  constructor(wire: SenderWire) {
    this.from = wire.from;
    this.#port = wire.port;
    this.#shared = wire.lane;
    // A waiting sender is woken when half of the window is free: then one wake-up serves many messages.
    this.#wakeAt = Atomics.load(wire.lane, LANE.capacity) >> 1;
  }

  /** Says that one message has been handled; lets a waiting sender go on. */
  done(): void {
    this.#taken = (this.#taken + 1) | 0;
    Atomics.store(this.#shared, LANE.taken, this.#taken);
    if (Atomics.load(this.#shared, LANE.waiting) === 1 && inFlight(this.#shared) <= this.#wakeAt) {
      Atomics.store(this.#shared, LANE.waiting, 0);
      this.#port.postMessage(null, []);
    }
  }

  close(): void {
    this.#port.close();
  }
}

/** All lanes into one actor (or into the main thread). */
export class Inbox {
  readonly #lanes = new Map<string, Lane>();
  readonly #deliver: (lane: Lane, message: Tagged) => void;

  /** @param deliver called for each message; whoever has handled it calls `lane.done()` */
  constructor(deliver: (lane: Lane, message: Tagged) => void) {
    this.#deliver = deliver;
  }

  /** Opens a lane; an older lane from the same sender ends after what is already in it. */
  accept(wire: SenderWire): void {
    const lane = new Lane(wire);
    this.#lanes.set(wire.from, lane);
    wire.port.on('message', (message: Tagged) => this.#deliver(lane, message));
    wire.port.once('close', () => {
      if (this.#lanes.get(wire.from) === lane) this.#lanes.delete(wire.from);
    });
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }
}

/** First in, first out, without the cost of `Array.shift` on long arrays. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.#head < this.#items.length) {
      this.#items[this.#head] = undefined;
      this.#head += 1;
    }
    // Half of a long array is empty places: move the rest to the front once.
    if (this.#head > 64 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first item that passes the test. */
  removeFirst(test: (item: T) => boolean): T | undefined {
    for (let i = this.#head; i < this.#items.length; i += 1) {
      const item = this.#items[i];
      if (item !== undefined && test(item)) return i === this.#head ? this.shift() : this.#items.splice(i, 1)[0];
    }
    return undefined;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
