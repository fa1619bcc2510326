/**
 * The admin socket: operators and tools ask here, and listen. One JSON object a line; see runtime/bin/admin-client.ts for the other end.
 *
 * The socket file belongs to the daemon's user and nobody else may connect (mode 0600 by the process's umask, in a directory that
 * others cannot enter).
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import * as v from 'valibot';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import type { Protocol } from '../runtime/protocol.ts';
import type { LinkName, NodeName } from '../runtime/units.ts';
import { assertNever, ms } from '../runtime/units.ts';
import { type Happening, type NodeEvent, nodeEvent } from './events.ts';
import type { MediumProtocol } from './medium.ts';
import type { MembershipProtocol } from './membership.ts';
import type { MembershipEvent } from './protocols.ts';
import type { ResourcesProtocol } from './resources.ts';

/** What an operator may ask the MCP for. */
export type OperatorRequest =
  | { readonly type: 'stop-requested' }
  | { readonly type: 'reload-requested'; readonly request: number }
  | { readonly type: 'standby-requested' | 'takeover-requested'; readonly set: OperatorSet };

export type OperatorSet = 'all' | 'foreign' | 'local' | 'failback';

export type ApiCast =
  | MembershipEvent
  /** From resources and from the MCP. */
  | { readonly type: 'happening'; readonly happening: Happening; readonly atMs: number }
  /** From the MCP: the answer to a reload. */
  | { readonly type: 'reloaded'; readonly request: number; readonly ok: boolean; readonly text: string };

export interface ApiProtocol extends Protocol {
  readonly init: {
    readonly socketPath: string;
    readonly self: NodeName;
    readonly media: readonly { readonly actor: string; readonly link: LinkName }[];
    readonly startedMs: number;
    readonly notActive: readonly string[];
  };
  readonly cast: ApiCast;
  readonly call: object;
  readonly emit: OperatorRequest;
}

interface ApiState {
  readonly server: Server;
  readonly listeners: Set<Socket>;
  /** Connections that wait for the end of a stop. */
  readonly stopWaiters: Map<Socket, number>;
  readonly reloadWaiters: Map<number, { readonly socket: Socket; readonly id: number }>;
}

type Context = ActorContext<ApiProtocol, ApiState>;

const request = v.object({
  id: v.number(),
  method: v.picklist(['status', 'events', 'stop', 'reload', 'standby', 'takeover']),
  params: v.optional(v.looseObject({ set: v.optional(v.picklist(['all', 'foreign', 'local', 'failback'])) }), {}),
});

/** A line longer than this is no request of ours [bytes]; the connection is closed. */
const maxLineBytes = 64 * 1024;
/** A listener that does not read loses its connection when this much waits for it [bytes]. */
const maxBacklogBytes = 4 * 1024 * 1024;
/** How long status may wait for the other actors [ms]; less than what the command waits. */
const askDeadlineMs = ms(2_000);

export default defineActor<ApiProtocol, ApiState>({
  async start(ctx, init) {
    // We hold the node's lock, so a socket that is there was left by a daemon that died.
    rmSync(init.socketPath, { force: true });
    const server = createServer((socket) => serve(ctx, init, socket));
    const listening = Promise.withResolvers<void>();
    server.once('error', listening.reject);
    server.listen(init.socketPath, listening.resolve);
    await listening.promise;
    server.removeListener('error', listening.reject);
    server.on('error', (error) => ctx.fail(error));
    return { server, listeners: new Set(), stopWaiters: new Map(), reloadWaiters: new Map() };
  },

  onCast(ctx, state, message) {
    switch (message.type) {
      case 'happening':
        tell(state, nodeEvent(message.happening, ms(message.atMs)));
        return;
      case 'reloaded': {
        const waiter = state.reloadWaiters.get(message.request);
        state.reloadWaiters.delete(message.request);
        if (waiter === undefined) return;
        answer(
          waiter.socket,
          waiter.id,
          message.ok ? { result: { text: message.text } } : { error: { code: 'HB_RELOAD', message: message.text } },
        );
        return;
      }
      case 'message':
        return;
      case 'comm-up':
      case 'node-status':
      case 'node-dead':
      case 'partition-healed':
      case 'node-restarted':
      case 'link-status':
        tell(state, nodeEvent(happeningOf(message), ctx.clock.now()));
        return;
      default:
        assertNever(message);
    }
  },

  async stop(ctx, state) {
    // The MCP stops us first, when every resource is released: who waits for the stop hears it now.
    tell(state, nodeEvent({ event: 'stopped' }, ctx.clock.now()));
    for (const [socket, id] of state.stopWaiters) answer(socket, id, { result: { pid: process.pid } });
    for (const socket of new Set([...state.listeners, ...state.stopWaiters.keys()])) socket.end();
    const closed = Promise.withResolvers<void>();
    state.server.close(() => closed.resolve());
    await closed.promise;
  },
});

