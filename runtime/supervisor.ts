/**
 * Starts, watches, restarts and stops actors as supervisor.core.ts decides, and tells every step as a {@link SupervisorEvent}.
 *
 * ```ts
 * const supervisor = new Supervisor({ children: [counterSpec] });
 * const counter = supervisor.child(counterSpec);
 * counter.onEmit((event) => …);
 * supervisor.onEvent((event) => { if (event.type === 'emergency') void supervisor.killAll().then(() => process.exit(1)); });
 * await supervisor.start();
 * counter.cast({ type: 'add' });
 * const { total } = await counter.control(ms(200)).describe();
 * await supervisor.stop();
 * ```
 */
import type { Transferable } from 'node:worker_threads';
import { type Clock, SystemClock, type Timer } from './clock.ts';
import { ActorError } from './errors.ts';
import { describeExit, EventStream, type SupervisorEvent } from './events.ts';
import { Incarnation, type ThreadOptions } from './host.ts';
import type { Finding } from './liveness.core.ts';
import { beatPeriodMs, LivenessWatch } from './liveness.ts';
import type { Control, MailboxOptions, Protocol, Tagged } from './protocol.ts';
import type { ActorRef } from './ref.ts';
import {
  type ChildPolicy,
  type ChildState,
  type Effect,
  type Input,
  type Intensity,
  initialState,
  nextDeadlineMs,
  type Phase,
  type Strategy,
  type SupervisorState,
  step,
} from './supervisor.core.ts';
import { type LaneStats, MAIN, Switchboard } from './switchboard.ts';
import { assertNever, type Ms, ms } from './units.ts';

/** One actor to be supervised: plain data. Times are milliseconds. */
export interface ChildSpec<P extends Protocol = Protocol> extends ThreadOptions {
  /** Unique among the children; `kind:detail` for several of a kind. Not `main`. */
  readonly id: string;
  /** Module whose default export is the actor: `sibling(import.meta.url, './medium.ts')`. */
  readonly module: URL;
  /** Given to `start` of each incarnation; structured-clone safe. */
  readonly init: P['init'];

  /** `permanent` (default): restart always. `transient`: only after an abnormal end. `temporary`: never. Holds with `onDeath: 'restart'`. */
  readonly restart?: ChildPolicy['restart'];
  /**
   * What an unwanted end means, a normal one included. `restart` (default): as `restart` and `intensity` say. `emergency-shutdown`: the
   * `emergency` event at once, no restart. `ignore`: it stays down.
   */
  readonly onDeath?: ChildPolicy['onDeath'];
  /** Default: 3 restarts in 60 s. */
  readonly intensity?: Intensity;
  /** Wait before each restart (>= 0, default 0). */
  readonly restartDelayMs?: Ms;
  /** When the intensity is used up, or a killed thread does not end: the `emergency` event (default), or it stays down. */
  readonly whenGivenUp?: ChildPolicy['whenGivenUp'];
  /** Its orderly end (when it is not restarted) stops everything. Default false. */
  readonly significant?: boolean;

  /** Deadline from the start of the thread to `ready` (> 0, default 5000). */
  readonly startMs?: Ms;
  /** Time between being asked to stop and being killed (default 500); 0 kills at once. */
  readonly shutdownMs?: Ms;
  /** Silence of its event loop that counts as death (>= 10, default 5000); null: not watched. */
  readonly hangMs?: Ms | null;

  /**
   * Its thread sleeps in one system call of ours (sys/sleeper.ts): woken by timers to the microsecond and by descriptors that Node does not know,
   * at a third of the cost. For threads that beat; what needs a lot of Node (servers, child processes) has no use for it. Default false.
   */
  readonly sleepsPrecisely?: boolean;

  /** Whom it may cast to: ids, or prefixes that end in `*` (`medium:*`). */
  readonly refs?: readonly string[];
  /** Whom it may call: likewise. */
  readonly controls?: readonly string[];
  /** Bounds of what is cast to it. */
  readonly mailbox?: MailboxOptions<P['cast']['type']>;
  /** Bounds of what it emits. */
  readonly emits?: MailboxOptions<P['emit']['type']>;

