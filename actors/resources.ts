/**
 * Resources on its thread: the pure core in `resources/`, the engine that runs its jobs, the guardian process beside us, and the log.
 *
 * Scripts are run by the guardian, so that no thread of the daemon forks; addresses are set right here. The guardian hears of each resource
 * before it is started, and stops what is left when this process dies.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../conf/settings.ts';
import type { AgentAction } from '../plugins/agents/agent.ts';
import { ConflictWatch } from '../plugins/agents/conflict.ts';
import { AddressAgent } from '../plugins/agents/ipaddr.ts';
import { Address6Agent } from '../plugins/agents/ipv6addr.ts';
import { commandOf } from '../plugins/agents/programs.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import { Afterwards } from '../runtime/afterwards.ts';
import { SystemClock, type Timer } from '../runtime/clock.ts';
import { ActorError } from '../runtime/errors.ts';
import type { Log, LogTarget } from '../runtime/log.ts';
import { writeLater } from '../runtime/log-later.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { formatIpv4 } from '../runtime/sys/ipv4.ts';
import { formatIpv6 } from '../runtime/sys/ipv6.ts';
import { listLinks } from '../runtime/sys/netlink.ts';
import { NetworkView } from '../runtime/sys/network-view.ts';
import { setRealtime } from '../runtime/sys/realtime.ts';
import { assertNever, linkName, type Ms, ms } from '../runtime/units.ts';
import type { ApiCast, OperatorSet } from './api.ts';
import { openBeatingLog } from './beating-log.ts';
import type { Happening } from './events.ts';
import { devicesOf } from './fencing/devices.ts';
import { Fencer } from './fencing/fencer.ts';
import type { FencingView } from './fencing/types.ts';
import { GuardianClient } from './guardian/client.ts';
import { Heart, type HeartFd } from './heart.ts';
import type { MembershipCast, MembershipEvent, ResourcesCast } from './protocols.ts';
import { initialResources, nextDeadlineMs, step, viewResources } from './resources/core.ts';
import { type OperationResult, ResourceEngine } from './resources/engine.ts';
import { scriptEnvironment } from './resources/environment.ts';
import { type Holding, parseSet, parseTakeoverSet } from './resources/holdings.ts';
import { hookEvent } from './resources/hooks.core.ts';
import { Hooks } from './resources/hooks.ts';
import { locate, type Target } from './resources/locate.ts';
import { stonithMessage } from './resources/messages.ts';
import { Monitor } from './resources/monitor.ts';
import type { ResourceRecord } from './resources/record.ts';
import { rehearseTakeover } from './resources/rehearsal.ts';
import type { ResourcesEffect, ResourcesInput, ResourcesState } from './resources/types.ts';

export interface ResourcesProtocol extends Protocol {
  readonly init: {
    readonly settings: Settings;
    readonly stateDir: string;
    readonly runDir: string;
    readonly heart: HeartFd;
    /** SCHED_RR priority: a takeover must not wait for ordinary work. No script runs on this thread. Null = ordinary scheduling. */
    readonly realtimePriority: number | null;
    readonly log: LogTarget;
  };
  readonly cast:
    | ResourcesCast
    /** From the MCP. `request` names it in the casts `operator` to api. */
    | { readonly type: 'standby' | 'takeover'; readonly set: OperatorSet; readonly request: number };
  readonly call: {
    describe(): ResourcesDescription;
    /** An operator says that this node, which is being fenced, is switched off. */
    confirmFencing(node: string): { readonly ok: boolean; readonly text: string };
  };
  readonly emit: /** Everything is given up, but for the groups in `stuck`, which could not be stopped. */
    | { readonly type: 'released'; readonly stuck: readonly string[] }
    /** This process was frozen, and the guardian has released what it held: the node must begin anew. */
    | { readonly type: 'seized' };
}

