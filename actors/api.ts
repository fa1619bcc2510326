/**
 * The node's doors for programs: the admin socket for operators and tools, the client API of Heartbeat, and the FIFO of its scripts.
 *
 * The clients' rules are pure, in `api/clients.core.ts`; this file carries out what they decide. The client socket is opened when communication
 * is up, as the original does: until then nobody could be told anything true.
 */
import type { Settings } from '../conf/settings.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import { CodecError } from '../runtime/errors.ts';
import { type Log, type LogTarget, openLog } from '../runtime/log.ts';
import { type FieldList, getString } from '../runtime/message/message.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { openSyslog, syslogFacilities } from '../runtime/sys/syslog.ts';
import type { LinkName, NodeName } from '../runtime/units.ts';
import { ms } from '../runtime/units.ts';
import { AdminServer, type OperatorRequest } from './api/admin.ts';
import { createClients, step, viewClients } from './api/clients.core.ts';
import { processStart } from './api/credentials.ts';
import type { FifoItem } from './api/fifo.core.ts';
import { type Fifo, makeFifo, readFifo } from './api/fifo.ts';
import { clientSocketPath, fifoPath } from './api/paths.ts';
import { PluginWatch } from './api/plugins.ts';
import { Roster } from './api/roster.ts';
import { ClientServer } from './api/server.ts';
import type { ClientsEffect, ClientsInput, ClientsState } from './api/types.ts';
import { restoreNodes } from './api/view.core.ts';
import type { ChildrenProtocol } from './children.ts';
import { type Happening, nodeEvent } from './events.ts';
import type { MediumProtocol } from './medium.ts';
import type { MembershipProtocol } from './membership.ts';
import type { NodeCache } from './node-cache.ts';
import type { PingProtocol } from './ping.ts';
import type { ClientsCast, MembershipCast, MembershipEvent } from './protocols.ts';
import type { OperatorAnswer } from './resources/operator.ts';
import type { ResourcesProtocol } from './resources.ts';
import type { WatchdogProtocol } from './watchdog.ts';

export type { OperatorRequest, OperatorSet } from './api/admin.ts';

export type ApiCast =
  | MembershipEvent
  | ClientsCast
  /** From resources and from the MCP. */
  | { readonly type: 'happening'; readonly happening: Happening; readonly atMs: number }
  /** From children: a program of a `respawn` line has ended. */
  | { readonly type: 'process-ended'; readonly pid: number }
  /** From the MCP: the answer to a reload. */
  | { readonly type: 'reloaded'; readonly request: number; readonly ok: boolean; readonly text: string }
  /** From resources: the answer to a standby or takeover. */
  | { readonly type: 'operator'; readonly request: number; readonly answer: OperatorAnswer };

export interface ApiProtocol extends Protocol {
  readonly init: {
    /** The admin socket. */
    readonly socketPath: string;
    readonly runDir: string;
    readonly stateDir: string;
    /** Only media and nodes that are active in this version. */
    readonly settings: Settings;
    /** What a former life has remembered of nodes that came and went. */
    readonly nodeCache: NodeCache;
    /** The nodes that ha.cf itself declares. */
    readonly declared: readonly NodeName[];
    /** Our own, 16 bytes. */
    readonly uuid: Uint8Array;
    readonly media: readonly { readonly actor: string; readonly link: LinkName }[];
    /** Whether there is a ping actor. */
    readonly pings: boolean;
    /** Whether there is a watchdog actor. */
    readonly watchdog: boolean;
    /** Whether there is a children actor. */
    readonly programs: boolean;
    /** Ids of the plugins that run as actors of this process. */
    readonly plugins: readonly string[];
    readonly startedMs: number;
    readonly notActive: readonly string[];
    readonly log: LogTarget;
  };
  readonly cast: ApiCast;
  readonly call: object;
  readonly emit: OperatorRequest;
}

interface ApiState {
  readonly admin: AdminServer;
  readonly server: ClientServer;
  readonly clients: ClientsState;
  readonly plugins: PluginWatch;
  readonly socketPath: string;
  readonly log: Log;
  readonly fifo: Fifo;
  /** Groups that could not be stopped when everything was given up. */
  stuck: readonly string[];
  /** Messages of clients and scripts that membership has not taken yet. */
  unsent: number;
  /** Membership asked the clients to wait. */
  congested: boolean;
  readonly roster: Roster;
}

type Context = ActorContext<ApiProtocol, ApiState>;

