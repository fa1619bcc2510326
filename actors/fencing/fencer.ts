/**
 * Fencing as resources uses it: the core's decisions carried out, with devices run by the guardian.
 *
 * ```ts
 * const fencer = new Fencer({ devices: devicesOf(settings.stonith, settings.nodes), partner, timeoutMs, run, … });
 * fencer.take({ type: 'fence', node, wasHeard: true }); // `fenced` is called when the node is off
 * ```
 *
 * All of it happens in turn with the actor's messages.
 */
import type { AgentResult } from '../../plugins/agents/agent.ts';
import type { Timer } from '../../runtime/clock.ts';
import type { Severity } from '../../runtime/log.ts';
import { assertNever, type Ms, type NodeName } from '../../runtime/units.ts';
import type { Happening } from '../events.ts';
import type { DeviceCommand, FencingDevice } from './device.ts';
import { initialFencing, nextDeadlineMs, step } from './fencing.core.ts';
import type { FencingEffect, FencingInput, FencingState, FencingView, OperationOutcome } from './types.ts';
import { viewFencing } from './view.core.ts';

/** A device that waits for a human gets a day, then it is started anew [ms]. */
const humanMs = 86_400_000;
/** How much of a device's last words goes into the log [characters]. */
const remarkLength = 300;

/** How a program is run: see GuardianClient.run. */
type RunDevice = (
  command: DeviceCommand,
  timeoutMs: number,
  options: { readonly input: string; readonly signal: AbortSignal; started(pid: number): void },
) => Promise<AgentResult & { readonly lost?: boolean }>;

interface FencerOptions {
  readonly devices: readonly FencingDevice[];
  /** The other node: the one whose outlet a status asks for. */
  readonly partner: NodeName | null;
  /** Limit of one operation [ms, > 0]: own directive `stonith_timeout`. */
  readonly timeoutMs: number;
  readonly run: RunDevice;
  now(): Ms;
  /** Runs `fn` at that instant, in turn. */
  at(instantMs: Ms, fn: () => void): Timer;
  /** Runs `fn` in turn, soon. */
  enqueue(fn: () => void): void;
  log(severity: Severity, text: string): void;
  event(happening: Happening, atMs: Ms): void;
  /** Sends the cluster message `stonith`. */
  tell(node: NodeName, result: 'OK' | 'bad' | 'badhost'): void;
  fenced(node: NodeName, by: 'device' | 'operator'): void;
}

export class Fencer {
  readonly #options: FencerOptions;
  readonly #state: FencingState;
  readonly #running = new Map<number, AbortController>();
  #timer: Timer | null = null;

  constructor(options: FencerOptions) {
    this.#options = options;
    this.#state = initialFencing(options.devices.map(({ id, targets }) => ({ id, targets })));
  }

  take(input: FencingInput): void {
    for (const effect of step(this.#state, input, this.#options.now())) this.#perform(effect);
    this.#timer?.cancel();
    const dueMs = nextDeadlineMs(this.#state);
    this.#timer = dueMs === null ? null : this.#options.at(dueMs, () => this.take({ type: 'timer' }));
  }

  view(): FencingView {
    return viewFencing(this.#state, this.#options.now());
  }

  /** The operator's word that a node is off. */
  confirm(name: string): { readonly ok: boolean; readonly text: string } {
    const pending = this.#state.pending;
    const node = name.toLowerCase();
    if (pending?.node !== node) {
      const what = pending === null ? 'no fencing is pending' : `the fencing of ${pending.node} is pending`;
      return { ok: false, text: `${node} is not being fenced: ${what}. Nothing was changed.` };
    }
    this.take({ type: 'confirm', node: pending.node });
    return { ok: true, text: `Taking over from ${node}: you have confirmed that it is switched off.` };
  }

  close(): void {
    this.#timer?.cancel();
  }

  #perform(effect: FencingEffect): void {
    const options = this.#options;
    switch (effect.type) {
      case 'run':
        this.#run(effect);
        return;
      case 'abort':
        this.#running.get(effect.operation)?.abort();
        return;
      case 'log':
        options.log(effect.severity, effect.text);
        return;
      case 'event':
        options.event(effect.happening, effect.atMs);
        return;
      case 'tell':
        options.tell(effect.node, effect.result);
        return;
      case 'fenced':
        options.fenced(effect.node, effect.by);
        return;
      default:
        assertNever(effect);
    }
  }

  #run({ operation, device: index, action, node }: Extract<FencingEffect, { type: 'run' }>): void {
    const { devices, partner, timeoutMs, run, enqueue } = this.#options;
    const device = devices[index];
    const ended = (outcome: OperationOutcome): void => enqueue(() => this.take({ type: 'ended', operation, outcome }));
    const command = device?.command(action, node ?? partner) ?? { problem: 'there is no such device' };
    if (device === undefined || 'problem' in command) {
      const remark = 'problem' in command ? command.problem : '';
      ended({ verdict: 'failed', exitCode: 127, pid: null, remark, timedOutMs: null });
      return;
    }
    const abort = new AbortController();
    this.#running.set(operation, abort);
    let pid: number | null = null;
    const limitMs = device.waitsForHuman && action === 'reset' ? humanMs : timeoutMs;
    const started = (number: number): void => {
      pid = number;
    };
    void run(command, limitMs, { input: command.input, signal: abort.signal, started }).then((result) => {
      this.#running.delete(operation);
      const verdict = result.lost === true ? 'failed' : device.verdict(action, result);
      const { exitCode, timedOut } = result;
      const remark = verdict === 'ok' ? '' : lastWords(device.conceal(result.output));
      ended({ verdict, exitCode, pid, remark, timedOutMs: timedOut ? limitMs : null });
    });
  }
}

/** The last line that says something, cut to a bearable length. */
function lastWords(output: string): string {
  const line = output.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line.length > remarkLength ? `${line.slice(0, remarkLength)}…` : line;
}