/** What `systole status` shows (outside contract: architecture, section 6). */
export interface ResourcesDescription {
  readonly holding: Holding;
  /** As `cl_status rscstatus` answers. */
  readonly rscstatus: Holding | 'transition';
  readonly otherHolding: Holding | null;
  /** A resource could not be stopped: this node acquires nothing more until it was rebooted. */
  readonly rebootRequired: boolean;
  readonly groups: readonly {
    readonly owner: string;
    readonly resources: readonly string[];
    readonly running: boolean;
    readonly activity: string;
    /** One for each of `resources`. */
    readonly records: readonly ResourceRecord[];
  }[];
  /** The fencing devices, and the node that is waited for. */
  readonly fencing: FencingView;
  /** Process id of the guardian. */
  readonly guardian: number | null;
}

interface ShellState {
  readonly core: ResourcesState;
  readonly engine: ResourceEngine;
  readonly guardian: GuardianClient;
  readonly log: Log;
  /** Casts and lines that tell what happens wait here until it has happened. */
  readonly afterwards: Afterwards;
  readonly network: NetworkView;
  readonly agents: AddressAgents;
  readonly conflicts: ConflictWatch;
  readonly hooks: Hooks;
  readonly monitor: Monitor | null;
  readonly fencer: Fencer;
  readonly settings: Settings;
  /** Our own status word, for the environment of hooks. */
  ownStatus: string;
  timer: Timer | null;
  /** What the clients were last told of our resources. */
  toldRscStatus: Holding | 'transition';
}

type Context = ActorContext<ResourcesProtocol, ShellState>;

interface AddressAgents {
  readonly IPaddr: AddressAgent;
  readonly IPaddr2: AddressAgent;
  readonly IPv6addr: Address6Agent;
}

/** The answer to a start after the guardian has taken over: nothing is begun that it would not know of. */
const seizedResult: OperationResult = {
  exitCode: 1,
  output: 'the guardian has released what this node held: it begins anew',
  timedOut: false,
  durationMs: 0,
};

/** An address does not wait longer for its services when the daemon has died, however long the deadtime is [ms]. */
const longestAddressGraceMs = 1_000;

/** So often that nothing of it is compiled later. Takes some 30 ms. */
const tries = 300;

/** How long after the moment of a verdict this thread is still awake [ms]. */
const awakeMs = 0.3;

