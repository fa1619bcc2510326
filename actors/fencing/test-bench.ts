/** One fencing core, driven by hand: inputs in, effects out as lines. */
import { ms, type NodeName, nodeName } from '../../runtime/units.ts';
import { initialFencing, nextDeadlineMs, step } from './fencing.core.ts';
import type { DeviceInfo, FencingEffect, FencingInput, FencingState, OperationOutcome } from './types.ts';

export const n1: NodeName = nodeName('node1');

export const done: OperationOutcome = { verdict: 'ok', exitCode: 0, pid: 4711, remark: '', timedOutMs: null };
export const refused: OperationOutcome = { ...done, verdict: 'failed', exitCode: 5 };
export const strange: OperationOutcome = { ...done, verdict: 'bad-host', exitCode: 4 };

export class FencingBench {
  readonly state: FencingState;
  nowMs = 0;

  /** @param devices `name`, or `name>node1,node2` for a device that names its targets */
  constructor(...devices: readonly string[]) {
    this.state = initialFencing(devices.map(deviceOf));
  }

  feed(input: FencingInput): readonly string[] {
    return step(this.state, input, ms(this.nowMs)).map(lineOf);
  }

  fence(wasHeard = true): readonly string[] {
    return this.feed({ type: 'fence', node: n1, wasHeard });
  }

  /** The newest operation ends. */
  end(outcome: OperationOutcome, operation = this.state.nextOperation - 1): readonly string[] {
    return this.feed({ type: 'ended', operation, outcome });
  }

  /** Moves the time and lets the timer fire when it is due. */
  pass(byMs: number): readonly string[] {
    this.nowMs += byMs;
    const due = nextDeadlineMs(this.state);
    return due !== null && due <= this.nowMs ? this.feed({ type: 'timer' }) : [];
  }
}

function deviceOf(text: string): DeviceInfo {
  const [id = '', targets] = text.split('>');
  return { id, targets: targets === undefined ? null : targets.split(',').map(nodeName) };
}

function lineOf(effect: FencingEffect): string {
  switch (effect.type) {
    case 'log':
      return `log ${effect.severity}: ${effect.text}`;
    case 'run':
      return `run ${effect.device} ${effect.action}${effect.node === null ? '' : ` ${effect.node}`}`;
    case 'abort':
      return `abort ${effect.operation}`;
    case 'tell':
      return `tell ${effect.node} ${effect.result}`;
    case 'event':
      return `event ${effect.happening.event}`;
    case 'fenced':
      return `fenced ${effect.node} by ${effect.by}`;
  }
}
