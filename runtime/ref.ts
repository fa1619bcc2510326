/**
 * The sending side of casts: a reference that outlives the incarnations of its target.
 *
 * A cast goes straight to the port when the target is up and its lane has room; otherwise it is held here, in order, up to the mailbox's
 * `held` messages; beyond that the overflow policy of its type decides and is counted.
 */
import type { Transferable } from 'node:worker_threads';
import { ActorError } from './errors.ts';
import { Fifo, inFlight, type MailboxLimits, mailboxLimits } from './mailbox.ts';
import { LANE, type LaneEnd, type MailboxOptions, TALLY, type Tagged } from './protocol.ts';

/** A way to send one-way messages to an actor. */
export interface ActorRef<C extends Tagged = Tagged> {
  readonly id: string;
  /** Whether an incarnation of the target is there to take messages (starting ones count: they find them when they run). */
  readonly up: boolean;
  /**
   * Sends one message; costs some microseconds and never waits. The message is cloned, so the sender may go on using it, apart from what
   * `transfer` names.
   *
   * @returns false when this message was dropped; true says that it was sent or is held for the target, not that it arrived
   * Throws ActorError HB_ACTOR_MAILBOX_FULL when there is no room and the type's policy is `fail`, and DataCloneError for what is no plain data.
   */
  cast(message: C, transfer?: readonly Transferable[]): boolean;
}

interface Held {
  readonly message: Tagged;
  readonly transfer: readonly Transferable[] | undefined;
}

/** The one implementation of {@link ActorRef}, in the actors' threads and in the main thread. */
export class Outbox implements ActorRef {
  readonly id: string;
  readonly #limits: MailboxLimits;
  readonly #tally: Int32Array;
  readonly #held = new Fifo<Held>();
  #end: LaneEnd | null = null;
  #sent = 0;

  /**
   * @param id    the target
   * @param limits the target's mailbox
   * @param tally shared counters of this sender–receiver pair
   */
  constructor(id: string, limits: MailboxOptions, tally: Int32Array) {
    this.id = id;
    this.#limits = mailboxLimits(limits);
    this.#tally = tally;
    Atomics.store(tally, TALLY.held, 0);
  }

  get up(): boolean {
    return this.#end !== null;
  }

  cast(message: Tagged, transfer?: readonly Transferable[]): boolean {
    if (this.#end !== null && this.#held.length === 0 && this.#hasRoom(this.#end)) {
      this.#post(this.#end, message, transfer);
      return true;
    }
    return this.#hold({ message, transfer });
  }

  /** Takes a new incarnation's lane, and delivers what was held; null: the target is down. */
  connect(end: LaneEnd | null): void {
    if (this.#end !== null) this.#disconnect(this.#end);
    this.#end = end;
    if (end === null) return;
    this.#sent = 0;
    end.port.on('message', () => this.#flush());
    end.port.once('close', () => {
      if (this.#end === end) this.#disconnect(end);
    });
    end.port.unref();
    this.#flush();
  }

  #disconnect(end: LaneEnd): void {
    this.#end = null;
    Atomics.add(this.#tally, TALLY.lost, Math.max(inFlight(end.lane), 0));
    end.port.close();
  }

  #hasRoom(end: LaneEnd): boolean {
    return ((this.#sent - Atomics.load(end.lane, LANE.taken)) | 0) < this.#limits.capacity;
  }

  #post(end: LaneEnd, message: Tagged, transfer: readonly Transferable[] | undefined): void {
    end.port.postMessage(message, transfer);
    // Counted after the post: a message that cannot be cloned must not take room for ever.
    this.#sent = (this.#sent + 1) | 0;
    Atomics.store(end.lane, LANE.sent, this.#sent);
  }

  #hold(entry: Held): boolean {
    if (this.#held.length >= this.#limits.held && !this.#makeRoom(entry.message.type)) return false;
    this.#held.push(entry);
    Atomics.store(this.#tally, TALLY.held, this.#held.length);
    if (this.#end !== null) this.#askForRoom(this.#end);
    return true;
  }

  /** Applies the overflow policy; returns whether the new message may be held. */
  #makeRoom(type: string): boolean {
    const policy = this.#policyOf(type);
    if (policy === 'fail') {
      Atomics.add(this.#tally, TALLY.refused, 1);
      throw new ActorError('HB_ACTOR_MAILBOX_FULL', `mailbox of ${this.id} is full: no room for "${type}"`, {
        actor: this.id,
        type,
        held: this.#held.length,
        up: this.up,
      });
    }
    Atomics.add(this.#tally, TALLY.dropped, 1);
    // Only messages whose own type allows it are sacrificed for a newer one.
    return (
      policy === 'drop-oldest' &&
      this.#held.removeFirst((entry) => this.#policyOf(entry.message.type) === 'drop-oldest') !== undefined
    );
  }

  #policyOf(type: string): MailboxLimits['otherwise'] {
    return this.#limits.overflow[type] ?? this.#limits.otherwise;
  }

  /** Asks the receiver to say when there is room, unless there is some by now. */
  #askForRoom(end: LaneEnd): void {
    Atomics.store(end.lane, LANE.waiting, 1);
    if (this.#hasRoom(end)) this.#flush();
  }

  #flush(): void {
    const end = this.#end;
    if (end === null || this.#held.length === 0) return;
    while (this.#held.length > 0 && this.#hasRoom(end)) {
      const entry = this.#held.shift();
      if (entry !== undefined) this.#post(end, entry.message, entry.transfer);
    }
    Atomics.store(this.#tally, TALLY.held, this.#held.length);
    if (this.#held.length > 0) this.#askForRoom(end);
  }
}