function happeningOf(message: Exclude<MembershipEvent, { type: 'message' }>): Happening {
  switch (message.type) {
    case 'comm-up':
      return { event: 'comm.up', deadNodes: message.deadNodes };
    case 'node-status':
      return { event: 'node.status', node: message.node, status: message.status, previous: message.previous };
    case 'node-dead':
      return {
        event: 'node.dead',
        node: message.node,
        silentMs: message.silentMs,
        limitMs: message.limitMs,
        decidedMs: message.decidedMs,
      };
    case 'partition-healed':
      return { event: 'partition.healed', node: message.node };
    case 'node-restarted':
      return { event: 'node.restarted', node: message.node };
    case 'link-status':
      return { event: message.status === 'up' ? 'link.up' : 'link.dead', node: message.node, link: message.link };
  }
}

function tell(state: ApiState, event: NodeEvent): void {
  const line = `${JSON.stringify({ event })}\n`;
  for (const socket of state.listeners) {
    if (socket.writableLength > maxBacklogBytes) socket.destroy();
    else socket.write(line);
  }
}

function answer(
  socket: Socket,
  id: number,
  body: { result: unknown } | { error: { code: string; message: string } },
): void {
  if (socket.writable) socket.write(`${JSON.stringify({ id, ...body })}\n`);
}

/** Splits a connection into lines; each one is handled in turn with the actor's messages. */
function serve(ctx: Context, init: ApiProtocol['init'], socket: Socket): void {
  let pending = '';
  socket.setEncoding('utf8');
  // A client that goes away in the middle is no event of ours.
  socket.on('error', () => socket.destroy());
  socket.on('close', () =>
    ctx.enqueue((state) => {
      state.listeners.delete(socket);
      state.stopWaiters.delete(socket);
      for (const [number, waiter] of state.reloadWaiters)
        if (waiter.socket === socket) state.reloadWaiters.delete(number);
    }),
  );
  socket.on('data', (chunk: string) => {
    pending += chunk;
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    if (pending.length > maxLineBytes) {
      socket.destroy();
      return;
    }
    for (const line of lines) ctx.enqueue((state) => handle(ctx, init, state, socket, line));
  });
}

let reloads = 0;

function handle(ctx: Context, init: ApiProtocol['init'], state: ApiState, socket: Socket, line: string): void {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), request), line);
  if (!parsed.success) {
    answer(socket, 0, { error: { code: 'HB_ADMIN_REQUEST', message: `not a request: ${v.summarize(parsed.issues)}` } });
    return;
  }
  const { id, method, params } = parsed.output;
  switch (method) {
    case 'status':
      // Not awaited: an actor that is slow to describe itself must not hold up events and other clients.
      void describe(ctx, init).then(
        (result) => answer(socket, id, { result }),
        (error: unknown) =>
          answer(socket, id, {
            error: { code: 'HB_ADMIN_STATUS', message: error instanceof Error ? error.message : String(error) },
          }),
      );
      return;
    case 'events':
      state.listeners.add(socket);
      return;
    case 'stop':
      state.stopWaiters.set(socket, id);
      ctx.emit({ type: 'stop-requested' });
      return;
    case 'reload':
      reloads += 1;
      state.reloadWaiters.set(reloads, { socket, id });
      ctx.emit({ type: 'reload-requested', request: reloads });
      return;
    case 'standby':
    case 'takeover':
      ctx.emit({ type: `${method}-requested`, set: params.set ?? 'all' });
      answer(socket, id, { result: { text: 'asked' } });
      return;
  }
}

/** The status of the node: `systole status --json` prints it as it is (outside contract: architecture, section 6). */
async function describe(ctx: Context, init: ApiProtocol['init']): Promise<object> {
  const [membership, resources, ...media] = await Promise.all([
    ctx.control<MembershipProtocol['call']>('membership', askDeadlineMs).describe(),
    ctx.control<ResourcesProtocol['call']>('resources', askDeadlineMs).describe(),
    ...init.media.map((medium) => ctx.control<MediumProtocol['call']>(medium.actor, askDeadlineMs).describe()),
  ]);
  const memory = process.memoryUsage();
  return {
    node: init.self,
    status: membership.status,
    asOf: new Date().toISOString(),
    commUp: membership.commUp,
    nodes: membership.nodes,
    resources,
    media,
    process: {
      pid: process.pid,
      uptimeMs: ctx.clock.now() - init.startedMs,
      residentBytes: memory.rss,
      realtime:
        membership.realtime === null
          ? 'ordinary scheduling'
          : membership.realtime.granted
            ? `real time (${membership.realtime.policy} ${membership.realtime.priority})`
            : `no real time: ${membership.realtime.reason}`,
    },
    notActive: init.notActive,
  };
}