export default defineActor<ResourcesProtocol, ShellState>({
  async start(ctx, { settings, stateDir, heart: heartFd, realtimePriority, log: target }) {
    // First, so that it is written out last.
    const patientLog = openBeatingLog(ctx, target);
    const afterwards = new Afterwards();
    ctx.onExit(() => afterwards.flush());
    const log = writeLater(patientLog, afterwards);
    const environment = scriptEnvironment(settings, process.env);
    const guardian = new GuardianClient({
      mode: settings.guardian,
      environment,
      log: target,
      stopTimeoutMs: settings.resourceTimeoutMs,
      addressGraceMs: Math.min(longestAddressGraceMs, settings.deadtimeMs / 2),
      lockPath: join(stateDir, 'guardian.lock'),
      pulse: { heart: heartFd, deadtimeMs: settings.deadtimeMs },
      rebootWhenStuck: settings.stopFailure === 'reboot',
      onWarning: (text) => log.write('ERROR', text),
      onSeized: (silentMs, stuck) => {
        log.write(
          'CRIT',
          `This process did not run for ${Math.round(silentMs)} ms or more, and the guardian has released what it held${stuck.length === 0 ? '' : ` but ${stuck.join(' ')}`}.`,
        );
        ctx.emit({ type: 'seized' });
      },
      onRebootFailed: () => log.write('CRIT', 'Unable to force reboot. Nothing more is acquired on this node.'),
      onFailure: (error) => ctx.fail(error),
    });
    await guardian.start();
    const heart = new Heart(heartFd);
    await rehearseTakeover(settings);
    const groups = settings.managesResources ? settings.groups : [];
    const scriptLog = (tag: string, line: string): void => log.script(tag, process.pid, line);
    const clock = new SystemClock();
    const conflicts = new ConflictWatch({
      clock,
      listLinks,
      onConflict: (address, link, mac) => {
        const who = mac === null ? 'another machine' : `the machine with hardware address ${mac}`;
        log.write('CRIT', `Address ${address} on ${link} is in use on ${who} too.`);
        tell(ctx, { event: 'address.conflict', address, link: linkName(link), mac }, ctx.clock.now());
      },
      onTrouble: (text) => log.write('WARN', text),
    });
    const network = new NetworkView();
    ctx.onExit(() => network.close());
    const agents = addressAgents(network, scriptLog, conflicts);
    // Their words would fill the log, one line each round.
    const silent = addressAgents(network, () => undefined, null);
    const engine = new ResourceEngine({
      groups,
      locate: (resource) => locate(resource, { configDir: settings.configDir, timeoutMs: settings.resourceTimeoutMs }),
      run: (what, action) =>
        action === 'start' && heart.read().seizedMs !== null
          ? Promise.resolve(seizedResult)
          : operate(guardian, agents, settings, what, action),
      look: (what) => operate(guardian, silent, settings, what, 'status'),
      ahead: (targets) => {
        const script = targets[0]?.script;
        if (script === undefined || script === 'IPv6addr') return null;
        const plan = agents[script].ahead(targets.map(({ args }) => args));
        return { ...plan, carryOut: () => (heart.read().seizedMs === null ? plan.carryOut() : null) };
      },
      hold: (...resources) => guardian.hold(...resources),
      rehearseHold: (...resources) => guardian.rehearse(...resources),
      drop: (id) => guardian.drop(id),
      log: (severity, text, tag) => {
        if (tag === undefined) log.write(severity, text);
        else log.script(tag, process.pid, text);
      },
      event: (happening) => {
        const atMs = ctx.clock.now();
        afterwards.push(() => tell(ctx, happening, atMs));
      },
      done: (input) => ctx.enqueue((state) => run(ctx, state, input)),
      failed: (error) => ctx.fail(error),
      pause: (delayMs) => sleep(delayMs),
    });
    const hooks = new Hooks({
      configDir: settings.configDir,
      surroundings: () => ({ environment, ...settings, stateDir, ownStatus: state.ownStatus }),
      run: (command) => guardian.run(command, settings.resourceTimeoutMs),
      log: (severity, text, tag) => {
        if (tag === undefined) log.write(severity, text);
        else log.script(tag, process.pid, text);
      },
      broken: (error) => ctx.fail(error),
    });
    const monitor =
      settings.monitor === null
        ? null
        : new Monitor({
            clock,
            intervalMs: settings.monitor.intervalMs,
            keys: groups.map((group) => group.key),
            check: (key) => engine.check(key),
            failed: (key, resource) =>
              ctx.enqueue((current) => run(ctx, current, { type: 'resource-failed', key, resource })),
            log: (severity, text) => log.write(severity, text),
            broken: (error) => ctx.fail(error),
          });
    const devices = settings.managesResources ? devicesOf(settings.stonith, settings.nodes) : [];
    const fencer = new Fencer({
      devices,
      partner: settings.nodes.find((node) => node.type === 'normal' && node.name !== settings.self)?.name ?? null,
      timeoutMs: settings.stonithTimeoutMs,
      run: (command, timeoutMs, options) => guardian.run(command, timeoutMs, options),
      now: () => ctx.clock.now(),
      at: (instantMs, fn) => ctx.at(instantMs, () => fn()),
      enqueue: (fn) => ctx.enqueue(() => fn()),
      log: (severity, text) => log.write(severity, text),
      event: (happening, atMs) => tell(ctx, happening, atMs),
      tell: (node, result) =>
        ctx.ref<MembershipCast>('membership').cast({ type: 'send', fields: stonithMessage(node, result) }),
      fenced: (node, by) => run(ctx, state, { type: 'fenced', node, by }),
    });
    for (let round = 0; round < tries; round++) tryTakeover({ network, engine });
    globalThis.gc?.();
    // Not before: what a start computes in real time keeps everybody else from running, the beats of other programs included.
    const realtime = realtimePriority === null ? null : setRealtime(realtimePriority);
    if (realtime !== null && !realtime.granted)
      log.write('WARN', `resources: no real-time scheduling: ${realtime.reason}`);
    const state: ShellState = {
      core: initialResources({ ...settings, groups, fences: devices.length > 0 }),
      engine,
      guardian,
      log,
      afterwards,
      network,
      agents,
      conflicts,
      hooks,
      monitor,
      fencer,
      settings,
      ownStatus: 'up',
      timer: null,
      toldRscStatus: 'none',
    };
    return state;
  },

  onCast(ctx, state, message) {
    switch (message.type) {
      case 'standby': {
        const set = parseSet(message.set);
        if (set !== undefined) run(ctx, state, { type: 'standby', set, request: message.request });
        return;
      }
      case 'takeover': {
        const set = parseTakeoverSet(message.set);
        if (set !== undefined) run(ctx, state, { type: 'takeover', set, request: message.request });
        return;
      }
      case 'give-up-all':
        run(ctx, state, message);
        return;
      case 'suspicion':
        beReady(ctx, state, message.verdictMs);
        return;
      default:
        run(ctx, state, message);
        if (message.type === 'comm-up') state.fencer.take(message);
        // After what the event means for resources, and after what has begun because of it.
        setImmediate(() => callHooks(state, message));
    }
  },

  calls: {
    describe: (_ctx, state) => {
      const view = viewResources(state.core);
      const limitMs = state.settings.resourceTimeoutMs;
      return {
        holding: view.holding,
        rscstatus: view.rscstatus,
        otherHolding: view.otherHolding,
        rebootRequired: view.stuck,
        groups: view.groups.map(({ key, owner, resources, running, activity }) => ({
          owner,
          resources,
          running,
          activity,
          records: state.engine.records(key, limitMs),
        })),
        fencing: state.fencer.view(),
        guardian: state.guardian.pid ?? null,
      };
    },
    confirmFencing: (ctx, _state, node) =>
      new Promise((resolve) => ctx.enqueue((state) => resolve(state.fencer.confirm(node)))),
  },

  async stop(_ctx, state) {
    state.timer?.cancel();
    state.monitor?.close();
    state.fencer.close();
    state.conflicts.close();
    for (const agent of Object.values(state.agents)) agent.close();
    await state.guardian.bye();
    state.log.close();
  },
});

