/**
 * Fencing: a node that fell silent while it may hold resources is switched off before anybody takes them.
 *
 * ```ts
 * const state = initialFencing(devices.map(({ id, targets }) => ({ id, targets })));
 * const effects = step(state, { type: 'fence', node, wasHeard: true }, clock.now()); // carry them out, in order
 * const wakeMs = nextDeadlineMs(state); // then: step(state, { type: 'timer' }, clock.now())
 * ```
 *
 * The devices are tried in the order of the configuration; when none has succeeded, all of them again after {@link RETRY_MS}, for as long as it
 * takes. The end is one of three: a device says that it is done, an operator does (`confirm`), or there is nothing left to fence (`cancel`:
 * the node is heard again, or we leave).
 *
 * @see resources.md sections 5 and 11; log lines that exist in Heartbeat are its own, word for word
 */
import { assertNever, type Ms, ms, type NodeName } from '../../runtime/units.ts';
import type {
  CancelReason,
  DeviceInfo,
  FencingEffect,
  FencingInput,
  FencingState,
  OperationOutcome,
  Pending,
} from './types.ts';

/** Pause before the devices are tried again [ms]: Heartbeat's constant. */
export const RETRY_MS = 5_000;
/** How often the devices are asked whether they work [ms]: Heartbeat's hour. */
export const CHECK_MS = 3_600_000;
/** How soon a device that did not work is asked again [ms]: somebody may be repairing it. */
export const RECHECK_MS = 300_000;
/** What Heartbeat's fencing child ends with when its device does not control the node. */
const BAD_HOST_CODE = 100;

/** @param devices in the order in which they are tried */
export function initialFencing(devices: readonly DeviceInfo[]): FencingState {
  return {
    devices,
    health: devices.map(() => ({ status: 'unknown', checkedMs: null })),
    pending: null,
    checking: null,
    unchecked: [],
    nextCheckMs: null,
    nextOperation: 1,
  };
}

/** When `timer` is due [ms, monotonic]; null: there is nothing to wait for. */
export function nextDeadlineMs(state: FencingState): Ms | null {
  const retryMs = state.pending?.retryMs ?? null;
  // While a node is being fenced, the devices are not asked for anything else.
  const checkMs = state.pending === null ? state.nextCheckMs : null;
  if (retryMs === null || checkMs === null) return retryMs ?? checkMs;
  return ms(Math.min(retryMs, checkMs));
}

/** Takes one input. The state is changed in place; the effects are to be carried out in their order. @param nowMs monotonic [ms] */
export function step(state: FencingState, input: FencingInput, nowMs: Ms): readonly FencingEffect[] {
  const round = new Round(state, nowMs);
  round.take(input);
  return round.effects;
}

class Round {
  readonly effects: FencingEffect[] = [];
  readonly #state: FencingState;
  readonly #nowMs: Ms;

  constructor(state: FencingState, nowMs: Ms) {
    this.#state = state;
    this.#nowMs = nowMs;
  }

  take(input: FencingInput): void {
    switch (input.type) {
      case 'comm-up':
        if (this.#state.nextCheckMs === null && this.#state.devices.length > 0) this.#checkAll();
        return;
      case 'fence':
        this.#fence(input.node, input.wasHeard);
        return;
      case 'cancel':
        this.#cancel(input.why);
        return;
      case 'confirm':
        this.#confirm(input.node);
        return;
      case 'ended':
        this.#ended(input.operation, input.outcome);
        return;
      case 'timer':
        this.#timer();
        return;
      default:
        assertNever(input);
    }
  }

  #fence(node: NodeName, wasHeard: boolean): void {
    if (this.#state.pending !== null) return;
    this.#abortCheck();
    const pending: Pending = {
      node,
      wasHeard,
      sinceMs: this.#nowMs,
      untried: [],
      running: null,
      retryMs: null,
      failures: 0,
      lastFailure: null,
      toldWhatToDo: false,
    };
    this.#state.pending = pending;
    if (!wasHeard) {
      this.#log(
        'WARN',
        `node ${node} was never heard since this node started: it may hold resources all the same, so it is reset before anything is taken.`,
      );
    }
    this.#event({ event: 'fencing.begun', node });
    this.#beginRound(pending);
  }

