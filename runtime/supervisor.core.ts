/**
 * Supervision as a pure function: which actor is started, asked, killed or given up, when, and in which order.
 *
 * {@link step} takes the state, one {@link Input} and the time, and gives the next state and {@link Effect}s; supervisor.ts carries them out.
 * The semantics are those of Erlang/OTP's supervisor, with three additions: a death can be an emergency at once (`onDeath`), giving up can
 * be ignored or an emergency (`whenGivenUp`), and threads that cannot be ended are accounted for.
 *
 * Children are started one after the other in their order, each when the one before is ready, and stopped in reverse. Stopping is asking,
 * waiting `shutdownMs`, killing, and waiting for the proof that the thread is gone: no actor is started while its former self may still run.
 */
import { ActorError } from './errors.ts';
import type { EmergencyCause, ExitReason, SupervisorEvent } from './events.ts';
import { type Ms, ms } from './units.ts';

/**
 * What a death takes with it. `one_for_one`: only the dead child is restarted. `one_for_all`: all others are stopped and everything starts
 * again. `rest_for_one`: the same for those that come after it in the order of the children.
 */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one';

/** At most `maxRestarts` (>= 0) in any window of `periodMs` (> 0); the next death in that window gives the child up. */
export interface Intensity {
  readonly maxRestarts: number;
  readonly periodMs: Ms;
}

/** The part of a child spec that decides about it; see ChildSpec in supervisor.ts for the defaults. */
export interface ChildPolicy {
  readonly id: string;
  readonly restart: 'permanent' | 'transient' | 'temporary';
  readonly onDeath: 'restart' | 'emergency-shutdown' | 'ignore';
  readonly intensity: Intensity;
  readonly restartDelayMs: Ms;
  readonly whenGivenUp: 'emergency-shutdown' | 'ignore';
  readonly significant: boolean;
  readonly startMs: Ms;
  readonly shutdownMs: Ms;
}

type ChildStatus =
  /** Not started yet, or about to be started again (not before `notBeforeMs` of its ChildState). */
  | { readonly status: 'down' }
  | { readonly status: 'starting'; readonly sinceMs: Ms; readonly deadlineMs: Ms }
  | { readonly status: 'running'; readonly sinceMs: Ms }
  /** Asked to stop. */
  | { readonly status: 'stopping'; readonly sinceMs: Ms; readonly deadlineMs: Ms }
  /** As good as dead; its thread has not been proven to be gone. `overdue`: it should have been by now. */
  | {
      readonly status: 'dying';
      readonly sinceMs: Ms;
      readonly reason: ExitReason;
      readonly deadlineMs: Ms;
      readonly overdue: boolean;
    }
  | { readonly status: 'exited'; readonly reason: ExitReason };

export interface ChildState {
  readonly policy: ChildPolicy;
  /** Lives so far; 0 before the first. */
  readonly incarnation: number;
  readonly goal: 'up' | 'down';
  /** Has to go down once before it may be up. */
  readonly recycle: boolean;
  /** To be taken off the list when it is down. */
  readonly removing: boolean;
  /** Earliest time of the next start. */
  readonly notBeforeMs: Ms | null;
  /** Times of its own restarts within the period, oldest first. */
  readonly restartsMs: readonly Ms[];
  readonly state: ChildStatus;
}

export type Phase = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped' | 'emergency';

export interface SupervisorState {
  readonly strategy: Strategy;
  /** How long a killed thread may take to end [ms]. */
  readonly killMs: Ms;
  readonly phase: Phase;
  readonly children: readonly ChildState[];
}

export type Input =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'kill-all' }
  | { readonly type: 'add'; readonly policy: ChildPolicy }
  | { readonly type: 'remove'; readonly id: string }
  | { readonly type: 'restart'; readonly id: string }
  | { readonly type: 'ready'; readonly id: string; readonly incarnation: number }
  /** It is ending or stuck; its thread may still be there. */
  | { readonly type: 'dying'; readonly id: string; readonly incarnation: number; readonly reason: ExitReason }
  /** Its thread is gone. */
  | { readonly type: 'exited'; readonly id: string; readonly incarnation: number; readonly reason: ExitReason }
  /** Time has passed: due at {@link nextDeadlineMs}. */
  | { readonly type: 'tick' };