/**
 * A node may be declared dead in a moment: does what a takeover will do, without effect, and stays awake until shortly after that moment. On a busy
 * machine a thread that sleeps is woken a millisecond late at times, whatever its priority: the kernel finishes what it does for others first.
 */
function beReady(ctx: Context, state: ShellState, verdictMs: Ms): void {
  tryTakeover(state);
  rehearseTakeover(state.settings, 1).catch((error: unknown) =>
    ctx.fail(error instanceof Error ? error : new Error(String(error))),
  );
  const untilMs = ms(verdictMs + awakeMs);
  ctx.at(untilMs, () => undefined, { accuracy: 'exact', awakeMs: Math.max(untilMs - ctx.clock.now(), 0) });
}

/** The ways that a takeover begins with, to the kernel and to the guardian, for the resources of this node, without effect. */
function tryTakeover({ network, engine }: Pick<ShellState, 'network' | 'engine'>): void {
  network.rehearse();
  engine.rehearse();
}

function run(ctx: Context, state: ShellState, input: ResourcesInput): void {
  for (const effect of step(state.core, input, ctx.clock.now())) perform(ctx, state, effect);
  tellRscStatus(ctx, state);
  state.timer?.cancel();
  const dueMs = nextDeadlineMs(state.core);
  state.timer = dueMs === null ? null : ctx.at(dueMs, (current) => run(ctx, current, { type: 'timer' }));
}

function perform(ctx: Context, state: ShellState, effect: ResourcesEffect): void {
  switch (effect.type) {
    case 'send':
      state.afterwards.push(() => ctx.ref<MembershipCast>('membership').cast({ type: 'send', fields: effect.fields }));
      return;
    case 'acquire':
    case 'release':
    case 'probe':
    case 'restart':
      state.engine.submit({ id: effect.job, verb: effect.type, why: effect.why, keys: effect.keys });
      return;
    case 'log':
      if (effect.tag === undefined) state.log.write(effect.severity, effect.text);
      else state.log.script(effect.tag, process.pid, effect.text);
      return;
    case 'event':
      state.afterwards.push(() => tell(ctx, effect.happening, effect.atMs));
      return;
    case 'fence':
      state.fencer.take(effect);
      return;
    case 'cancel-fencing':
      state.fencer.take({ type: 'cancel', why: effect.why });
      return;
    case 'announce':
      announce(state, effect.keys);
      return;
    case 'operator':
      state.afterwards.push(() => {
        for (const api of ctx.refs<ApiCast>('api')) api.cast(effect);
      });
      return;
    case 'released':
      state.afterwards.push(() => ctx.emit({ type: 'released', stuck: effect.stuck }));
      return;
    case 'reboot-required':
      onStopFailure(ctx, state, effect.keys);
      return;
    default:
      assertNever(effect);
  }
}

