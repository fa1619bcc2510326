/**
 * Who can reach whom: makes the ports between actors, and new ones when an actor is started again. Runs in the main thread; messages do not.
 */
import { MessageChannel, type MessagePort, type Transferable } from 'node:worker_threads';
import type { Clock } from './clock.ts';
import { ControlRef } from './control.ts';
import { Inbox, inFlight, mailboxLimits, makeLane } from './mailbox.ts';
import {
  type ControlWire,
  type HostOrder,
  LANE,
  type LaneEnd,
  type MailboxOptions,
  type SenderWire,
  type StartOrder,
  TALLY,
  type Tagged,
  type TargetWire,
} from './protocol.ts';
import { Outbox } from './ref.ts';

/** Name of the main thread among the senders and targets; no child may have it. */
export const MAIN = 'main';

/** The part of a child spec that says whom it reaches. */
export interface Connections {
  readonly id: string;
  /** Ids, or prefixes that end in `*`. */
  readonly refs: readonly string[];
  readonly controls: readonly string[];
  readonly mailbox: MailboxOptions;
  readonly emits: MailboxOptions;
}

/** Something that takes orders for a live incarnation. */
export interface Reachable {
  send(order: HostOrder, transfer?: readonly Transferable[]): void;
}

/** Counters of one sender–receiver pair; `main` stands for the main thread. Counts of lanes begin anew with each incarnation. */
export interface LaneStats {
  readonly from: string;
  readonly to: string;
  /** Sent on the present lane. */
  readonly sent: number;
  /** Sent and not yet handled. */
  readonly inFlight: number;
  /** Waiting at the sender. */
  readonly held: number;
  /** Dropped by an overflow policy. */
  readonly dropped: number;
  /** Casts that failed by the policy `fail`. */
  readonly refused: number;
  /** On their way when the receiver ended. */
  readonly lost: number;
}

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly tally: Int32Array;
  lane: Int32Array | null;
}

type Wires = Pick<StartOrder, 'emits' | 'senders' | 'targets' | 'controls' | 'surfaces'>;

export class Switchboard {
  readonly #clock: Clock;
  readonly #known = new Map<string, Connections>();
  readonly #live = new Map<string, Reachable>();
  readonly #pairs = new Map<string, Pair>();
  readonly #outboxes = new Map<string, Outbox>();
  readonly #controls = new Map<string, ControlRef>();
  readonly #inbox: Inbox;