export type Effect =
  | { readonly type: 'start'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'ask'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'kill'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'forget'; readonly id: string }
  | { readonly type: 'event'; readonly event: SupervisorEvent };

/** A supervisor that has not been started. Throws ActorError HB_ACTOR_SPEC when two children have one id. */
export function initialState(strategy: Strategy, killMs: Ms, policies: readonly ChildPolicy[]): SupervisorState {
  const ids = new Set<string>();
  for (const { id } of policies) {
    if (ids.has(id)) throw new ActorError('HB_ACTOR_SPEC', `two children are called "${id}"`, { actor: id });
    ids.add(id);
  }
  return { strategy, killMs, phase: 'idle', children: policies.map((policy) => newChild(policy, 'down')) };
}

/** The next instant at which a `tick` changes something; null when only other inputs do. */
export function nextDeadlineMs(state: SupervisorState): Ms | null {
  let next = Number.POSITIVE_INFINITY;
  for (const child of state.children) {
    const { state: at } = child;
    if (at.status === 'starting' || at.status === 'stopping') next = Math.min(next, at.deadlineMs);
    else if (at.status === 'dying' && !at.overdue) next = Math.min(next, at.deadlineMs);
    else if (isDown(child) && child.goal === 'up' && child.notBeforeMs !== null)
      next = Math.min(next, child.notBeforeMs);
  }
  return Number.isFinite(next) ? ms(next) : null;
}

/** One step. Inputs about another incarnation than the present one, or about unknown children, change nothing. */
export function step(state: SupervisorState, input: Input, nowMs: Ms): readonly [SupervisorState, readonly Effect[]] {
  const round = new Round(state, nowMs);
  round.take(input);
  round.settle();
  return round.result();
}

/** Whether its thread may exist. */
export function isAlive(child: ChildState): boolean {
  return !isDown(child);
}

function isDown(child: ChildState): boolean {
  return child.state.status === 'down' || child.state.status === 'exited';
}

function newChild(policy: ChildPolicy, goal: 'up' | 'down'): ChildState {
  return {
    policy,
    incarnation: 0,
    goal,
    recycle: false,
    removing: false,
    notBeforeMs: null,
    restartsMs: [],
    state: { status: 'down' },
  };
}

/** The work of one step on its own copy of the state. */
class Round {
  readonly #nowMs: Ms;
  readonly #strategy: Strategy;
  readonly #killMs: Ms;
  readonly #effects: Effect[] = [];
  #children: ChildState[];
  #phase: Phase;

  constructor(state: SupervisorState, nowMs: Ms) {
    this.#nowMs = nowMs;
    this.#strategy = state.strategy;
    this.#killMs = state.killMs;
    this.#children = [...state.children];
    this.#phase = state.phase;
  }

