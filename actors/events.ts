/**
 * What happens to a node, as a stream of typed events: one for each change of state, never one for each tick. Log, admin socket, demo,
 * tests and benchmarks read the same events with the same monotonic times.
 */
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import type { NodeStatus } from './protocols.ts';

/** The happening itself. Instants are milliseconds of the monotonic clock of this machine. */
export type Happening =
  | { readonly event: 'comm.up'; readonly deadNodes: readonly NodeName[] }
  | {
      readonly event: 'node.status';
      readonly node: NodeName;
      readonly status: NodeStatus;
      readonly previous: NodeStatus;
    }
  | {
      readonly event: 'node.dead';
      readonly node: NodeName;
      readonly silentMs: Ms;
      readonly limitMs: Ms;
      readonly decidedMs: Ms;
    }
  | { readonly event: 'node.restarted'; readonly node: NodeName }
  | { readonly event: 'partition.healed'; readonly node: NodeName }
  | { readonly event: 'link.up' | 'link.dead'; readonly node: NodeName; readonly link: LinkName }
  | {
      readonly event:
        | 'group.starting'
        | 'group.started'
        | 'group.stopping'
        | 'group.stopped'
        | 'group.failed'
        | 'group.stuck';
      readonly group: string;
    }
  | { readonly event: 'takeover.begun' | 'takeover.ended'; readonly from: NodeName }
  | { readonly event: 'holding'; readonly holding: 'none' | 'local' | 'foreign' | 'all' }
  | {
      readonly event: 'actor.started' | 'actor.exited' | 'actor.restarted';
      readonly actor: string;
      readonly reason: string | null;
    }
  | { readonly event: 'emergency'; readonly actor: string; readonly reason: string }
  | { readonly event: 'stopping' | 'stopped' };

/** One event as subscribers get it. */
export type NodeEvent = Happening & {
  /** When it happened [ms, monotonic]. */
  readonly atMs: Ms;
  /** The same on the wall clock, ISO 8601. */
  readonly time: string;
  /** One line for people. */
  readonly text: string;
};

/** Puts the times and the line for people on a happening. */
export function nodeEvent(happening: Happening, atMs: Ms): NodeEvent {
  return { ...happening, atMs, time: new Date().toISOString(), text: describeHappening(happening) };
}

/** One line for people: what changed. */
export function describeHappening(happening: Happening): string {
  switch (happening.event) {
    case 'comm.up':
      return happening.deadNodes.length === 0
        ? 'communication is up'
        : `communication is up without ${happening.deadNodes.join(', ')}`;
    case 'node.status':
      return `node ${happening.node} is ${happening.status}`;
    case 'node.dead':
      return `node ${happening.node} is dead: silent for ${happening.silentMs.toFixed(1)} ms (limit ${happening.limitMs} ms)`;
    case 'node.restarted':
      return `node ${happening.node} was started again`;
    case 'partition.healed':
      return `node ${happening.node} returns after a partition`;
    case 'link.up':
      return `link ${happening.node}:${happening.link} is up`;
    case 'link.dead':
      return `link ${happening.node}:${happening.link} is dead`;
    case 'group.starting':
    case 'group.started':
    case 'group.stopping':
    case 'group.stopped':
    case 'group.failed':
    case 'group.stuck':
      return `group ${happening.group} ${groupWord[happening.event]}`;
    case 'takeover.begun':
      return `takes over from ${happening.from}`;
    case 'takeover.ended':
      return `takeover from ${happening.from} is complete`;
    case 'holding':
      return `holds ${happening.holding}`;
    case 'actor.started':
    case 'actor.exited':
    case 'actor.restarted':
      return `actor ${happening.actor} ${happening.event.slice('actor.'.length)}${happening.reason === null ? '' : `: ${happening.reason}`}`;
    case 'emergency':
      return `emergency shutdown: ${happening.actor}: ${happening.reason}`;
    case 'stopping':
      return 'stopping: giving up resources';
    case 'stopped':
      return 'stopped';
  }
}

const groupWord = {
  'group.starting': 'is being started',
  'group.started': 'is running',
  'group.stopping': 'is being stopped',
  'group.stopped': 'is stopped',
  'group.failed': 'could not be started',
  'group.stuck': 'could not be stopped',
} as const;
