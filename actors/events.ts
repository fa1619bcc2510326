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
  | { readonly event: 'node.restarted' | 'node.added' | 'node.removed'; readonly node: NodeName }
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
  | { readonly event: 'resource.failed'; readonly group: string; readonly resource: string; readonly failures: number }
  | {
      readonly event: 'address.conflict';
      readonly address: string;
      readonly link: LinkName;
      readonly mac: string | null;
    }
  | { readonly event: 'takeover.begun' | 'takeover.ended'; readonly from: NodeName }
  | { readonly event: 'fencing.begun'; readonly node: NodeName }
  | { readonly event: 'fencing.failed'; readonly node: NodeName; readonly device: string }
  | { readonly event: 'fencing.ended'; readonly node: NodeName; readonly by: 'device' | 'operator' }
  | {
      readonly event: 'fencing.cancelled';
      readonly node: NodeName;
      readonly why: 'returned' | 'left' | 'leaving';
    }
  | { readonly event: 'fencing.device-ok' | 'fencing.device-failed'; readonly device: string }
  | { readonly event: 'holding'; readonly holding: 'none' | 'local' | 'foreign' | 'all' }
  | {
      readonly event: 'actor.started' | 'actor.exited' | 'actor.restarted';
      readonly actor: string;
      readonly reason: string | null;
    }
  | { readonly event: 'emergency'; readonly actor: string; readonly reason: string }
  /** Everything was given up for a stop, but for the groups in `stuck`. */
  | { readonly event: 'released'; readonly stuck: readonly string[] }
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
function describeHappening(happening: Happening): string {
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
    case 'node.added':
      return `node ${happening.node} was added to the cluster`;
    case 'node.removed':
      return `node ${happening.node} was removed from the cluster`;
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
    case 'resource.failed':
      return `resource ${happening.resource} of group ${happening.group} does not run any more`;
    case 'address.conflict':
      return `address ${happening.address} is in use on another machine too${happening.mac === null ? '' : ` (${happening.mac})`}`;
    case 'takeover.begun':
      return `takes over from ${happening.from}`;
    case 'takeover.ended':
      return `takeover from ${happening.from} is complete`;
    case 'fencing.begun':
      return `node ${happening.node} is being fenced: nothing of it is taken before`;
    case 'fencing.failed':
      return `fencing of ${happening.node} by ${happening.device} failed`;
    case 'fencing.ended':
      return `node ${happening.node} is fenced${happening.by === 'operator' ? ', on the word of an operator' : ''}`;
    case 'fencing.cancelled':
      return `fencing of ${happening.node} is cancelled: ${cancelWord[happening.why]}`;
    case 'fencing.device-ok':
      return `fencing device ${happening.device} works`;
    case 'fencing.device-failed':
      return `fencing device ${happening.device} does not work`;
    case 'holding':
      return `holds ${happening.holding}`;
    case 'actor.started':
    case 'actor.exited':
    case 'actor.restarted':
      return `actor ${happening.actor} ${happening.event.slice('actor.'.length)}${happening.reason === null ? '' : `: ${happening.reason}`}`;
    case 'emergency':
      return `emergency shutdown: ${happening.actor}: ${happening.reason}`;
    case 'released':
      return happening.stuck.length === 0
        ? 'all resources are released'
        : `resources are released but ${happening.stuck.join(', ')}, which could not be stopped`;
    case 'stopping':
      return 'stopping: giving up resources';
    case 'stopped':
      return 'stopped';
  }
}

const cancelWord = {
  returned: 'it is heard again',
  left: 'it has released everything',
  leaving: 'this node leaves',
} as const;

const groupWord = {
  'group.starting': 'is being started',
  'group.started': 'is running',
  'group.stopping': 'is being stopped',
  'group.stopped': 'is stopped',
  'group.failed': 'could not be started',
  'group.stuck': 'could not be stopped',
} as const;