  result(): readonly [SupervisorState, readonly Effect[]] {
    const state = { strategy: this.#strategy, killMs: this.#killMs, phase: this.#phase, children: this.#children };
    return [state, this.#emergencyFirst()];
  }

  /**
   * An emergency is told before anything is killed, since its owner may end the process in one step: the death of a single thread has its own
   * dangers (one that is ended inside a native callback takes the process along, without a word).
   */
  #emergencyFirst(): readonly Effect[] {
    if (!this.#effects.some((effect) => effect.type === 'event' && effect.event.type === 'emergency'))
      return this.#effects;
    const kills = this.#effects.filter((effect) => effect.type === 'kill');
    return [...this.#effects.filter((effect) => effect.type !== 'kill'), ...kills];
  }

  take(input: Input): void {
    switch (input.type) {
      case 'start':
        if (this.#phase !== 'idle' && this.#phase !== 'stopped') return;
        this.#phase = 'starting';
        for (const child of this.#children) {
          this.#set(child, { goal: 'up', restartsMs: [], notBeforeMs: null });
        }
        return;
      case 'stop':
        if (this.#phase !== 'stopped') this.#stopAll();
        return;
      case 'kill-all':
        this.#phase = 'emergency';
        for (const child of this.#children) {
          this.#set(child, { goal: 'down' });
          this.#kill(child.policy.id, { type: 'killed' });
        }
        return;
      case 'add':
        this.#children.push(
          newChild(input.policy, this.#phase === 'starting' || this.#phase === 'running' ? 'up' : 'down'),
        );
        return;
      case 'remove':
        this.#update(input.id, { goal: 'down', removing: true });
        return;
      case 'restart':
        if (this.#phase === 'running') this.#update(input.id, { goal: 'up', recycle: true, notBeforeMs: null });
        return;
      case 'ready':
        this.#onReady(input.id, input.incarnation);
        return;
      case 'dying':
        this.#onDying(input.id, input.incarnation, input.reason);
        return;
      case 'exited':
        this.#onExited(input.id, input.incarnation, input.reason);
        return;
      case 'tick':
        for (const { policy } of this.#children) this.#onTime(policy.id);
    }
  }

  /** Does what can be done now towards every child's goal. */
  settle(): void {
    for (const child of this.#children) {
      if (isDown(child) && child.recycle) this.#set(child, { recycle: false });
    }
    for (const child of this.#children) {
      if (!isDown(child) || !child.removing) continue;
      this.#children = this.#children.filter((other) => other !== child);
      this.#effects.push({ type: 'forget', id: child.policy.id });
      this.#event({ type: 'removed', id: child.policy.id, atMs: this.#nowMs });
    }
    if (this.#phase === 'stopping') this.#settleStops(true);
    else if (this.#phase === 'running' || this.#phase === 'starting') this.#settleGoals();
    this.#settlePhase();
  }

  #settleGoals(): void {
    // Children of one_for_one have nothing to do with each other, except for the order of the first start.
    const inOrder = this.#phase === 'starting' || this.#strategy !== 'one_for_one';
    const stopsLeft = this.#settleStops(inOrder);
    for (const child of this.#children) {
      if (inOrder && (stopsLeft || this.#children.some((other) => other.state.status === 'starting'))) return;
      if (!isDown(child) || child.goal === 'down') continue;
      if (child.notBeforeMs !== null && child.notBeforeMs > this.#nowMs) continue;
      this.#start(child);
    }
  }

  /** Asks those that have to go down, the last first; in order: one at a time. Returns whether somebody is still going down. */
  #settleStops(inOrder: boolean): boolean {
    for (const { policy } of this.#children.toReversed()) {
      if (inOrder && this.#children.some(isGoingDown)) return true;
      const child = this.#find(policy.id);
      if (child === undefined || (child.goal === 'up' && !child.recycle)) continue;
      if (child.state.status === 'starting' || child.state.status === 'running') this.#ask(child);
    }
    return this.#children.some(isGoingDown);
  }

  #settlePhase(): void {
    if (this.#phase === 'starting') {
      if (this.#children.some((child) => isGoingDown(child) || child.state.status === 'starting' || isUnstarted(child)))
        return;
      this.#phase = 'running';
      this.#event({ type: 'started', atMs: this.#nowMs });
    } else if (this.#phase === 'stopping' || (this.#phase === 'emergency' && this.#children.every(isOnItsWay))) {
      if (this.#children.some((child) => isAlive(child) && !isSurvivor(child))) return;
      this.#phase = 'stopped';
      const survivors = this.#children.filter(isSurvivor).map((child) => child.policy.id);
      this.#event({ type: 'stopped', survivors, atMs: this.#nowMs });
    }
  }

  #onReady(id: string, incarnation: number): void {
    const child = this.#current(id, incarnation);
    if (child?.state.status !== 'starting') return;
    const tookMs = ms(this.#nowMs - child.state.sinceMs);
    this.#set(child, { state: { status: 'running', sinceMs: child.state.sinceMs } });
    this.#event({ type: 'ready', id, incarnation, tookMs, atMs: this.#nowMs });
  }

  #onDying(id: string, incarnation: number, reason: ExitReason): void {
    const child = this.#current(id, incarnation);
    if (child === undefined || isDown(child) || child.state.status === 'dying') return;
    const expected = child.state.status === 'stopping';
    this.#kill(id, reason);
    if (expected) return;
    this.#event({ type: 'dying', id, incarnation, reason, atMs: this.#nowMs });
    this.#judge(id, reason, child.state.status === 'starting');
  }

  #onExited(id: string, incarnation: number, reason: ExitReason): void {
    const child = this.#current(id, incarnation);
    if (child === undefined || isDown(child)) return;
    const { state: before } = child;
    const known = before.status === 'dying' ? before.reason : reason;
    const sinceMs = before.status === 'down' || before.status === 'exited' ? this.#nowMs : before.sinceMs;
    this.#set(child, { state: { status: 'exited', reason: known } });
    const livedMs = ms(this.#nowMs - sinceMs);
    this.#event({ type: 'exited', id, incarnation, reason: known, livedMs, atMs: this.#nowMs });
    if (before.status === 'starting' || before.status === 'running')
      this.#judge(id, known, before.status === 'starting');
  }

  #onTime(id: string): void {
    const child = this.#find(id);
    if (child === undefined) return;
    const { state: at, incarnation, policy } = child;
    if (at.status === 'starting' && at.deadlineMs <= this.#nowMs) {
      const message = `${id} was not ready within ${policy.startMs} ms`;
      const error = new ActorError('HB_ACTOR_START_TIMEOUT', message, { actor: id, startMs: policy.startMs });
      this.#onDying(id, incarnation, { type: 'crashed', error });
    } else if (at.status === 'stopping' && at.deadlineMs <= this.#nowMs) {
      this.#kill(id, { type: 'killed' });
    } else if (at.status === 'dying' && !at.overdue && at.deadlineMs <= this.#nowMs) {
      this.#set(child, { state: { ...at, overdue: true } });
      this.#event({ type: 'kill-overdue', id, incarnation, atMs: this.#nowMs });
      // A successor beside a former self that may still act would be two actors in one role.
      if (child.goal === 'up' && (this.#phase === 'running' || this.#phase === 'starting')) {
        this.#set(this.#find(id) ?? child, { goal: 'down' });
        if (policy.whenGivenUp === 'emergency-shutdown') this.#emergency(id, 'unkillable', at.reason);
      }
    }
  }

  /** Decides what an unwanted end means. */
  #judge(id: string, reason: ExitReason, whileStarting: boolean): void {
    const child = this.#find(id);
    if (child === undefined || (this.#phase !== 'running' && this.#phase !== 'starting')) return;
    // It was on the way out anyway (removed, or to be restarted): the engine goes on with its goal.
    if (child.goal === 'down' || child.recycle) return;
    const { policy } = child;
    if (policy.onDeath === 'emergency-shutdown') {
      this.#escalate(id, 'death', reason, whileStarting);
    } else if (policy.onDeath === 'ignore' || !deservesRestart(policy, reason)) {
      this.#set(child, { goal: 'down' });
      if (policy.significant && isOrderly(reason)) {
        this.#event({ type: 'auto-shutdown', id, atMs: this.#nowMs });
        this.#stopAll();
      }
    } else {
      this.#restart(child, reason, whileStarting);
    }
  }

  #restart(child: ChildState, reason: ExitReason, whileStarting: boolean): void {
    const { policy } = child;
    const { maxRestarts, periodMs } = policy.intensity;
    const recent = child.restartsMs.filter((atMs) => this.#nowMs - atMs < periodMs);
    if (recent.length >= maxRestarts) {
      this.#set(child, { goal: 'down', restartsMs: recent });
      this.#event({ type: 'given-up', id: policy.id, reason, restarts: recent.length, atMs: this.#nowMs });
      if (policy.whenGivenUp === 'emergency-shutdown') this.#escalate(policy.id, 'given-up', reason, whileStarting);
      return;
    }
    const siblings = this.#siblingsOf(policy.id);
    this.#event({
      type: 'restarting',
      id: policy.id,
      attempt: recent.length + 1,
      delayMs: policy.restartDelayMs,
      siblings: siblings.map((sibling) => sibling.policy.id),
      atMs: this.#nowMs,
    });
    const notBeforeMs = policy.restartDelayMs > 0 ? ms(this.#nowMs + policy.restartDelayMs) : null;
    this.#set(child, { restartsMs: [...recent, this.#nowMs], notBeforeMs });
    for (const sibling of siblings) {
      this.#set(sibling, sibling.policy.restart === 'temporary' ? { goal: 'down' } : { recycle: true });
    }
  }

  /** Those that go down and up with a child; only what is alive and wanted. */
  #siblingsOf(id: string): readonly ChildState[] {
    if (this.#strategy === 'one_for_one') return [];
    const index = this.#children.findIndex((child) => child.policy.id === id);
    const first = this.#strategy === 'one_for_all' ? 0 : index + 1;
    return this.#children.filter((child, i) => i >= first && i !== index && isAlive(child) && child.goal === 'up');
  }

  /** An end that cannot be mended: in the first start it takes the start back, later control is lost. */
  #escalate(id: string, cause: EmergencyCause, reason: ExitReason, whileStarting: boolean): void {
    if (this.#phase === 'starting' && whileStarting) {
      this.#event({ type: 'start-failed', id, reason, atMs: this.#nowMs });
      this.#stopAll();
    } else {
      this.#emergency(id, cause, reason);
    }
  }

  #emergency(id: string, cause: EmergencyCause, reason: ExitReason): void {
    this.#phase = 'emergency';
    this.#event({ type: 'emergency', id, cause, reason, atMs: this.#nowMs });
  }

  #stopAll(): void {
    this.#phase = 'stopping';
    for (const child of this.#children) this.#set(child, { goal: 'down' });
  }

  #start(child: ChildState): void {
    const { id, startMs } = child.policy;
    const incarnation = child.incarnation + 1;
    const deadlineMs = ms(this.#nowMs + startMs);
    this.#set(child, {
      incarnation,
      notBeforeMs: null,
      state: { status: 'starting', sinceMs: this.#nowMs, deadlineMs },
    });
    this.#effects.push({ type: 'start', id, incarnation });
    this.#event({ type: 'starting', id, incarnation, atMs: this.#nowMs });
  }

  #ask(child: ChildState): void {
    const { id, shutdownMs } = child.policy;
    const { incarnation, state: at } = child;
    if (at.status !== 'starting' && at.status !== 'running') return;
    this.#event({ type: 'stopping', id, incarnation, atMs: this.#nowMs });
    if (shutdownMs <= 0) {
      this.#kill(id, { type: 'killed' });
      return;
    }
    const deadlineMs = ms(this.#nowMs + shutdownMs);
    this.#set(child, { state: { status: 'stopping', sinceMs: at.sinceMs, deadlineMs } });
    this.#effects.push({ type: 'ask', id, incarnation });
  }

  #kill(id: string, reason: ExitReason): void {
    const child = this.#find(id);
    if (child === undefined) return;
    const { state: at } = child;
    if (at.status === 'down' || at.status === 'exited' || at.status === 'dying') return;
    const deadlineMs = ms(this.#nowMs + this.#killMs);
    this.#set(child, { state: { status: 'dying', sinceMs: at.sinceMs, reason, deadlineMs, overdue: false } });
    this.#effects.push({ type: 'kill', id, incarnation: child.incarnation });
  }

  #event(event: SupervisorEvent): void {
    this.#effects.push({ type: 'event', event });
  }

  #find(id: string): ChildState | undefined {
    return this.#children.find((child) => child.policy.id === id);
  }

  #current(id: string, incarnation: number): ChildState | undefined {
    const child = this.#find(id);
    return child?.incarnation === incarnation ? child : undefined;
  }

  #update(id: string, change: Partial<ChildState>): void {
    const child = this.#find(id);
    if (child !== undefined) this.#set(child, change);
  }

  #set(child: ChildState, change: Partial<ChildState>): void {
    this.#children = this.#children.map((other) =>
      other.policy.id === child.policy.id ? { ...other, ...change } : other,
    );
  }
}

/** Wanted, down, and free to start at once. */
function isUnstarted(child: ChildState): boolean {
  return child.goal === 'up' && isDown(child) && child.notBeforeMs === null;
}

function isGoingDown(child: ChildState): boolean {
  return child.state.status === 'stopping' || (child.state.status === 'dying' && !child.state.overdue);
}

function isSurvivor(child: ChildState): boolean {
  return child.state.status === 'dying' && child.state.overdue;
}

/** Down, or being killed. */
function isOnItsWay(child: ChildState): boolean {
  return isDown(child) || child.state.status === 'dying';
}

/** The child came to its end in good order: by its own will or when asked. */
function isOrderly(reason: ExitReason): boolean {
  return reason.type === 'normal' || reason.type === 'shutdown' || (reason.type === 'exited' && reason.exitCode === 0);
}

function deservesRestart(policy: ChildPolicy, reason: ExitReason): boolean {
  if (policy.restart === 'permanent') return true;
  return policy.restart === 'transient' && !isOrderly(reason);
}