  /** @param deliver gets what the actors emit, with the emitter's id */
  constructor(clock: Clock, deliver: (from: string, event: Tagged) => void) {
    this.#clock = clock;
    this.#inbox = new Inbox((lane, event) => {
      deliver(lane.from, event);
      lane.done();
    });
  }

  /** Makes a child known; live ones that may reach it hear of it. Bad mailbox numbers are an ActorError HB_ACTOR_SPEC. */
  add(child: Connections): void {
    mailboxLimits(child.mailbox);
    mailboxLimits(child.emits);
    this.#known.set(child.id, child);
    this.#announceDown(child);
  }

  /** Forgets a child that is down for good. */
  remove(id: string): void {
    this.#known.delete(id);
    for (const peer of this.#live.values()) peer.send({ type: 'forget', id });
    this.#outboxes.get(id)?.connect(null);
    this.#outboxes.delete(id);
    this.#controls.delete(id);
    for (const [key, pair] of this.#pairs) if (pair.from === id || pair.to === id) this.#pairs.delete(key);
  }

  /** Makes all ports of a new incarnation and gives the other ends to those who are up. */
  connect(id: string): { readonly wires: Wires; readonly transfer: readonly Transferable[] } {
    const child = this.#child(id);
    const transfer: MessagePort[] = [];
    const mine = <T extends { readonly port: MessagePort }>(end: T): T => {
      transfer.push(end.port);
      return end;
    };
    const targets: TargetWire[] = [];
    const controls: ControlWire[] = [];
    const senders: SenderWire[] = [];
    const surfaces: MessagePort[] = [];

    for (const other of this.#known.values()) {
      const peer = other.id === id ? undefined : this.#live.get(other.id);
      if (reaches(child.refs, other, id)) {
        const lane = peer === undefined ? null : this.#lane(id, other);
        if (lane !== null) peer?.send({ type: 'sender', wire: { from: id, ...lane.receiver } }, [lane.receiver.port]);
        targets.push(this.#target(id, other.id, other.mailbox, lane === null ? null : mine(lane.sender)));
      }
      if (reaches(child.controls, other, id)) {
        const ports = peer === undefined ? null : new MessageChannel();
        if (ports !== null) peer?.send({ type: 'surface', port: ports.port2 }, [ports.port2]);
        controls.push({ to: other.id, port: ports === null ? null : mine({ port: ports.port1 }).port });
      }
      if (peer !== undefined && reaches(other.refs, child, other.id)) {
        const lane = this.#lane(other.id, child);
        senders.push({ from: other.id, ...mine(lane.receiver) });
        peer.send({ type: 'target', wire: this.#target(other.id, id, child.mailbox, lane.sender) }, [lane.sender.port]);
      }
      if (peer !== undefined && reaches(other.controls, child, other.id)) {
        const { port1, port2 } = new MessageChannel();
        surfaces.push(mine({ port: port2 }).port);
        peer.send({ type: 'control', wire: { to: id, port: port1 } }, [port1]);
      }
    }
    const fromMain = this.#lane(MAIN, child);
    senders.push({ from: MAIN, ...mine(fromMain.receiver) });
    this.outbox(id).connect(fromMain.sender);
    const fromMainControl = new MessageChannel();
    surfaces.push(mine({ port: fromMainControl.port2 }).port);
    this.control(id).connect(fromMainControl.port1);
    const toMain = this.#lane(id, { id: MAIN, mailbox: child.emits });
    this.#inbox.accept({ from: id, ...toMain.receiver });
    const emits = this.#target(id, MAIN, child.emits, mine(toMain.sender));
    return { wires: { emits, targets, controls, senders, surfaces }, transfer };
  }

  /** The incarnation that {@link connect} was called for takes orders from now on. */
  up(id: string, peer: Reachable): void {
    this.#live.set(id, peer);
  }

  /** The incarnation is ending: the others hold back their casts, and calls to it fail. */
  down(id: string): void {
    if (!this.#live.delete(id)) return;
    this.outbox(id).connect(null);
    this.control(id).connect(null);
    const child = this.#known.get(id);
    if (child !== undefined) this.#announceDown(child);
  }

  /** The main thread's way to cast to a child. */
  outbox(id: string): Outbox {
    const known = this.#outboxes.get(id);
    if (known !== undefined) return known;
    const outbox = new Outbox(id, this.#child(id).mailbox, this.#pair(MAIN, id).tally);
    this.#outboxes.set(id, outbox);
    return outbox;
  }

  /** The main thread's way to call a child. */
  control(id: string): ControlRef {
    const known = this.#controls.get(id);
    if (known !== undefined) return known;
    const control = new ControlRef(id, this.#clock);
    this.#controls.set(id, control);
    return control;
  }

  stats(): readonly LaneStats[] {
    return [...this.#pairs.values()].map(({ from, to, tally, lane }) => ({
      from,
      to,
      sent: lane === null ? 0 : Atomics.load(lane, LANE.sent) >>> 0,
      inFlight: lane === null ? 0 : Math.max(inFlight(lane), 0),
      held: Atomics.load(tally, TALLY.held),
      dropped: Atomics.load(tally, TALLY.dropped) >>> 0,
      refused: Atomics.load(tally, TALLY.refused) >>> 0,
      lost: Atomics.load(tally, TALLY.lost) >>> 0,
    }));
  }

  #announceDown(child: Connections): void {
    for (const other of this.#known.values()) {
      const peer = this.#live.get(other.id);
      if (peer === undefined || other.id === child.id) continue;
      if (reaches(other.refs, child, other.id)) {
        peer.send({ type: 'target', wire: this.#target(other.id, child.id, child.mailbox, null) });
      }
      if (reaches(other.controls, child, other.id)) peer.send({ type: 'control', wire: { to: child.id, port: null } });
    }
  }

  #target(from: string, to: string, mailbox: MailboxOptions, end: LaneEnd | null): TargetWire {
    return { to, mailbox, tally: this.#pair(from, to).tally, end };
  }

  #lane(
    from: string,
    to: Pick<Connections, 'id' | 'mailbox'>,
  ): { readonly sender: LaneEnd; readonly receiver: LaneEnd } {
    const lane = makeLane(mailboxLimits(to.mailbox).capacity);
    this.#pair(from, to.id).lane = lane;
    const { port1, port2 } = new MessageChannel();
    return { sender: { port: port1, lane }, receiver: { port: port2, lane } };
  }

  #pair(from: string, to: string): Pair {
    const key = `${from} ${to}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const tally = new Int32Array(new SharedArrayBuffer(TALLY.length * Int32Array.BYTES_PER_ELEMENT));
      pair = { from, to, tally, lane: null };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  #child(id: string): Connections {
    const child = this.#known.get(id);
    if (child === undefined) throw new RangeError(`no child is called "${id}"`);
    return child;
  }
}

/** Whether a list of names and prefixes names that child; nobody reaches itself. */
function reaches(patterns: readonly string[], target: Pick<Connections, 'id'>, self: string): boolean {
  if (target.id === self) return false;
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? target.id.startsWith(pattern.slice(0, -1)) : target.id === pattern,
  );
}
