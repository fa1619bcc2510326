/**
 * The control surface: questions to an actor with an answer and a deadline, carried by comlink.
 *
 * comlink alone never settles a call to a thread that died, and turns every error into a plain one. Here each call has a deadline, calls
 * in flight fail as soon as the target is known to be down, and errors keep class, code, details and cause.
 */
import type { MessagePort } from 'node:worker_threads';
import * as comlink from 'comlink';
import type { Clock } from './clock.ts';
import { ActorError, CallTimeoutError, fromWire, toWire, type WireError } from './errors.ts';
import type { Control } from './protocol.ts';
import { type Ms, ms } from './units.ts';

/** Deadline of a call when the caller gives none [ms]. */
export const DEFAULT_CALL_MS = ms(1000);

/** Puts our error transfer in the place of comlink's own, which keeps message and stack only. Called once in each thread. */
function installErrorTransfer(): void {
  const own = comlink.transferHandlers.get('throw');
  if (own === undefined) throw new TypeError('this comlink has no "throw" transfer handler');
  comlink.transferHandlers.set('throw', {
    canHandle: (value): value is unknown => own.canHandle(value),
    serialize: (thrown) => [toWire(Reflect.get(Object(thrown), 'value')), []],
    deserialize: (wire) => {
      throw fromWire(wire as WireError);
    },
  });
}
installErrorTransfer();

/** The functions an actor answers with, already bound to its context and state. */
export type Surface = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** Answers calls on a port until it is closed. */
export function exposeSurface(surface: Surface, port: MessagePort): void {
  // Without a prototype no call can reach anything but the surface's own functions.
  comlink.expose(Object.assign(Object.create(null), surface), port);
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** The calling side: survives the target's incarnations, as ActorRef does. */
export class ControlRef {
  readonly id: string;
  readonly #clock: Clock;
  readonly #pending = new Set<(error: Error) => void>();
  #port: MessagePort | null = null;
  #remote: Readonly<Record<string, Method>> | null = null;

  constructor(id: string, clock: Clock) {
    this.id = id;
    this.#clock = clock;
  }

  /** Takes a new incarnation's port; null: the target is down, and calls in flight fail now. */
  connect(port: MessagePort | null): void {
    this.#port?.close();
    this.#port = port;
    this.#remote = port === null ? null : comlink.wrap<Readonly<Record<string, Method>>>(port);
    port?.once('close', () => {
      if (this.#port === port) this.connect(null);
    });
    port?.unref();
    for (const fail of this.#pending) fail(this.#notRunning());
  }

  /**
   * The typed view. Each call rejects with CallTimeoutError after the deadline, with ActorError HB_ACTOR_NOT_RUNNING when the target is or
   * goes down, and with what the target's function threw.
   * @param deadlineMs for each call [ms, > 0]
   */
  typed<Calls extends object>(deadlineMs: Ms = DEFAULT_CALL_MS): Control<Calls> {
    const methods = new Map<string, Method>();
    // The type is the protocol's promise about the functions that the target exposes under these names.
    return new Proxy(Object.create(null) as Control<Calls>, {
      get: (_target, name): Method | undefined => {
        // A view that is awaited or printed must not turn that into a call.
        if (typeof name !== 'string' || name === 'then' || name === 'toJSON') return undefined;
        const known = methods.get(name);
        if (known !== undefined) return known;
        const method: Method = (...args) => this.#call(name, args, deadlineMs);
        methods.set(name, method);
        return method;
      },
    });
  }

  #call(method: string, args: readonly unknown[], deadlineMs: Ms): Promise<unknown> {
    const remote = this.#remote?.[method];
    if (remote === undefined) return Promise.reject(this.#notRunning());
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        timer.cancel();
        this.#pending.delete(fail);
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error instanceof Error ? error : new ActorError('HB_ACTOR_FAILED', String(error)));
      };
      const timer = this.#clock.setTimer(ms(this.#clock.now() + deadlineMs), () =>
        fail(
          new CallTimeoutError('HB_CALL_TIMEOUT', `${this.id} did not answer ${method} within ${deadlineMs} ms`, {
            target: this.id,
            method,
            deadlineMs,
          }),
        ),
      );
      this.#pending.add(fail);
      const answered = (answer: unknown): void => {
        settle();
        resolve(answer);
      };
      remote(...args).then(answered, fail);
    });
  }

  #notRunning(): ActorError {
    return new ActorError('HB_ACTOR_NOT_RUNNING', `${this.id} is not running: nobody can answer`, { actor: this.id });
  }
}
