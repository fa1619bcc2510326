/**
 * ipfail as a plugin of this node: an actor that is a client like any other, by the name that the original's has.
 *
 * It takes the place of the program on a line `respawn hacluster /usr/lib/heartbeat/ipfail` where that is not installed.
 */
import { type ActorContext, defineActor } from '../../runtime/actor.ts';
import type { Timer } from '../../runtime/clock.ts';
import { type Log, type LogTarget, openLog } from '../../runtime/log.ts';
import type { Protocol } from '../../runtime/protocol.ts';
import { openSyslog } from '../../runtime/sys/syslog.ts';
import { assertNever, ms } from '../../runtime/units.ts';
import { type Client, ClientError, type ClientEvent, connect } from '../client/index.ts';
import { createIpfail, type IpfailEffect, type IpfailInput, type IpfailState, step } from './ipfail.core.ts';

export interface IpfailProtocol extends Protocol {
  readonly init: {
    /** The node's client socket. */
    readonly socketPath: string;
    /** The line of ha.cf that we stand for. @field user the one that it names, where there is no such user; else null */
    readonly line: { readonly command: string; readonly user: string | null };
    readonly log: LogTarget;
  };
  readonly cast: never;
  readonly call: { describe(): { readonly partner: string | null; readonly giveUpPending: boolean } };
  readonly emit: never;
}

interface ShellState {
  readonly log: Log;
  client: Client | null;
  core: IpfailState | null;
  timer: Timer | null;
}

type Context = ActorContext<IpfailProtocol, ShellState>;

const yes = new Set(['true', 'on', 'yes', 'y', '1']);
const no = new Set(['false', 'off', 'no', 'n', '0']);

export default defineActor<IpfailProtocol, ShellState>({
  start(ctx, init) {
    const log = openLog({ ...init.log, ident: 'ipfail' }, openSyslog);
    const { command, user } = init.line;
    const why = user === null ? 'is not installed' : `cannot run: there is no user ${user}`;
    log.write('info', `"${command}" ${why}: ours takes its place`);
    log.write('debug', `PID=${process.pid}`);
    log.write('debug', 'Signing in with heartbeat');
    // Communication may take its time to come up: we run until then, and after.
    void connect({ name: 'ipfail', path: init.socketPath, waitMs: Number.POSITIVE_INFINITY, reconnect: false }).then(
      (client) => ctx.enqueue((state) => begin(ctx, state, client)),
      (error: unknown) => ctx.fail(error instanceof Error ? error : new Error(String(error))),
    );
    return { log, client: null, core: null, timer: null };
  },

  calls: {
    describe: (_ctx, state) => ({
      partner: state.core?.config.partner ?? null,
      giveUpPending: (state.core?.timer ?? null) !== null,
    }),
  },

  stop(_ctx, state) {
    state.timer?.cancel();
    state.client?.close();
    state.log.close();
  },
});

/** Signed on: asks what the algorithm needs to know, then listens. */
async function begin(ctx: Context, state: ShellState, client: Client): Promise<void> {
  const { log } = state;
  state.client = client;
  ctx.onExit(() => client.close());
  // From here on nothing is missed, however long the questions take.
  const events = client.events();
  const { node, keepaliveMs } = client.facts;
  log.write('debug', `[We are ${node}]`);
  if (!(await managesResources(client))) {
    log.write('ERROR', 'No managed resources');
    ctx.exit();
    return;
  }
  const written = (await client.parameter('auto_failback'))?.toLowerCase() ?? '';
  if (!yes.has(written) && !no.has(written)) {
    log.write('ERROR', 'auto_failback set to incompatible legacy option.');
    ctx.exit();
    return;
  }
  const autoFailback = yes.has(written);
  log.write('debug', `auto_failback -> ${autoFailback ? '1 (on)' : '0 (off)'}`);
  log.write('debug', 'Starting node walk');
  const nodes = await client.nodes();
  for (const { name, status } of nodes) log.write('debug', `Cluster node: ${name}: status: ${status}`);
  const partner = nodes.find((other) => other.type === 'normal' && other.name !== node)?.name ?? null;
  if (partner !== null) log.write('debug', `[They are ${partner}]`);
  state.core = createIpfail({ self: node, partner, autoFailback, keepaliveMs });
  log.write('debug', 'Waiting for messages...');
  void listen(ctx, events);
}

async function managesResources(client: Client): Promise<boolean> {
  try {
    await client.resources();
    return true;
  } catch (error) {
    if (error instanceof ClientError && error.code === 'HB_CLIENT_REQUEST') return false;
    throw error;
  }
}

/** One event after the other: each is dealt with, its questions included, before the next. */
async function listen(ctx: Context, events: AsyncGenerator<ClientEvent, void>): Promise<void> {
  for await (const event of events) {
    const input = inputOf(event);
    if (input !== null) ctx.enqueue((state) => feed(ctx, state, input));
  }
  // In turn: when we are being stopped ourselves, it is never run.
  ctx.enqueue(() => {
    throw new ClientError('HB_CLIENT_GONE', 'the connection of ipfail to its node has ended', { reason: 'EOF' });
  });
}

function inputOf(event: ClientEvent): IpfailInput | null {
  switch (event.type) {
    case 'node':
    case 'link':
    case 'message':
      return event;
    case 'client':
      return event.client === 'ipfail' ? { type: 'client', node: event.node, status: event.status } : null;
    case 'connected':
    case 'disconnected':
      return null;
    default:
      return assertNever(event);
  }
}

async function feed(ctx: Context, state: ShellState, input: IpfailInput): Promise<void> {
  if (state.core === null || state.client === null) return;
  for (const effect of step(state.core, input)) {
    const answer = await perform(ctx, state, state.client, effect);
    if (answer !== null) await feed(ctx, state, answer);
  }
}

/** @returns the answer, where the effect was a question */
async function perform(
  ctx: Context,
  state: ShellState,
  client: Client,
  effect: IpfailEffect,
): Promise<IpfailInput | null> {
  switch (effect.type) {
    case 'count': {
      const pingNodes = (await client.nodes()).filter(({ status }) => status === 'ping').map(({ name }) => name);
      return { type: 'counted', purpose: effect.purpose, pingNodes };
    }
    case 'get-resources':
      return { type: 'resources', purpose: effect.purpose, status: await client.resources() };
    case 'send': {
      const { message, to, fields } = effect;
      client.send({ type: message, fields, ...(to === null ? {} : { to }) });
      return null;
    }
    case 'set-timer':
      state.timer?.cancel();
      state.timer = ctx.after(ms(effect.delayMs), (current) => feed(ctx, current, { type: 'timer', id: effect.id }));
      return null;
    case 'cancel-timer':
      state.timer?.cancel();
      return null;
    case 'pause':
      ctx.after(ms(effect.delayMs), (current) => feed(ctx, current, { type: 'settled' }));
      return null;
    case 'log':
      state.log.write(effect.severity, effect.text);
      return null;
    default:
      return assertNever(effect);
  }
}
