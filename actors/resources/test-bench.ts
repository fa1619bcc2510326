/**
 * Tools for the tests of the resource core: settings, one core driven by hand, and two cores in a simulated cluster.
 */
import type { GroupSpec, ResourceSpec } from '../../conf/settings.ts';
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import { ms, nodeName } from '../../runtime/units.ts';
import { initialResources, nextDeadlineMs, step } from './core.ts';
import type { GroupOutcome, ResourcesConfig, ResourcesEffect, ResourcesInput, ResourcesState } from './types.ts';

export const n1 = nodeName('node1');
export const n2 = nodeName('node2');

/** One group from its haresources line, `node1 10.0.0.1 svc::a`. */
export function group(line: string): GroupSpec {
  const [owner = '', ...words] = line.split(' ');
  const resources = words.map((word): ResourceSpec => {
    const [script = '', ...args] = word.split('::');
    return { word, script, args };
  });
  return { key: words[0] ?? '', owner: nodeName(owner), resources, place: { file: 'haresources', line: 1, column: 1 } };
}

export function config(options: Partial<ResourcesConfig> = {}): ResourcesConfig {
  return {
    self: n1,
    nodes: [
      { name: n1, type: 'normal' },
      { name: n2, type: 'normal' },
    ],
    groups: [group('node1 web'), group('node2 db')],
    autoFailback: 'on',
    configDir: '/etc/ha.d',
    ...options,
  };
}

/** A message as one line: `resource rsc_hold=local rtype=full isstable=1`. */
function messageText(fields: FieldList): string {
  return fields.map(([name, , value]) => (name === 't' ? String(value) : `${name}=${String(value)}`)).join(' ');
}

/** The inverse of {@link messageText}. */
export function messageFields(text: string): FieldList {
  const [type = '', ...rest] = text.split(' ');
  return [
    field('t', type),
    ...rest.map((word) => field(word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1))),
  ];
}

/** One core, fed line by line; what comes out is written down as lines. */
export class CoreBench {
  readonly state: ResourcesState;
  readonly effects: ResourcesEffect[] = [];
  nowMs = 0;

  constructor(options: Partial<ResourcesConfig> = {}) {
    this.state = initialResources(config(options));
  }

  /** @returns the effects of this input as lines: `log …`, `send …`, `acquire why keys`, `release why keys`, `released` */
  feed(input: ResourcesInput): readonly string[] {
    const effects = step(this.state, input, ms(this.nowMs));
    this.effects.push(...effects);
    return linesOf(effects);
  }

  hear(text: string): readonly string[] {
    const from = this.state.config.self === n1 ? n2 : n1;
    return this.feed({ type: 'message', from, own: false, fields: messageFields(text) });
  }

  hearSelf(text: string): readonly string[] {
    return this.feed({ type: 'message', from: this.state.config.self, own: true, fields: messageFields(text) });
  }

  commUp(...deadNodes: readonly string[]): readonly string[] {
    return this.feed({ type: 'comm-up', deadNodes: deadNodes.map(nodeName) });
  }

  die(wasHeard = true): readonly string[] {
    const node = this.state.other?.name ?? n2;
    return this.feed({
      type: 'node-dead',
      node,
      nodeType: 'normal',
      wasHeard,
      silentMs: ms(6_000),
      limitMs: ms(6_000),
      decidedMs: ms(this.nowMs),
    });
  }

  /** Moves the time and lets the timer fire when it is due. */
  pass(byMs: number): readonly string[] {
    this.nowMs += byMs;
    const due = nextDeadlineMs(this.state);
    return due !== null && due <= this.nowMs ? this.feed({ type: 'timer' }) : [];
  }

  /** Finishes every job that waits, oldest first, until none is left. By default everything works. */
  finish(outcome: (key: string, verb: string) => GroupOutcome = works): readonly string[] {
    const lines: string[] = [];
    for (let job = [...this.state.jobs.values()][0]; job !== undefined; job = [...this.state.jobs.values()][0]) {
      const { id, verb, keys } = job;
      lines.push(...this.feed({ type: 'job-done', job: id, outcomes: keys.map((key) => outcome(key, verb)) }));
    }
    return lines;
  }
}

export const works = (key: string, verb: string): GroupOutcome =>
  verb === 'acquire' || verb === 'restart'
    ? { key, result: 'held' }
    : { key, result: 'released', wasHeld: verb === 'release' };

export function linesOf(effects: readonly ResourcesEffect[]): readonly string[] {
  return effects.flatMap((effect): readonly string[] => {
    switch (effect.type) {
      case 'send':
        return [`send ${messageText(effect.fields)}`];
      case 'log':
        return [
          `log ${effect.tag === undefined ? `${effect.severity}: ` : `${effect.tag.replace('(default)', '')}: `}${effect.text}`,
        ];
      case 'acquire':
      case 'release':
      case 'probe':
      case 'restart':
        return [[effect.type, effect.why, ...effect.keys].join(' ')];
      case 'fence':
        return [`fence ${effect.node}${effect.wasHeard ? '' : ' (never heard)'}`];
      case 'cancel-fencing':
        return [`cancel-fencing ${effect.why}`];
      case 'released':
        return [['released', ...effect.stuck].join(' ')];
      case 'announce':
        return [`announce ${effect.keys.join(' ')}`];
      case 'reboot-required':
        return [`reboot-required ${effect.keys.join(' ')}`];
      default:
        return [];
    }
  });
}

export function typeOf(fields: FieldList): string {
  return getString(fields, 't') ?? '';
}
