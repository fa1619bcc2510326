/**
 * Master control: owns the supervision tree, decides about life and death of the whole node, and works at nothing else.
 *
 * When a core actor crashes, ends or hangs, the MCP does an **emergency shutdown**: it says why, kills the other actors and ends the process.
 * The guardian, which sees its pipe close, then stops what the node held; the peers take over at their deadline.
 */
import type { AuthKeys } from '../conf/settings.ts';
import { describeExit, type ExitReason, type SupervisorEvent } from '../runtime/events.ts';
import type { Log } from '../runtime/log.ts';
import { type ChildHandle, Supervisor } from '../runtime/supervisor.ts';
import { assertNever, type Ms, ms } from '../runtime/units.ts';
import type { ApiProtocol, OperatorRequest } from './api.ts';
import type { ChildrenProtocol } from './children.ts';
import type { Happening } from './events.ts';
import { Heart } from './heart.ts';
import type { MediumProtocol } from './medium.ts';
import type { MembershipProtocol } from './membership.ts';
import type { PingProtocol } from './ping.ts';
import type { ResourcesProtocol } from './resources.ts';
import type { Tree } from './tree.ts';

export interface McpOptions {
  readonly tree: Tree;
  readonly self: string;
  readonly log: Log;
  /** Reads authkeys and ha.cf again. `ok: false` keeps everything as it is. */
  reload():
    | { readonly ok: true; readonly keys: AuthKeys; readonly text: string }
    | { readonly ok: false; readonly text: string };
  /** Ends the process at once; called last, and only once. */
  end(how: McpEnd): void;
}

export type McpEnd =
  | { readonly type: 'stopped' }
  /** Leave in good order, and start again as the same process. */
  | { readonly type: 'restart' }
  /** At once and with all threads, whatever they are doing: an orderly exit waits for each. */
  | { readonly type: 'emergency' };

/**
 * Silence of the main thread's event loop after which the actors end the process [ms]. It covers the longest pause that an overloaded
 * machine is known to make; the peers' deadtime and the watchdog are the lines behind it.
 */
const mcpHangMs = ms(2_000);
/** How long threads that would not stop may take to be killed at an orderly end [ms]. */
const killMs = ms(300);
/** How often the main thread notes on the heart board that its loop turns, for the watchdog [ms]: several times in its shortest timeout, a second. */
const heartMs = 200;
/** After the last resource is released, beats go on this long, as the original's do: acknowledgements and late requests are served [ms]. */
const farewellMs = 1_000;

type State = 'starting' | 'running' | 'stopping' | 'ended';

export class Mcp {
  readonly #options: McpOptions;
  readonly #supervisor: Supervisor;
  readonly #membership: ChildHandle<MembershipProtocol>;
  readonly #resources: ChildHandle<ResourcesProtocol>;
  readonly #api: ChildHandle<ApiProtocol>;
  readonly #media: readonly ChildHandle<MediumProtocol>[];
  readonly #ping: ChildHandle<PingProtocol> | null;
  readonly #programs: ChildHandle<ChildrenProtocol> | null;
  readonly #heart: Heart;
  #state: State = 'starting';
  #restartAfterStop = false;

  constructor(options: McpOptions) {
    const { tree } = options;
    this.#options = options;
    this.#heart = new Heart(tree.heart);
    this.#supervisor = new Supervisor({ children: tree.children, killMs, mcpHangMs });
    this.#membership = this.#supervisor.child(tree.membership);
    this.#resources = this.#supervisor.child(tree.resources);
    this.#api = this.#supervisor.child(tree.api);
    this.#media = tree.media.map((spec) => this.#supervisor.child(spec));
    this.#ping = tree.ping === null ? null : this.#supervisor.child(tree.ping);
    this.#programs = tree.programs === null ? null : this.#supervisor.child(tree.programs);
    this.#supervisor.onEvent((event) => this.#onSupervisorEvent(event));
    this.#membership.onEmit((event) => this.#onRestartNeeded(event));
    this.#resources.onEmit((event) => this.#onResources(event));
    this.#api.onEmit((request) => this.#onOperator(request));
    this.#programs?.onEmit(() => this.#farewell());
  }