/** How long status may wait for the other actors [ms]; less than what the command waits. */
const askDeadlineMs = ms(2_000);
/** How often clients are looked after whose process may have died while their socket lives on [ms]; the original's period. */
const auditEveryMs = ms(9_000);
/**
 * Client messages on their way to membership before the clients have to wait: its word to slow down must not come too late. And what comes back
 * to their sender must fit into its queue, so less than that holds.
 */
const maxUnsent = 32;

export default defineActor<ApiProtocol, ApiState>({
  async start(ctx, init) {
    const { settings } = init;
    const log = openLog(init.log, openSyslog);
    const admin = new AdminServer({
      describe: () => describe(ctx, init),
      ask: (request) => ctx.emit(request),
      confirmFencing: (node) => ctx.control<ResourcesProtocol['call']>('resources', askDeadlineMs).confirmFencing(node),
      enqueue: (fn) => ctx.enqueue(fn),
      failed: (error) => ctx.fail(error),
    });
    await admin.listen(init.socketPath);
    const inTurn = (input: ClientsInput): void => ctx.enqueue((state) => run(ctx, state, input));
    const server = new ClientServer(settings.msgFmt, {
      connected: (connection, credentials) => inTurn({ type: 'connected', connection, credentials }),
      frame: (connection, fields) => inTurn({ type: 'frame', connection, fields }),
      unreadable: (connection) => inTurn({ type: 'unreadable', connection }),
      disconnected: (connection, info) => inTurn({ type: 'disconnected', connection, info }),
      refused: (uid, text) => inTurn({ type: 'refused', uid, text }),
      failed: (error) => ctx.fail(error),
    });
    const clients = createClients({
      ...settings,
      uuid: init.uuid,
      logFacility: facilityNumber(settings.log.facility),
      daemon: { pid: process.pid, uid: process.geteuid?.() ?? 0 },
      processStart,
      wallClockS: () => Math.floor(Date.now() / 1_000),
    });
    restoreNodes(clients.view, init.nodeCache);
    const roster = new Roster({
      stateDir: init.stateDir,
      // A cluster without haresources writes all nodes, as the original does.
      declared: new Set(settings.managesResources ? init.declared : []),
      log: (text) => log.write('ERROR', text),
    });
    const pathOfFifo = fifoPath(init.stateDir);
    makeFifo(pathOfFifo);
    const fifo = readFifo(
      pathOfFifo,
      (item) => ctx.enqueue((state) => onFifo(ctx, state, item)),
      (error) => ctx.fail(error),
    );
    ctx.onExit(() => fifo.close());
    ctx.after(auditEveryMs, audit);
    function audit(state: ApiState): void {
      run(ctx, state, { type: 'audit' });
      ctx.after(auditEveryMs, audit);
    }
    const socketPath = clientSocketPath(init.runDir);
    const plugins = new PluginWatch(init.plugins, ctx.clock.now());
    return { admin, server, clients, plugins, socketPath, log, fifo, stuck: [], unsent: 0, congested: false, roster };
  },

  async onCast(ctx, state, message) {
    switch (message.type) {
      case 'happening':
        state.plugins.note(message.happening, ctx.clock.now());
        if (message.happening.event === 'released') state.stuck = message.happening.stuck;
        state.admin.tell(nodeEvent(message.happening, ms(message.atMs)));
        return;
      case 'reloaded':
        state.admin.reloaded(message.request, message.ok, message.text);
        return;
      case 'operator':
        state.admin.operated(message.request, message.answer);
        return;
      case 'client-message-taken':
        state.unsent -= 1;
        throttle(state);
        return;
      case 'clients-paused':
        state.congested = message.paused;
        throttle(state);
        return;
      case 'observed':
      case 'process-ended':
      case 'rscstatus':
        run(ctx, state, message);
        return;
      case 'message':
        run(ctx, state, message);
        return;
      case 'comm-up':
        run(ctx, state, message);
        state.admin.tell(nodeEvent(happeningOf(message), ctx.clock.now()));
        await state.server.listen(state.socketPath);
        for (const children of ctx.refs<ChildrenProtocol['cast']>('children')) children.cast({ type: 'start' });
        return;
      default:
        // Programs first: they may have to act on it.
        run(ctx, state, message);
        state.admin.tell(nodeEvent(happeningOf(message), ctx.clock.now()));
    }
  },

  async stop(ctx, state) {
    state.fifo.close();
    await state.server.shutdown();
    await state.roster.saved();
    // The MCP stops us first, when every resource is released.
    await state.admin.shutdown(nodeEvent({ event: 'stopped' }, ctx.clock.now()), state.stuck);
    state.log.close();
  },
});