  /** Never set: ties the spec to its protocol for the type checker. */
  readonly __protocol?: P;
}

export interface SupervisorOptions {
  /** In start order. */
  readonly children: readonly ChildSpec[];
  /** Default `one_for_one`. */
  readonly strategy?: Strategy;
  /** How long a killed thread may take to end before it is called a survivor (default 1000). */
  readonly killMs?: Ms;
  /** Silence of the main thread's event loop after which the actors end the process; null (default): not watched. */
  readonly mcpHangMs?: Ms | null;
  /** Module whose default export `(silentMs) => void` the actors call then, instead of SIGKILL to the own process. */
  readonly lastResort?: URL;
  /** Default {@link SystemClock}. */
  readonly clock?: Clock;
}

/** How everything ended: the ids of actors whose threads could not be killed. */
export interface StopResult {
  readonly survivors: readonly string[];
}

/** The main thread's typed view of one child; valid for all its incarnations. */
export interface ChildHandle<P extends Protocol> extends ActorRef<P['cast']> {
  /** Calls `fn` for all that the actor emits. @returns a function that ends it */
  onEmit(fn: (event: P['emit']) => void): () => void;
  /** Typed calls. @param deadlineMs for each call [ms, > 0, default 1000] */
  control(deadlineMs?: Ms): Control<P['call']>;
}

/** A child as {@link Supervisor.describe} shows it. */
export interface ChildView {
  readonly id: string;
  readonly status: ChildState['state']['status'];
  readonly incarnation: number;
  /** Restarts within its period. */
  readonly restarts: number;
  /** The kernel's id of its thread while it runs, or null. */
  readonly tid: number | null;
  /** How it ended, when it is down: a line for people. */
  readonly exit: string | null;
}

export interface SupervisorView {
  readonly asOfMs: Ms;
  readonly phase: Phase;
  readonly children: readonly ChildView[];
  readonly lanes: readonly LaneStats[];
}

interface Child {
  readonly spec: ChildSpec;
  readonly emitted: EventStream<Tagged>;
  life: { readonly number: number; readonly incarnation: Incarnation } | null;
  tid: number | null;
}

/** A deadline timer that comes later than this was delayed by the machine: what it judges gets some more time first. */
const LATE_TICK_MS = 250;
const MAX_GRACE_MS = 1000;

export class Supervisor {
  readonly #clock: Clock;
  readonly #options: SupervisorOptions;
  readonly #events = new EventStream<SupervisorEvent>();
  readonly #children = new Map<string, Child>();
  readonly #switchboard: Switchboard;
  readonly #liveness: LivenessWatch;
  readonly #inputs: Input[] = [];
  #state: SupervisorState;
  #working = false;
  #timer: Timer | null = null;

