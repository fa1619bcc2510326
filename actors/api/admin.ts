/**
 * The admin socket: operators and tools ask here, and listen. One JSON object a line; see runtime/bin/admin-client.ts for the other end.
 *
 * The socket file belongs to the daemon's user and nobody else may connect (mode 0600 by the process's umask, in a directory that
 * others cannot enter).
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import * as v from 'valibot';
import { assertNever } from '../../runtime/units.ts';
import type { NodeEvent } from '../events.ts';
import type { OperatorAnswer } from '../resources/operator.ts';

export type OperatorSet = 'all' | 'foreign' | 'local' | 'failback';

/** What an operator may ask the MCP for. */
export type OperatorRequest =
  | { readonly type: 'stop-requested' }
  | { readonly type: 'reload-requested'; readonly request: number }
  | { readonly type: 'standby-requested' | 'takeover-requested'; readonly set: OperatorSet; readonly request: number };

const request = v.object({
  id: v.number(),
  method: v.picklist(['status', 'events', 'stop', 'reload', 'standby', 'takeover', 'fence-confirm']),
  params: v.optional(
    v.looseObject({
      set: v.optional(v.picklist(['all', 'foreign', 'local', 'failback'])),
      /** standby, takeover: answer at the end, not when it has begun. */
      wait: v.optional(v.boolean()),
      /** fence-confirm: the node that is switched off. */
      node: v.optional(v.string()),
    }),
    {},
  ),
});

/** A line longer than this is no request of ours [bytes]; the connection is closed. */
const maxLineBytes = 64 * 1024;
/** A listener that does not read loses its connection when this much waits for it [bytes]. */
const maxBacklogBytes = 4 * 1024 * 1024;

export interface AdminHooks {
  /** The status of the node: `systole status --json` prints it as it is. */
  describe(): Promise<object>;
  ask(request: OperatorRequest): void;
  /** An operator's word that a node which is being fenced is switched off. */
  confirmFencing(node: string): Promise<{ readonly ok: boolean; readonly text: string }>;
  /** Runs in turn with the actor's messages. */
  enqueue(fn: () => void): void;
  failed(error: Error): void;
}

type Body = { readonly result: unknown } | { readonly error: { readonly code: string; readonly message: string } };

export class AdminServer {
  readonly #hooks: AdminHooks;
  readonly #server: Server;
  readonly #listeners = new Set<Socket>();
  /** Connections that wait for the end of a stop. */
  readonly #stopWaiters = new Map<Socket, number>();
  readonly #reloadWaiters = new Map<number, { readonly socket: Socket; readonly id: number }>();
  /** Who asked for a standby or takeover and has not got the last answer. */
  readonly #operators = new Map<number, { readonly socket: Socket; readonly id: number; readonly wait: boolean }>();
  /** Requests that are answered later are numbered. */
  #requests = 0;

  constructor(hooks: AdminHooks) {
    this.#hooks = hooks;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(path: string): Promise<void> {
    // We hold the node's lock, so a socket that is there was left by a daemon that died.
    rmSync(path, { force: true });
    const listening = Promise.withResolvers<void>();
    this.#server.once('error', listening.reject);
    this.#server.listen(path, listening.resolve);
    await listening.promise;
    this.#server.removeListener('error', listening.reject);
    this.#server.on('error', (error) => this.#hooks.failed(error));
  }