/** As openlog(3) counts: eight severities each. -1 is none. */
function facilityNumber(name: string | null): number {
  const number = name === null ? undefined : syslogFacilities[name];
  return number === undefined ? -1 : number * 8;
}

function run(ctx: Context, state: ApiState, input: ClientsInput): void {
  for (const effect of step(state.clients, input, ctx.clock.now())) perform(ctx, state, effect);
  state.roster.look(input, state.clients.view);
}

function perform(ctx: Context, state: ApiState, effect: ClientsEffect): void {
  switch (effect.type) {
    case 'deliver':
      deliver(state, effect.connection, effect.fields);
      return;
    case 'close':
      state.server.close(effect.connection);
      return;
    case 'send':
      send(ctx, state, effect.fields);
      return;
    case 'signal':
      signal(effect.pid, effect.signal);
      return;
    case 'queue-length':
      state.server.setQueueLength(effect.connection, effect.messages);
      return;
    case 'observe':
      ctx.ref<MembershipCast>('membership').cast({ type: 'observe', mask: effect.mask });
      return;
    case 'log':
      state.log.write(effect.severity, effect.text);
      return;
  }
}

/** A message from the cluster that no frame can carry is a loss for this client, not the end of the node. */
function deliver(state: ApiState, connection: number, fields: FieldList): void {
  try {
    state.server.deliver(connection, fields);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    state.log.write('ERROR', `a message cannot be given to a client: ${error.message}`);
  }
}

function signal(pid: number, number: number): void {
  try {
    process.kill(pid, number);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM'))) throw error;
  }
}

function send(ctx: Context, state: ApiState, fields: FieldList): void {
  state.unsent += 1;
  ctx.ref<MembershipCast>('membership').cast({ type: 'send', fields, fromClient: true });
  throttle(state);
}

function throttle(state: ApiState): void {
  state.server.pause(state.congested || state.unsent >= maxUnsent);
  // Scripts speak for the daemon, which is never held back; but they wait until it has listened.
  state.fifo.pause(state.unsent >= maxUnsent);
}

function onFifo(ctx: Context, state: ApiState, item: FifoItem): void {
  if (item.type === 'lost') {
    state.log.write('ERROR', `a message in the FIFO was lost: ${item.reason}`);
  } else if (getString(item.fields, 't') === undefined) {
    state.log.write('ERROR', 'Invalid message in send_cluster_msg');
  } else {
    send(ctx, state, item.fields);
  }
}

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
    case 'node-added':
      return { event: 'node.added', node: message.node };
    case 'node-removed':
      return { event: 'node.removed', node: message.node };
    case 'link-status':
      return { event: message.status === 'up' ? 'link.up' : 'link.dead', node: message.node, link: message.link };
  }
}

/** The status of the node: `systole status --json` prints it as it is (outside contract: architecture, section 6). */
async function describe(ctx: Context, init: ApiProtocol['init']): Promise<object> {
  const [membership, resources, ping, watchdog, programs, ...media] = await Promise.all([
    ctx.control<MembershipProtocol['call']>('membership', askDeadlineMs).describe(),
    ctx.control<ResourcesProtocol['call']>('resources', askDeadlineMs).describe(),
    init.pings ? ctx.control<PingProtocol['call']>('ping', askDeadlineMs).describe() : null,
    init.watchdog ? ctx.control<WatchdogProtocol['call']>('watchdog', askDeadlineMs).describe() : null,
    init.programs ? ctx.control<ChildrenProtocol['call']>('children', askDeadlineMs).describe() : [],
    ...init.media.map((medium) => ctx.control<MediumProtocol['call']>(medium.actor, askDeadlineMs).describe()),
  ]);
  const memory = process.memoryUsage();
  const own = await new Promise<object>((resolve) =>
    ctx.enqueue((state) =>
      resolve({
        clients: viewClients(state.clients),
        plugins: [...programs, ...state.plugins.view(ctx.clock.now())],
      }),
    ),
  );
  return {
    node: init.settings.self,
    status: membership.status,
    asOf: new Date().toISOString(),
    commUp: membership.commUp,
    nodes: membership.nodes,
    droppedStrangers: membership.droppedStrangers,
    deletedNodes: membership.deleted,
    resources,
    watchdog,
    ...own,
    media: [...media, ...(ping?.media ?? [])],
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