  /** Starts nothing yet. Throws ActorError HB_ACTOR_SPEC for a spec that cannot work. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#switchboard = new Switchboard(this.#clock, (from, event) => this.#children.get(from)?.emitted.publish(event));
    this.#liveness = new LivenessWatch(this.#clock, options.mcpHangMs ?? null, (finding) => this.#onFinding(finding));
    const policies = options.children.map(policyOf);
    this.#state = initialState(options.strategy ?? 'one_for_one', options.killMs ?? ms(1000), policies);
    for (const spec of options.children) this.#register(spec);
  }

  /**
   * Starts the children in order, each when the one before is ready.
   * Rejects with ActorError HB_ACTOR_START when one cannot be started and its spec makes that fatal; what was started is stopped by then.
   */
  async start(): Promise<void> {
    const failures: Error[] = [];
    const settled = this.#until((event) => {
      if (event.type === 'start-failed' || event.type === 'emergency') failures.push(startError(event));
      return event.type === 'started' || event.type === 'stopped' || event.type === 'emergency';
    });
    this.#liveness.start();
    this.#take({ type: 'start' });
    const last = await settled;
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    if (last.type !== 'started') throw new ActorError('HB_ACTOR_START', 'stopped while starting');
  }

  /** Stops all children in reverse order: asks, waits, kills. */
  async stop(): Promise<StopResult> {
    return this.#end({ type: 'stop' });
  }

  /** Kills all actors at once, asking nobody; for emergencies. Takes milliseconds, at most `killMs` when a thread sits in native code. */
  async killAll(): Promise<StopResult> {
    return this.#end({ type: 'kill-all' });
  }

  /** Adds a child at the end of the order, and starts it when the supervisor runs. Resolves when it is `ready` or has ended again. */
  async add(spec: ChildSpec): Promise<void> {
    if (this.#children.has(spec.id)) {
      throw new ActorError('HB_ACTOR_SPEC', `a child called "${spec.id}" exists already`, { actor: spec.id });
    }
    const policy = policyOf(spec);
    this.#register(spec);
    const settled = this.#settled(spec.id, 0);
    this.#take({ type: 'add', policy });
    if (this.#state.phase === 'running' || this.#state.phase === 'starting') await settled;
  }

  /** Stops a child and forgets it. */
  async remove(id: string): Promise<void> {
    this.#child(id);
    const removed = this.#until((event) => event.type === 'removed' && event.id === id);
    this.#take({ type: 'remove', id });
    await removed;
  }

  /**
   * Stops a child and starts it again; this does not count as a restart. Resolves when it is `ready` or has ended again.
   * Rejects with ActorError HB_ACTOR_NOT_RUNNING when the supervisor is not running.
   */
  async restart(id: string): Promise<void> {
    const { life } = this.#child(id);
    if (this.#state.phase !== 'running') {
      throw new ActorError('HB_ACTOR_NOT_RUNNING', `${id} cannot be restarted: the supervisor is ${this.#state.phase}`);
    }
    const settled = this.#settled(id, life?.number ?? 0);
    this.#take({ type: 'restart', id });
    await settled;
  }

  /** The typed handle of a child. Throws ActorError HB_ACTOR_SPEC when it is not among the children. */
  child<P extends Protocol>(spec: ChildSpec<P>): ChildHandle<P> {
    const { id } = spec;
    const { emitted } = this.#child(id);
    const outbox = this.#switchboard.outbox(id);
    const control = this.#switchboard.control(id);
    return {
      id,
      get up(): boolean {
        return outbox.up;
      },
      cast: (message, transfer) => outbox.cast(message, transfer),
      // The protocol is the promise about what the actor of this spec emits.
      onEmit: (fn) => emitted.subscribe((event) => fn(event as P['emit'])),
      control: (deadlineMs) => control.typed<P['call']>(deadlineMs),
    };
  }

  /** Casts to a child by its id; see {@link ActorRef.cast}. */
  cast(id: string, message: Tagged, transfer?: readonly Transferable[]): boolean {
    this.#child(id);
    return this.#switchboard.outbox(id).cast(message, transfer);
  }

  /** Calls `handler` for every event. @returns a function that ends it */
  onEvent(handler: (event: SupervisorEvent) => void): () => void {
    return this.#events.subscribe(handler);
  }

  /** All events from now on; leaving the loop ends it. */
  events(): AsyncGenerator<SupervisorEvent, never> {
    return this.#events.iterate();
  }

  describe(): SupervisorView {
    return {
      asOfMs: this.#clock.now(),
      phase: this.#state.phase,
      children: this.#state.children.map((child) => this.#view(child)),
      lanes: this.#switchboard.stats(),
    };
  }

  #view({ policy, incarnation, restartsMs, state }: ChildState): ChildView {
    return {
      id: policy.id,
      status: state.status,
      incarnation,
      restarts: restartsMs.filter((atMs) => this.#clock.now() - atMs < policy.intensity.periodMs).length,
      tid: this.#children.get(policy.id)?.tid ?? null,
      exit: state.status === 'exited' || state.status === 'dying' ? describeExit(state.reason) : null,
    };
  }

  async #end(input: Input): Promise<StopResult> {
    if (this.#state.phase === 'stopped' && input.type === 'stop') return { survivors: [] };
    const stopped = this.#until((event) => event.type === 'stopped');
    this.#take(input);
    const event = await stopped;
    return { survivors: event.type === 'stopped' ? event.survivors : [] };
  }

  /** A life of that child after the given one runs or has ended, or there will be none. */
  #settled(id: string, afterIncarnation: number): Promise<SupervisorEvent> {
    return this.#until((event) => {
      if (event.type === 'ready' || event.type === 'exited')
        return event.id === id && event.incarnation > afterIncarnation;
      return event.type === 'emergency' || event.type === 'stopped' || (event.type === 'removed' && event.id === id);
    });
  }

  #until(test: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent> {
    return new Promise((resolve) => {
      const unsubscribe = this.#events.subscribe((event) => {
        if (!test(event)) return;
        unsubscribe();
        resolve(event);
      });
    });
  }

  /** Inputs that come while another is worked on (from an event handler, for instance) wait for their turn. */
  #take(input: Input): void {
    this.#inputs.push(input);
    if (this.#working) return;
    this.#working = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const [state, effects] = step(this.#state, next, this.#clock.now());
        this.#state = state;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#working = false;
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.cancel();
    const dueMs = nextDeadlineMs(this.#state);
    this.#timer = dueMs === null ? null : this.#clock.setTimer(dueMs, () => this.#onDue(dueMs));
  }

  #onDue(dueMs: Ms): void {
    const lateMs = this.#clock.now() - dueMs;
    if (lateMs <= LATE_TICK_MS) {
      this.#take({ type: 'tick' });
      return;
    }
    // We were late ourselves, so the children were too: what they have sent meanwhile is heard first.
    const graceMs = Math.min(lateMs, MAX_GRACE_MS);
    this.#timer = this.#clock.setTimer(ms(this.#clock.now() + graceMs), () => this.#take({ type: 'tick' }));
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'start':
        this.#startChild(effect.id, effect.incarnation);
        return;
      case 'ask':
        this.#liveness.unwatch(effect.id);
        this.#lifeOf(effect.id, effect.incarnation)?.ask();
        return;
      case 'kill':
        this.#takeDown(effect.id);
        this.#lifeOf(effect.id, effect.incarnation)?.kill();
        return;
      case 'forget':
        this.#switchboard.remove(effect.id);
        this.#liveness.releaseSlot(effect.id);
        this.#children.delete(effect.id);
        return;
      case 'event':
        if (effect.event.type === 'stopped') this.#liveness.stop();
        this.#events.publish(effect.event);
        return;
      default:
        assertNever(effect);
    }
  }

  #startChild(id: string, incarnation: number): void {
    const child = this.#child(id);
    const { spec } = child;
    const { wires, transfer } = this.#switchboard.connect(id);
    const order = {
      id,
      incarnation,
      module: spec.module.href,
      sleepsPrecisely: spec.sleepsPrecisely ?? false,
      init: spec.init,
      ...wires,
      liveness: {
        counters: this.#liveness.counters,
        slot: this.#liveness.slotOf(id),
        beatMs: beatPeriodMs(hangMsOf(spec) ?? DEFAULTS.hangMs),
        mcpHangMs: this.#options.mcpHangMs ?? null,
        lastResort: this.#options.lastResort?.href ?? null,
      },
    };
    const life = new Incarnation(order, transfer, spec, {
      onReady: (tid) => {
        const hangMs = hangMsOf(spec);
        child.tid = tid;
        if (hangMs !== null) this.#liveness.watch(id, hangMs, tid);
        this.#take({ type: 'ready', id, incarnation });
      },
      onDying: (reason) => {
        this.#takeDown(id);
        this.#take({ type: 'dying', id, incarnation, reason });
      },
      onExit: (reason) => {
        this.#takeDown(id);
        child.life = null;
        this.#take({ type: 'exited', id, incarnation, reason });
      },
    });
    child.life = { number: incarnation, incarnation: life };
    this.#switchboard.up(id, life);
  }

  #takeDown(id: string): void {
    const child = this.#children.get(id);
    if (child !== undefined) child.tid = null;
    this.#liveness.unwatch(id);
    this.#switchboard.down(id);
  }

  #lifeOf(id: string, incarnation: number): Incarnation | undefined {
    const life = this.#children.get(id)?.life;
    return life?.number === incarnation ? life.incarnation : undefined;
  }

  #onFinding(finding: Finding): void {
    const atMs = this.#clock.now();
    if (finding.type === 'hung') {
      const incarnation = this.#children.get(finding.id)?.life?.number;
      if (incarnation === undefined) return;
      const reason = { type: 'hung', silentMs: finding.silentMs } as const;
      this.#take({ type: 'dying', id: finding.id, incarnation, reason });
    } else {
      this.#events.publish({ ...finding, atMs });
    }
  }

  #register(spec: ChildSpec): void {
    const { id, refs = [], controls = [], mailbox = {}, emits = {} } = spec;
    this.#switchboard.add({ id, refs, controls, mailbox, emits });
    this.#children.set(id, { spec, emitted: new EventStream(), life: null, tid: null });
  }

  #child(id: string): Child {
    const child = this.#children.get(id);
    if (child === undefined) throw new ActorError('HB_ACTOR_SPEC', `no child is called "${id}"`, { actor: id });
    return child;
  }
}