  /** Starts all actors. Rejects with ActorError HB_ACTOR_START (its cause says why) when one cannot start; nothing is left running then. */
  async start(): Promise<void> {
    await this.#supervisor.start();
    if (this.#options.tree.watchdog !== null) setInterval(() => this.#heart.beat('mcp'), heartMs).unref();
    this.#heart.enter('running');
    if (this.#state === 'starting') this.#state = 'running';
  }

  /** Graceful stop: resources first, then the goodbye to the peers, then the actors. Later calls change nothing. */
  stop(): void {
    // Who asks for a stop means it, also when the node was about to begin anew.
    this.#restartAfterStop = false;
    this.#beginStop();
  }

  #beginStop(): void {
    if (this.#state === 'stopping' || this.#state === 'ended') return;
    this.#state = 'stopping';
    this.#options.log.write('info', `Heartbeat shutdown in progress. (${process.pid})`, { event: 'stopping' });
    this.#tell({ event: 'stopping' });
    this.#resources.cast({ type: 'give-up-all' });
  }

  /** Reads authkeys again and hands them to the actors; a broken file changes nothing. */
  reload(): { readonly ok: boolean; readonly text: string } {
    const result = this.#options.reload();
    if (!result.ok) {
      this.#options.log.write('ERROR', result.text);
      return { ok: false, text: result.text };
    }
    this.#options.log.write('info', result.text);
    // Media first: what they say of others' keys (other-keys.ts) is then right when membership changes its own.
    for (const medium of this.#media) medium.cast({ type: 'keys', keys: result.keys });
    this.#membership.cast({ type: 'keys', keys: result.keys });
    this.#ping?.cast({ type: 'keys', keys: result.keys });
    return { ok: true, text: result.text };
  }

  #onSupervisorEvent(event: SupervisorEvent): void {
    const { log } = this.#options;
    switch (event.type) {
      case 'emergency':
        this.#emergency(event.id, event.reason);
        return;
      case 'restarting':
        log.write('ERROR', `${event.id} died. Restarting it (attempt ${event.attempt}).`, {
          event: 'actor.restarted',
          actor: event.id,
        });
        this.#tell({ event: 'actor.restarted', actor: event.id, reason: null });
        return;
      case 'dying':
        log.write('WARN', `actor ${event.id}: ${describeExit(event.reason)}`, {
          event: 'actor.exited',
          actor: event.id,
        });
        this.#tell({ event: 'actor.exited', actor: event.id, reason: describeExit(event.reason) });
        return;
      case 'stalled':
        log.write(
          'WARN',
          `this process stood still for ${Math.round(event.lateMs)} ms: the machine is overloaded, or was suspended`,
        );
        return;
      case 'starved':
        log.write(
          'WARN',
          `actor ${event.id} hardly ran for ${Math.round(event.silentMs)} ms: the machine is overloaded, or a disk does not answer`,
        );
        return;
      default:
        return;
    }
  }

  /** Control is lost: everything ends now. What the node held is released by the guardian, or by whoever takes over. */
  #emergency(actor: string, reason: ExitReason): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const { log } = this.#options;
    log.write('CRIT', `Emergency Shutdown: ${actor} died: ${describeExit(reason)}.`, { event: 'emergency', actor });
    log.write('CRIT', 'Emergency Shutdown: Attempting to kill everything ourselves');
    this.#options.end({ type: 'emergency' });
  }

  #onRestartNeeded(event: MembershipProtocol['emit']): void {
    // A healed partition is settled between the resource managers: one side gives up what both hold, nobody restarts.
    if (event.reason === 'partition-healed') return;
    // A node that leaves does not come back by itself.
    if (this.#state === 'stopping' || this.#state === 'ended') return;
    // We were silent so long that the peers have taken over: everything is given up, and the node begins anew.
    this.#options.log.write('ERROR', 'No local heartbeat. Forcing restart.');
    this.#restartAfterStop = true;
    this.#beginStop();
  }

  #onResources(event: ResourcesProtocol['emit']): void {
    switch (event.type) {
      case 'released':
        this.#options.log.write(
          event.stuck.length === 0 ? 'info' : 'CRIT',
          `All resources are released${event.stuck.length === 0 ? '' : ` but ${event.stuck.join(', ')}, which could not be stopped`}.`,
        );
        // The watchdog lets its device go now, and not when something may still run here.
        if (event.stuck.length === 0) this.#heart.enter('released');
        this.#tell({ event: 'released', stuck: event.stuck });
        // The programs end when the resources have: they may still have something to say about them.
        if (this.#programs === null) this.#farewell();
        else this.#programs.cast({ type: 'stop' });
        return;
      case 'seized':
        if (this.#state === 'stopping' || this.#state === 'ended') return;
        // Nothing runs here any more, whatever the resource manager believes: it gives everything up, and the node joins anew.
        this.#options.log.write('ERROR', 'The guardian has released what this node held. Forcing restart.');
        this.#restartAfterStop = true;
        this.#beginStop();
        return;
      default:
        assertNever(event);
    }
  }

  #farewell(): void {
    setTimeout(() => void this.#finish(), farewellMs);
  }

  async #finish(): Promise<void> {
    if (this.#state === 'ended') return;
    const { survivors } = await this.#supervisor.stop();
    if (this.#hasEnded()) return;
    this.#state = 'ended';
    // On a busy machine a thread may need long to end. It holds nothing any more, and the end of the process ends it as well.
    if (survivors.length > 0) this.#options.log.write('WARN', `threads that did not end: ${survivors.join(', ')}`);
    this.#options.log.write('info', `${this.#options.self} Heartbeat shutdown complete.`, { event: 'stopped' });
    this.#options.end({ type: this.#restartAfterStop ? 'restart' : 'stopped' });
  }

  /** Asked through a method, since an emergency may come while a stop is awaited. */
  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #onOperator(request: OperatorRequest): void {
    switch (request.type) {
      case 'stop-requested':
        this.stop();
        return;
      case 'reload-requested': {
        const { ok, text } = this.reload();
        this.#api.cast({ type: 'reloaded', request: request.request, ok, text });
        return;
      }
      case 'standby-requested':
        this.#resources.cast({ type: 'standby', set: request.set, request: request.request });
        return;
      case 'takeover-requested':
        this.#resources.cast({ type: 'takeover', set: request.set, request: request.request });
        return;
      default:
        assertNever(request);
    }
  }

  #tell(happening: Happening): void {
    this.#api.cast({ type: 'happening', happening, atMs: now() });
  }
}

function now(): Ms {
  return ms(Number(process.hrtime.bigint()) / 1e6);
}