/** Announces the addresses of held groups again. */
function announce(state: ShellState, keys: readonly string[]): void {
  const { settings, agents } = state;
  for (const group of settings.groups.filter(({ key }) => keys.includes(key))) {
    for (const resource of group.resources) {
      const target = locate(resource, { configDir: settings.configDir, timeoutMs: settings.resourceTimeoutMs });
      if (target.kind === 'address') agents[target.script].announce(target.args);
    }
  }
}

/** A group cannot be stopped (`stop_failure`). Whatever is done, the other node is never told that it may have the group. */
function onStopFailure(ctx: Context, state: ShellState, keys: readonly string[]): void {
  const { log, settings, guardian } = state;
  const what = `${keys.join(' ')} may still run here and cannot be stopped`;
  switch (settings.stopFailure) {
    case 'reboot':
      log.write('CRIT', `${what}: restarting this machine (stop_failure reboot).`);
      log.script('ResourceManager(default)', process.pid, 'CRIT: Killing heartbeat ungracefully!');
      guardian.reboot();
      return;
    case 'fence':
      log.write('CRIT', `${what}: this node falls silent, so that the other one fences it (stop_failure fence).`);
      // Without a word to the other node: it must take us for dead, and take nothing before we are off.
      ctx.fail(new ActorError('HB_ACTOR_FAILED', what, { actor: ctx.id }));
      return;
    case 'hold':
      log.write('CRIT', `Reboot this machine: ${what}. Nothing more is acquired until then.`);
      return;
    default:
      assertNever(settings.stopFailure);
  }
}

function tellRscStatus(ctx: Context, state: ShellState): void {
  const { rscstatus } = viewResources(state.core);
  if (rscstatus === state.toldRscStatus) return;
  state.toldRscStatus = rscstatus;
  state.afterwards.push(() => {
    for (const api of ctx.refs<ApiCast>('api')) api.cast({ type: 'rscstatus', value: rscstatus });
  });
}

function tell(ctx: Context, happening: Happening, atMs: number): void {
  for (const api of ctx.refs<ApiCast>('api')) api.cast({ type: 'happening', happening, atMs });
}

/** The built-in agents; an address that is taken is looked after by `conflicts`. */
function addressAgents(
  network: NetworkView,
  log: (tag: string, line: string) => void,
  conflicts: ConflictWatch | null,
): AddressAgents {
  const watched = {
    system: network,
    log,
    onTaken: (...[address, link]: Parameters<ConflictWatch['watch4']>) => conflicts?.watch4(address, link),
    onReleased: (address: Parameters<ConflictWatch['watch4']>[0]) => conflicts?.forget(formatIpv4(address)),
  };
  return {
    IPaddr: new AddressAgent({ ...watched, script: 'IPaddr' }),
    IPaddr2: new AddressAgent({ ...watched, script: 'IPaddr2' }),
    IPv6addr: new Address6Agent({
      log,
      onTaken: (address, link) => conflicts?.watch6(address, link),
      onReleased: (address) => conflicts?.forget(formatIpv6(address)),
    }),
  };
}

function callHooks(state: ShellState, event: MembershipEvent): void {
  const { self } = state.settings;
  if (event.type === 'comm-up') state.ownStatus = 'active';
  if (event.type === 'node-status' && event.node === self) state.ownStatus = event.status;
  const hook = hookEvent(event, self, Math.floor(Date.now() / 1_000));
  if (hook !== null) state.hooks.offer(hook);
}

async function operate(
  guardian: GuardianClient,
  agents: ShellState['agents'],
  settings: Settings,
  target: Exclude<Target, { kind: 'missing' }>,
  action: AgentAction,
): Promise<OperationResult> {
  if (target.kind === 'address') return agents[target.script][action](target.args);
  return await guardian.run(commandOf(target, action), settings.resourceTimeoutMs);
}
