/**
 * The first code in an actor's thread: piscina runs its default export as the thread's only task, and the task ends when the actor ends.
 *
 * It loads the actor's module, wires the ports, begins to beat, starts the actor, reports `ready`, and turns whatever goes wrong into an
 * {@link EndReport}. It never throws: an error that leaves the task would lose class and code on its way.
 */
import type { MessagePort } from 'node:worker_threads';
import { definitionOf } from './actor.ts';
import { Cell, type CellEnd } from './cell.ts';
import { type Clock, SystemClock } from './clock.ts';
import { ControlRef, exposeSurface, type Surface } from './control.ts';
import { ActorError, toWire } from './errors.ts';
import { beatInThread, killOwnProcess, type LastResort, ownThreadId } from './liveness.ts';
import { Inbox } from './mailbox.ts';
import type { ControlWire, EndReport, HostOrder, Protocol, ReadyReport, StartOrder, TargetWire } from './protocol.ts';
import { Outbox } from './ref.ts';
import { sleepByOurselves } from './sys/sleeper.ts';
import { assertNever } from './units.ts';

type AnyCell = Cell<Protocol, unknown>;

/** Runs one incarnation from its start to its end. */
export default async function runIncarnation(order: StartOrder): Promise<EndReport> {
  const clock = new SystemClock();
  const { promise, resolve } = Promise.withResolvers<EndReport>();
  // Until there is a cell, an error that nobody caught can only end the start.
  let crash = (error: unknown): void => resolve({ type: 'crashed', error: toWire(error) });
  process.on('uncaughtException', (error) => crash(error));

  let endBeat: (() => void) | null = null;
  try {
    if (order.sleepsPrecisely) await sleepByOurselves();
    endBeat = beatInThread(order.liveness, clock, await loadLastResort(order.liveness.lastResort));
    const definition = definitionOf(await import(order.module), order.module);
    const wiring = new Wiring(order, clock);
    const cell = new Cell(definition, {
      id: order.id,
      incarnation: order.incarnation,
      clock,
      refs: wiring.refs,
      controls: wiring.controls,
      emit: (event) => wiring.main.cast(event),
      ended: (end) => resolve(reportOf(end)),
    });
    crash = (error): void => cell.crash(error);
    process.on('exit', () => {
      cell.runExitHooks();
    });
    wiring.connect(cell);
    if (await cell.start(order.init)) {
      wiring.expose(cell.surface());
      order.link.postMessage({ type: 'ready', tid: ownThreadId() } satisfies ReadyReport, []);
      cell.proceed();
    }
  } catch (error) {
    crash(moduleFailure(order, error));
  }
  const report = await promise;
  endBeat?.();
  setImmediate(freeze);
  return report;
}

/** The main thread ends this one as soon as it has the report; after this long it is not there to do so. */
const FROZEN_MS = 5000;

/**
 * Stands still until the thread is ended from outside, so that nothing of a dead actor runs, whatever timers or sockets it left. The report is
 * on its way by then. Ending the thread from inside would be a race: its exit may be seen before the report, which is then lost.
 */
function freeze(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, FROZEN_MS);
  process.exit(1);
}

async function loadLastResort(url: string | null): Promise<LastResort> {
  if (url === null) return killOwnProcess;
  const module: unknown = await import(url);
  const fn: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined;
  if (typeof fn !== 'function') {
    throw new ActorError('HB_ACTOR_MODULE', `${url} exports no default function: it cannot be the last resort`, {
      module: url,
    });
  }
  return (silentMs) => Reflect.apply(fn, undefined, [silentMs]);
}

function moduleFailure(order: StartOrder, error: unknown): unknown {
  if (error instanceof ActorError) return error;
  const message = `module of ${order.id} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  return new ActorError('HB_ACTOR_MODULE', message, { actor: order.id, module: order.module }, { cause: error });
}

function reportOf(end: CellEnd): EndReport {
  return end.type === 'ended' ? end : { type: 'crashed', error: toWire(end.error) };
}

/** All ports of this thread. */
class Wiring {
  readonly refs = new Map<string, Outbox>();
  readonly controls = new Map<string, ControlRef>();
  /** The way of what the actor emits. */
  readonly main: Outbox;
  readonly #order: StartOrder;
  readonly #clock: Clock;
  #surface: Surface | null = null;
  /** Ports that callers got before the actor could answer. */
  readonly #early: MessagePort[];

  constructor(order: StartOrder, clock: Clock) {
    this.#order = order;
    this.#clock = clock;
    this.#early = [...order.surfaces];
    this.main = outboxOf(order.emits);
    for (const wire of order.targets) this.#target(wire);
    for (const wire of order.controls) this.#control(wire);
  }

  /** Lets messages and orders in. */
  connect(cell: AnyCell): void {
    const inbox = new Inbox((lane, message) => cell.deliver(message, lane));
    for (const wire of this.#order.senders) inbox.accept(wire);
    this.#order.link.on('message', (order: HostOrder) => this.#obey(order, cell, inbox));
  }

  /** The actor runs: callers get answers from now on. */
  expose(surface: Surface): void {
    this.#surface = surface;
    for (const port of this.#early) exposeSurface(surface, port);
    this.#early.length = 0;
  }

  #obey(order: HostOrder, cell: AnyCell, inbox: Inbox): void {
    switch (order.type) {
      case 'stop':
        cell.stop('shutdown');
        return;
      case 'sender':
        inbox.accept(order.wire);
        return;
      case 'target':
        this.#target(order.wire);
        cell.refsChanged();
        return;
      case 'control':
        this.#control(order.wire);
        return;
      case 'surface':
        if (this.#surface === null) this.#early.push(order.port);
        else exposeSurface(this.#surface, order.port);
        return;
      case 'forget':
        this.refs.get(order.id)?.connect(null);
        this.refs.delete(order.id);
        this.controls.get(order.id)?.connect(null);
        this.controls.delete(order.id);
        cell.refsChanged();
        return;
      default:
        assertNever(order);
    }
  }

  #target(wire: TargetWire): void {
    const known = this.refs.get(wire.to);
    if (known !== undefined) known.connect(wire.end);
    else this.refs.set(wire.to, outboxOf(wire));
  }

  #control(wire: ControlWire): void {
    let control = this.controls.get(wire.to);
    if (control === undefined) {
      control = new ControlRef(wire.to, this.#clock);
      this.controls.set(wire.to, control);
    }
    control.connect(wire.port);
  }
}

function outboxOf(wire: TargetWire): Outbox {
  const outbox = new Outbox(wire.to, wire.mailbox, wire.tally);
  outbox.connect(wire.end);
  return outbox;
}