  tell(event: NodeEvent): void {
    if (this.#listeners.size === 0) return;
    const line = `${JSON.stringify({ event })}\n`;
    for (const socket of this.#listeners) {
      if (socket.writableLength > maxBacklogBytes) socket.destroy();
      else socket.write(line);
    }
  }

  /** The answer to a `reload-requested`. */
  reloaded(number: number, ok: boolean, text: string): void {
    const waiter = this.#reloadWaiters.get(number);
    this.#reloadWaiters.delete(number);
    if (waiter === undefined) return;
    answer(waiter.socket, waiter.id, ok ? { result: { text } } : { error: { code: 'HB_RELOAD', message: text } });
  }

  /** The answers to a `standby-requested` or `takeover-requested`; who does not want to wait gets the first one. */
  operated(number: number, { stage, text }: OperatorAnswer): void {
    const asker = this.#operators.get(number);
    if (asker === undefined || (stage === 'accepted' && asker.wait)) return;
    this.#operators.delete(number);
    const failed = stage === 'refused' || stage === 'failed';
    answer(
      asker.socket,
      asker.id,
      failed ? { error: { code: `HB_OPERATOR_${stage.toUpperCase()}`, message: text } } : { result: { stage, text } },
    );
  }

  /** The node has stopped: who waits for it hears it now, and the socket closes. @param stuck groups that could not be stopped */
  async shutdown(lastEvent: NodeEvent, stuck: readonly string[]): Promise<void> {
    this.tell(lastEvent);
    for (const [socket, id] of this.#stopWaiters) answer(socket, id, { result: { pid: process.pid, stuck } });
    for (const socket of new Set([...this.#listeners, ...this.#stopWaiters.keys()])) socket.end();
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await closed.promise;
  }

  /** Splits a connection into lines; each one is handled in turn with the actor's messages. */
  #serve(socket: Socket): void {
    let pending = '';
    socket.setEncoding('utf8');
    // A client that goes away in the middle is no event of ours.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#hooks.enqueue(() => this.#forget(socket)));
    socket.on('data', (chunk: string) => {
      pending += chunk;
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      if (pending.length > maxLineBytes) {
        socket.destroy();
        return;
      }
      for (const line of lines) this.#hooks.enqueue(() => this.#handle(socket, line));
    });
  }

  #forget(socket: Socket): void {
    this.#listeners.delete(socket);
    this.#stopWaiters.delete(socket);
    for (const [number, waiter] of this.#reloadWaiters)
      if (waiter.socket === socket) this.#reloadWaiters.delete(number);
    for (const [number, asker] of this.#operators) if (asker.socket === socket) this.#operators.delete(number);
  }

  #handle(socket: Socket, line: string): void {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), request), line);
    if (!parsed.success) {
      answer(socket, 0, {
        error: { code: 'HB_ADMIN_REQUEST', message: `not a request: ${v.summarize(parsed.issues)}` },
      });
      return;
    }
    const { id, method, params } = parsed.output;
    switch (method) {
      case 'status':
        // Not awaited: an actor that is slow to describe itself must not hold up events and other clients.
        void this.#hooks.describe().then(
          (result) => answer(socket, id, { result }),
          (error: unknown) =>
            answer(socket, id, {
              error: { code: 'HB_ADMIN_STATUS', message: error instanceof Error ? error.message : String(error) },
            }),
        );
        return;
      case 'events':
        this.#listeners.add(socket);
        return;
      case 'stop':
        this.#stopWaiters.set(socket, id);
        this.#hooks.ask({ type: 'stop-requested' });
        return;
      case 'reload':
        this.#requests += 1;
        this.#reloadWaiters.set(this.#requests, { socket, id });
        this.#hooks.ask({ type: 'reload-requested', request: this.#requests });
        return;
      case 'standby':
      case 'takeover':
        this.#requests += 1;
        this.#operators.set(this.#requests, { socket, id, wait: params.wait ?? false });
        this.#hooks.ask({ type: `${method}-requested`, set: params.set ?? 'all', request: this.#requests });
        return;
      case 'fence-confirm':
        void this.#hooks.confirmFencing(params.node ?? '').then(
          ({ ok, text }) =>
            answer(socket, id, ok ? { result: { text } } : { error: { code: 'HB_FENCE_CONFIRM', message: text } }),
          (error: unknown) =>
            answer(socket, id, {
              error: { code: 'HB_FENCE_CONFIRM', message: error instanceof Error ? error.message : String(error) },
            }),
        );
        return;
      default:
        assertNever(method);
    }
  }
}

function answer(socket: Socket, id: number, body: Body): void {
  if (socket.writable) socket.write(`${JSON.stringify({ id, ...body })}\n`);
}
