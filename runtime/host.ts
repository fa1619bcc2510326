/**
 * One incarnation on its thread: a piscina pool of one thread with one endless task, from the start to the proof of its death.
 *
 * The end of the task is the first sign of the actor's end (`onDying`); the thread's `exit` event is the proof (`onExit`), and only then may a
 * successor start. A pool's `destroy()` alone is no proof when the thread failed by itself just before, so the thread is watched as well.
 */
import { MessageChannel, type MessagePort, type ResourceLimits, type Transferable } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { ActorError, fromWire } from './errors.ts';
import type { ExitReason } from './events.ts';
import { sibling } from './module-url.ts';
import type { EndReport, HostOrder, ReadyReport, StartOrder } from './protocol.ts';

/**
 * Memory of an actor's thread unless its spec says otherwise. Measured with Node 24 (bench/actors.bench.ts): an idle actor takes 13 MB of
 * resident memory with these and 16 MB with a large young generation; the difference grows with the traffic. The old generation is a ceiling
 * (the actor dies beyond it), not a reservation.
 */
const DEFAULT_RESOURCE_LIMITS: ResourceLimits = {
  maxYoungGenerationSizeMb: 2,
  maxOldGenerationSizeMb: 64,
  codeRangeSizeMb: 16,
};

export interface ThreadOptions {
  readonly resourceLimits?: ResourceLimits;
  /** Environment of the thread; default: a copy of the process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Node options of the thread; default: the process's. */
  readonly execArgv?: readonly string[];
}

export interface IncarnationEvents {
  /** The actor runs. `tid` is its thread's kernel id. */
  readonly onReady: (tid: number | null) => void;
  /** It is ending or has ended; the thread is being ended with it. At most once, not after `onExit`, and not for {@link Incarnation.kill}. */
  readonly onDying: (reason: ExitReason) => void;
  /** The thread is gone. Exactly once. */
  readonly onExit: (reason: ExitReason) => void;
}

/** One life of an actor. It starts when it is made. */
export class Incarnation {
  readonly #events: IncarnationEvents;
  readonly #link: MessagePort;
  readonly #pool: Piscina<StartOrder, EndReport>;
  #end: ExitReason | null = null;
  #exited = false;

  constructor(
    order: Omit<StartOrder, 'link'>,
    transfer: readonly Transferable[],
    thread: ThreadOptions,
    events: IncarnationEvents,
  ) {
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    this.#link = port1;
    this.#link.on('message', (report: ReadyReport) => {
      if (this.#end === null) events.onReady(report.tid);
    });
    this.#pool = new Piscina<StartOrder, EndReport>({
      filename: sibling(import.meta.url, './entry.ts').href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { ...DEFAULT_RESOURCE_LIMITS, ...thread.resourceLimits },
      ...(thread.env === undefined ? {} : { env: { ...thread.env } }),
      ...(thread.execArgv === undefined ? {} : { execArgv: [...thread.execArgv] }),
    });
    // Failures before the task was handed to the thread come as an event of the pool.
    this.#pool.on('error', (error: unknown) => this.#fail(error));
    this.#run({ ...order, link: port2 }, [port2, ...transfer]);
  }

  /** Tells the actor something about its wiring. */
  send(order: HostOrder, transfer: readonly Transferable[] = []): void {
    if (!this.#exited) this.#link.postMessage(order, transfer);
  }

  /** Asks it to stop; `onDying` and `onExit` follow if it does. */
  ask(): void {
    this.send({ type: 'stop' });
  }

  /** Ends the thread, whatever it is doing, except for native code that does not return; `onExit` is the proof. Never waits. */
  kill(): void {
    this.#end ??= { type: 'killed' };
    this.#destroy();
  }

  #run(order: StartOrder, transfer: readonly Transferable[]): void {
    let task: Promise<EndReport>;
    try {
      task = this.#pool.run(order, { transferList: [...transfer] });
    } catch (error) {
      this.#fail(error);
      this.#finish();
      return;
    }
    const [thread] = this.#pool.threads;
    // Out of memory: `error` and `exit` come in one turn, before the task's promise can settle.
    thread?.once('error', (error) => this.#fail(error));
    thread?.once('exit', (exitCode) => {
      this.#end ??= { type: 'exited', exitCode };
      this.#finish();
    });
    task.then(
      (report) => this.#die(reasonOf(report)),
      // A pool that lost its thread says so in words; the thread's own events say it in facts and come with it.
      (error: unknown) => setImmediate(() => this.#fail(error)),
    );
    if (thread === undefined) this.#finish();
  }

  #fail(error: unknown): void {
    const outOfMemory = error instanceof Error && Reflect.get(error, 'code') === 'ERR_WORKER_OUT_OF_MEMORY';
    if (outOfMemory) this.#die({ type: 'out-of-memory' });
    else if (error instanceof Error) this.#die({ type: 'crashed', error });
    else this.#die({ type: 'crashed', error: new ActorError('HB_ACTOR_FAILED', String(error)) });
  }

  #die(reason: ExitReason): void {
    if (this.#end !== null) return;
    this.#end = reason;
    this.#events.onDying(reason);
    this.#destroy();
  }

  #destroy(): void {
    void this.#pool.destroy();
  }

  #finish(): void {
    if (this.#exited) return;
    this.#exited = true;
    this.#link.close();
    this.#destroy();
    this.#events.onExit(this.#end ?? { type: 'killed' });
  }
}

function reasonOf(report: EndReport): ExitReason {
  return report.type === 'ended' ? { type: report.reason } : { type: 'crashed', error: fromWire(report.error) };
}