function startError(event: Extract<SupervisorEvent, { type: 'start-failed' | 'emergency' }>): ActorError {
  const { id, reason } = event;
  const options = reason.type === 'crashed' ? { cause: reason.error } : {};
  return new ActorError(
    'HB_ACTOR_START',
    `${id} could not be started: ${describeExit(reason)}`,
    { actor: id },
    options,
  );
}

const DEFAULTS = {
  intensity: { maxRestarts: 3, periodMs: ms(60_000) },
  startMs: ms(5000),
  shutdownMs: ms(500),
  hangMs: ms(5000),
} as const;

/** A shorter window would call every garbage collection a hang. */
const LEAST_HANG_MS = 10;

function hangMsOf(spec: ChildSpec): Ms | null {
  return spec.hangMs === undefined ? DEFAULTS.hangMs : spec.hangMs;
}

function policyOf(spec: ChildSpec): ChildPolicy {
  const hangMs = hangMsOf(spec);
  const startMs = spec.startMs ?? DEFAULTS.startMs;
  const intensity = spec.intensity ?? DEFAULTS.intensity;
  const complaint =
    spec.id === '' || spec.id === MAIN
      ? `a child cannot be called "${spec.id}"`
      : startMs <= 0
        ? `startMs is ${startMs}: give more than 0`
        : hangMs !== null && hangMs < LEAST_HANG_MS
          ? `hangMs is ${hangMs}: give at least ${LEAST_HANG_MS}, or null`
          : intensity.maxRestarts < 0 || intensity.periodMs <= 0
            ? 'intensity needs maxRestarts >= 0 and periodMs > 0'
            : null;
  if (complaint !== null) throw new ActorError('HB_ACTOR_SPEC', `${spec.id}: ${complaint}`, { actor: spec.id });
  return {
    id: spec.id,
    restart: spec.restart ?? 'permanent',
    onDeath: spec.onDeath ?? 'restart',
    intensity,
    restartDelayMs: spec.restartDelayMs ?? ms(0),
    whenGivenUp: spec.whenGivenUp ?? 'emergency-shutdown',
    significant: spec.significant ?? false,
    startMs,
    shutdownMs: spec.shutdownMs ?? DEFAULTS.shutdownMs,
  };
}