  #beginRound(pending: Pending): void {
    pending.retryMs = null;
    pending.untried = this.#state.devices.map((_, index) => index);
    this.#tryNext(pending);
  }

  #tryNext(pending: Pending): void {
    for (let device = pending.untried.shift(); device !== undefined; device = pending.untried.shift()) {
      const info = this.#state.devices[device];
      if (info === undefined) continue;
      if (info.targets !== null && !info.targets.includes(pending.node)) continue;
      const operation = this.#state.nextOperation++;
      pending.running = { operation, device };
      this.#log('info', `Resetting node ${pending.node} with [${info.id}]`);
      this.effects.push({ type: 'run', operation, device, action: 'reset', node: pending.node });
      return;
    }
    this.#roundFailed(pending);
  }

  /** No device has done it. */
  #roundFailed(pending: Pending): void {
    const { node } = pending;
    if (pending.failures === 0) {
      // Every device names its targets, and none of them this node.
      this.#log('ERROR', `No STONITH device can reset host ${node}.`);
      this.effects.push({ type: 'tell', node, result: 'badhost' });
    }
    this.#log('ERROR', `STONITH of ${node} failed.  Retrying...`);
    if (!pending.toldWhatToDo) {
      pending.toldWhatToDo = true;
      this.#log(
        'CRIT',
        `The resources of ${node} are not taken before it is reset. If ${node} is certainly switched off, say so with: systole fence-confirm ${node}`,
      );
    }
    pending.retryMs = ms(this.#nowMs + RETRY_MS);
  }

  #ended(operation: number, outcome: OperationOutcome): void {
    const { pending, checking } = this.#state;
    if (pending?.running?.operation === operation) this.#resetEnded(pending, pending.running.device, outcome);
    else if (checking?.operation === operation) this.#checkEnded(checking.device, outcome);
  }

  #resetEnded(pending: Pending, device: number, outcome: OperationOutcome): void {
    const { node } = pending;
    const id = this.#idOf(device);
    const process = `Managed STONITH ${node} process ${outcome.pid ?? '(not started)'} exited with return code`;
    pending.running = null;
    if (outcome.verdict !== 'bad-host') this.#setHealth(device, outcome.verdict === 'ok' ? 'ok' : 'failed');
    if (outcome.verdict === 'ok') {
      this.#log('info', `node ${node} now reset.`);
      this.#log('info', `${process} 0.`);
      this.effects.push({ type: 'tell', node, result: 'OK' });
      this.#done(pending, 'device');
      return;
    }
    this.#remark(id, outcome);
    pending.failures += 1;
    pending.lastFailure = { device: id, atMs: this.#nowMs };
    if (outcome.verdict === 'bad-host') this.#log('ERROR', `Device ${id} cannot reset host ${node}.`);
    else this.#log('ERROR', `Host ${node} not reset!`);
    this.#log('WARN', `${process} ${outcome.verdict === 'bad-host' ? BAD_HOST_CODE : 1}.`);
    this.effects.push({ type: 'tell', node, result: outcome.verdict === 'bad-host' ? 'badhost' : 'bad' });
    this.#event({ event: 'fencing.failed', node, device: id });
    this.#tryNext(pending);
  }

  #confirm(node: NodeName): void {
    const { pending } = this.#state;
    if (pending === null || pending.node !== node) return;
    if (pending.running !== null) this.effects.push({ type: 'abort', operation: pending.running.operation });
    this.#log(
      'CRIT',
      `The operator has confirmed that node ${node} is switched off: its resources are taken on that word alone.`,
    );
    this.effects.push({ type: 'tell', node, result: 'OK' });
    this.#done(pending, 'operator');
  }

  #done(pending: Pending, by: 'device' | 'operator'): void {
    this.#state.pending = null;
    this.#event({ event: 'fencing.ended', node: pending.node, by });
    this.effects.push({ type: 'fenced', node: pending.node, by });
    this.#checkNext();
  }

  #cancel(why: CancelReason): void {
    const { pending } = this.#state;
    if (pending === null) return;
    this.#state.pending = null;
    const { node, running } = pending;
    this.#log(why === 'leaving' ? 'info' : 'WARN', `STONITH of ${node} cancelled: ${cancelText(why, node)}.`);
    // When we leave, a reset that is under way goes on: broken off in the middle it could leave the machine switched off.
    if (running !== null && why !== 'leaving') this.effects.push({ type: 'abort', operation: running.operation });
    this.#event({ event: 'fencing.cancelled', node, why });
    if (why !== 'leaving') this.#checkNext();
  }

  #checkAll(): void {
    this.#state.nextCheckMs = ms(this.#nowMs + CHECK_MS);
    this.#state.unchecked = this.#state.devices.map((_, index) => index);
    this.#checkNext();
  }

  #checkNext(): void {
    const state = this.#state;
    if (state.pending !== null || state.checking !== null) return;
    const device = state.unchecked.shift();
    if (device === undefined) return;
    const operation = state.nextOperation++;
    state.checking = { operation, device };
    this.#log('info', `Checking status of STONITH device [${this.#idOf(device)}]`);
    this.effects.push({ type: 'run', operation, device, action: 'status', node: null });
  }

  /** A reset goes before a check: the device may accept one connection only. */
  #abortCheck(): void {
    const state = this.#state;
    if (state.checking === null) return;
    this.effects.push({ type: 'abort', operation: state.checking.operation });
    state.unchecked.unshift(state.checking.device);
    state.checking = null;
  }

  #checkEnded(device: number, outcome: OperationOutcome): void {
    const state = this.#state;
    state.checking = null;
    const id = this.#idOf(device);
    const process = `Managed STONITH-stat process ${outcome.pid ?? '(not started)'} exited with return code`;
    const works = outcome.verdict === 'ok';
    if (works) this.#log('info', `${process} 0.`);
    else {
      this.#remark(id, outcome);
      this.#log('ERROR', `STONITH device ${id} not operational!`);
      this.#log('WARN', `${process} 1.`);
      this.#log('ERROR', 'STONITH status operation failed.');
      this.#log('info', 'This may mean that the STONITH device has failed!');
      state.nextCheckMs = ms(Math.min(state.nextCheckMs ?? Number.MAX_VALUE, this.#nowMs + RECHECK_MS));
    }
    if (state.health[device]?.status !== (works ? 'ok' : 'failed'))
      this.#event({ event: works ? 'fencing.device-ok' : 'fencing.device-failed', device: id });
    this.#setHealth(device, works ? 'ok' : 'failed');
    this.#checkNext();
  }

  #timer(): void {
    const { pending, nextCheckMs } = this.#state;
    if (pending !== null) {
      if (pending.retryMs !== null && pending.retryMs <= this.#nowMs) this.#beginRound(pending);
      return;
    }
    if (nextCheckMs !== null && nextCheckMs <= this.#nowMs) this.#checkAll();
  }

  #setHealth(device: number, status: 'ok' | 'failed'): void {
    const health = this.#state.health[device];
    if (health !== undefined) Object.assign(health, { status, checkedMs: this.#nowMs });
  }

  /** What the device's program had to say about its failure. */
  #remark(id: string, outcome: OperationOutcome): void {
    if (outcome.timedOutMs !== null)
      this.#log('ERROR', `STONITH device [${id}] was not done within ${outcome.timedOutMs} ms and was stopped.`);
    if (outcome.remark !== '') this.#log('info', `STONITH device [${id}]: ${outcome.remark}`);
  }

  #idOf(device: number): string {
    return this.#state.devices[device]?.id ?? '';
  }

  #log(severity: Extract<FencingEffect, { type: 'log' }>['severity'], text: string): void {
    this.effects.push({ type: 'log', severity, text });
  }

  #event(happening: Extract<FencingEffect, { type: 'event' }>['happening']): void {
    this.effects.push({ type: 'event', happening, atMs: this.#nowMs });
  }
}

function cancelText(why: CancelReason, node: NodeName): string {
  switch (why) {
    case 'returned':
      return `${node} is heard again`;
    case 'left':
      return `${node} has released everything and leaves`;
    case 'leaving':
      return 'this node is shutting down';
    default:
      return assertNever(why);
  }
}
