/**
 * What an actor says and hears, as types; and the orders that pass between the main thread and an actor's thread.
 *
 * Everything that crosses a thread is structured-clone safe plain data, tagged by `type`, and `readonly`.
 */
import type { MessagePort } from 'node:worker_threads';
import type { WireError } from './errors.ts';
import type { Ms } from './units.ts';

/** A message: plain data told apart by `type`. */
export interface Tagged {
  readonly type: string;
}

/**
 * The four sides of an actor. An actor that has no casts, calls or emits leaves out that side.
 *
 * ```ts
 * interface CounterProtocol extends Protocol {
 *   readonly init: { readonly step: number };
 *   readonly cast: { readonly type: 'add' } | { readonly type: 'reset' };
 *   readonly call: { describe(): { readonly total: number } };
 *   readonly emit: { readonly type: 'overflowed' };
 * }
 * ```
 */
export interface Protocol {
  /** What the actor needs to start; cloned into each incarnation. */
  readonly init: unknown;
  /** One-way messages to the actor: the data path. */
  readonly cast: Tagged;
  /** Questions with an answer and a deadline: control only. An interface of methods. */
  readonly call: object;
  /** What the actor tells the main thread. */
  readonly emit: Tagged;
}

/** The callers' view of a `call` interface: each method gives a promise and may reject with CallTimeoutError or ActorError. */
export type Control<Calls> = {
  readonly [K in keyof Calls]: Calls[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

/** What happens to a message that finds no room (see MailboxOptions): the oldest waiting one goes, it goes itself, or the sender fails. */
export type OverflowPolicy = 'drop-oldest' | 'drop-newest' | 'fail';

/** Size and overflow of one actor's mailbox. Each sender has its own lane of this size, so one noisy sender does not starve the others. */
export interface MailboxOptions<Type extends string = string> {
  /** Messages on their way or waiting in the receiver, for each sender (1 to 1,000,000; default 1,024). */
  readonly capacity?: number;
  /**
   * Messages kept at the sender while the lane is full or the receiver is down (0 to 1,000,000; default 256). They are delivered in order
   * when there is room again, also to the next incarnation. 0 applies the overflow policy at once.
   */
  readonly held?: number;
  /** By message type; a type that is not named follows `otherwise`. */
  readonly overflow?: { readonly [T in Type]?: OverflowPolicy };
  /** Default `drop-oldest`. */
  readonly otherwise?: OverflowPolicy;
}

/** The shared memory of one lane of one pair of incarnations: Int32 fields. */
export const LANE = { sent: 0, taken: 1, waiting: 2, capacity: 3, length: 4 } as const;

/** The shared memory of one sender–receiver pair, which outlives their incarnations: Int32 counters, read by the main thread. */
export const TALLY = { dropped: 0, refused: 1, lost: 2, held: 3, length: 4 } as const;

/** The sending end of a lane. */
export interface LaneEnd {
  readonly port: MessagePort;
  readonly lane: Int32Array;
}

/** An actor or `main` that may send to this one. */
export interface SenderWire extends LaneEnd {
  readonly from: string;
}

/** Someone this actor may cast to; `end` is null while the target is down. */
export interface TargetWire {
  readonly to: string;
  readonly mailbox: MailboxOptions;
  readonly tally: Int32Array;
  readonly end: LaneEnd | null;
}

/** Someone this actor may call; `port` is null while the target is down. */
export interface ControlWire {
  readonly to: string;
  readonly port: MessagePort | null;
}

/** How a thread takes part in the liveness watch, see liveness.ts. */
export interface LivenessOrder {
  readonly counters: Int32Array;
  /** Index of this actor's counter. */
  readonly slot: number;
  /** How often the actor moves its counter [ms, >= 1]. */
  readonly beatMs: Ms;
  /** Silence of the main thread that counts as its death [ms]; null: not watched. */
  readonly mcpHangMs: Ms | null;
  /** Module whose default export `(silentMs: number) => void` is called then; null: SIGKILL to the own process. */
  readonly lastResort: string | null;
}

/** The task given to a new thread: everything one incarnation needs. */
export interface StartOrder {
  readonly id: string;
  /** Counts from 1. */
  readonly incarnation: number;
  readonly module: string;
  /** The thread sleeps by itself, see sys/sleeper.ts. */
  readonly sleepsPrecisely: boolean;
  readonly init: unknown;
  readonly link: MessagePort;
  /** The way of what the actor emits to the main thread. */
  readonly emits: TargetWire;
  readonly senders: readonly SenderWire[];
  readonly targets: readonly TargetWire[];
  readonly controls: readonly ControlWire[];
  /** Ports on which this actor answers calls. */
  readonly surfaces: readonly MessagePort[];
  readonly liveness: LivenessOrder;
}

/** From the main thread to an actor's thread, on the link. */
export type HostOrder =
  | { readonly type: 'stop' }
  | { readonly type: 'sender'; readonly wire: SenderWire }
  | { readonly type: 'target'; readonly wire: TargetWire }
  | { readonly type: 'control'; readonly wire: ControlWire }
  | { readonly type: 'surface'; readonly port: MessagePort }
  /** The actor of that name is no longer among the children: forget it. */
  | { readonly type: 'forget'; readonly id: string };

/** From an actor's thread to the main thread, on the link. */
export interface ReadyReport {
  readonly type: 'ready';
  /** The kernel's thread id, for scheduling and statistics; null when /proc does not tell it. */
  readonly tid: number | null;
}

/** What the task of a thread ends with: the actor's own account of its end. */
export type EndReport =
  | { readonly type: 'ended'; readonly reason: 'normal' | 'shutdown' }
  | { readonly type: 'crashed'; readonly error: WireError };
