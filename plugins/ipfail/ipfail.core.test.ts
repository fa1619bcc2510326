import { describe, expect, it, test } from 'vitest';
import type { ResourceStatus } from '../client/events.core.ts';
import { createIpfail, type IpfailEffect, type IpfailInput, type IpfailState, step } from './ipfail.core.ts';

/** One ipfail with the world that it asks about. */
class Bench {
  readonly state: IpfailState;
  readonly effects: IpfailEffect[] = [];
  /** Ping nodes that answer. */
  pingNodes: readonly string[] = ['gw'];
  resources: ResourceStatus = 'local';
  /** Called for what is sent. */
  onSend: (message: string, fields: Readonly<Record<string, string>>) => void = () => undefined;

  constructor(self: 'node1' | 'node2' = 'node1', autoFailback = true) {
    const partner = self === 'node1' ? 'node2' : 'node1';
    this.state = createIpfail({ self, partner, autoFailback, keepaliveMs: 1_000 });
  }

  feed(input: IpfailInput): void {
    for (const effect of step(this.state, input)) {
      this.effects.push(effect);
      if (effect.type === 'count') this.feed({ type: 'counted', purpose: effect.purpose, pingNodes: this.pingNodes });
      if (effect.type === 'get-resources')
        this.feed({ type: 'resources', purpose: effect.purpose, status: this.resources });
      if (effect.type === 'send') this.onSend(effect.message, effect.fields);
    }
  }

  hear(type: string, fields: Readonly<Record<string, string>> = {}, client: string | null = 'ipfail'): void {
    this.feed({ type: 'message', message: { type, from: this.state.config.partner ?? '', client, fields } });
  }

  /** The delay of the newest giveup is over. */
  ring(): void {
    const timer = this.effects.findLast((effect) => effect.type === 'set-timer');
    if (timer?.type === 'set-timer') this.feed({ type: 'timer', id: timer.id });
  }

  sent(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'send' ? [`${effect.message} ${Object.values(effect.fields).join(' ')}`.trim()] : [],
    );
  }

  logged(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'log' && effect.severity === 'info' ? [effect.text] : []));
  }
}

describe('what makes it tell its count', () => {
  test.each<[string, IpfailInput, boolean]>([
    ['a node dies', { type: 'node', node: 'gw', status: 'dead' }, false],
    ['a ping node answers again', { type: 'node', node: 'gw', status: 'ping' }, true],
    ['a node becomes active', { type: 'node', node: 'node2', status: 'active' }, false],
    ['a link dies', { type: 'link', node: 'node2', link: 'eth0', status: 'dead' }, true],
    ['a link comes up', { type: 'link', node: 'node2', link: 'eth0', status: 'up' }, false],
    ['the partner joins', { type: 'client', node: 'node2', status: 'join' }, true],
    ['we join ourselves', { type: 'client', node: 'node1', status: 'join' }, false],
    ['the partner leaves', { type: 'client', node: 'node2', status: 'leave' }, false],
  ])('%s: %o', (_what, input, tells) => {
    const bench = new Bench();
    bench.feed(input);
    expect(bench.sent()).toEqual(tells ? ['num_ping_nodes node1 1'] : []);
  });

  it('says the words of the original in its order', () => {
    const bench = new Bench();
    bench.pingNodes = [];
    bench.feed({ type: 'node', node: 'gw', status: 'dead' });
    bench.feed({ type: 'link', node: 'gw', link: 'gw', status: 'dead' });
    expect(bench.logged()).toEqual([
      'Status update: Node gw now has status dead',
      'NS: We are dead. :<',
      'Link Status update: Link gw/gw now has status dead',
      'We are dead. :<',
      'Asking other side for ping node count.',
    ]);
  });
});

describe('the comparison', () => {
  it('more here: the other one is told', () => {
    const bench = new Bench();
    bench.hear('num_ping_nodes', { num_ping: '0' });
    expect(bench.sent()).toEqual(['you_are_dead']);
  });

  it('fewer here: everything is given up after 2 × keepalive', () => {
    const bench = new Bench();
    bench.hear('num_ping_nodes', { num_ping: '2' });
    expect(bench.effects.at(-1)).toEqual({ type: 'set-timer', id: 1, delayMs: 2_000 });
    expect(bench.logged().at(-1)).toBe('Delayed giveup in 2 seconds.');
    bench.ring();
    expect(bench.sent()).toEqual(['ask_resources all node1 me']);
  });

  it('equal: the other one is told, and with auto_failback what prefers it is given up', () => {
    const bench = new Bench();
    bench.hear('num_ping_nodes', { num_ping: '1' });
    bench.ring();
    expect(bench.sent()).toEqual(['abort_giveup node1', 'ask_resources foreign node1 me']);
  });

  test.each<[string, boolean, ResourceStatus]>([
    ['without auto_failback', false, 'all'],
    ['while resources move', true, 'transition'],
  ])('equal, %s: nothing is given up', (_what, autoFailback, resources) => {
    const bench = new Bench('node1', autoFailback);
    bench.resources = resources;
    bench.hear('num_ping_nodes', { num_ping: '1' });
    expect(bench.effects.some((effect) => effect.type === 'set-timer')).toBe(false);
  });

  it('equal while a giveup waits: it is aborted, and nothing else is given up', () => {
    const bench = new Bench();
    bench.hear('you_are_dead');
    bench.hear('num_ping_nodes', { num_ping: '1' });
    expect(bench.logged().at(-1)).toBe('Aborted delayed giveup (1)');
    bench.ring();
    expect(bench.sent()).toEqual(['abort_giveup node1']);
  });

  test.each([[''], ['many'], [undefined]])('with a count that is none (%s) does nothing', (num) => {
    const bench = new Bench();
    bench.hear('num_ping_nodes', num === undefined ? {} : { num_ping: num });
    expect(bench.effects).toEqual([]);
  });

  it('believes the ipfail of the partner only', () => {
    const bench = new Bench();
    bench.feed({ type: 'message', message: { type: 'you_are_dead', from: 'node3', client: 'ipfail', fields: {} } });
    bench.hear('you_are_dead', {}, null);
    bench.hear('num_ping_nodes', { num_ping: '9' }, 'other');
    expect(bench.effects).toEqual([]);
  });
});

describe('a giveup', () => {
  it('is replaced by a newer one: only that one counts', () => {
    const bench = new Bench();
    bench.hear('you_are_dead');
    bench.hear('you_are_dead');
    bench.feed({ type: 'timer', id: 1 });
    expect(bench.sent()).toEqual([]);
    bench.feed({ type: 'timer', id: 2 });
    expect(bench.sent()).toEqual(['ask_resources all node1 me']);
  });

  it('is called off by the partner, or there is none to call off', () => {
    const bench = new Bench();
    bench.hear('abort_giveup');
    bench.hear('you_are_dead');
    bench.hear('abort_giveup');
    expect(bench.logged()).toEqual([
      'No giveup timer to abort.',
      'Giving up because we were told that we have less ping nodes.',
      'Delayed giveup in 2 seconds.',
      'Aborted delayed giveup (1)',
    ]);
  });

  it('that finds resources in transition asks again 10 s after the partner is stable', () => {
    const bench = new Bench();
    bench.hear('you_are_dead');
    bench.resources = 'transition';
    bench.ring();
    expect(bench.sent()).toEqual([]);
    bench.hear('resource', { isstable: '1', info: 'standby' }, null);
    expect(bench.effects.some((effect) => effect.type === 'pause')).toBe(false);
    bench.hear('resource', { isstable: '1' }, null);
    expect(bench.effects.at(-1)).toEqual({ type: 'pause', delayMs: 10_000 });
    bench.feed({ type: 'settled' });
    expect(bench.sent()).toEqual(['num_ping_nodes node1 1']);
    bench.hear('resource', { isstable: '1' }, null);
    expect(bench.effects.filter((effect) => effect.type === 'pause')).toHaveLength(1);
  });
});

describe('two of them', () => {
  /** Both ends, with the messages between them. */
  function pair(): { one: Bench; two: Bench } {
    const one = new Bench('node1');
    const two = new Bench('node2');
    one.onSend = (message, fields) => message !== 'ask_resources' && two.hear(message, fields);
    two.onSend = (message, fields) => message !== 'ask_resources' && one.hear(message, fields);
    return { one, two };
  }

  it('move everything to the side that sees more, once', () => {
    const { one, two } = pair();
    one.pingNodes = [];
    one.feed({ type: 'node', node: 'gw', status: 'dead' });
    one.feed({ type: 'link', node: 'gw', link: 'gw', status: 'dead' });
    one.ring();
    two.ring();
    expect(one.sent().filter((text) => text.startsWith('ask_resources'))).toEqual(['ask_resources all node1 me']);
    expect(two.sent().filter((text) => text.startsWith('ask_resources'))).toEqual([]);
  });

  it('move nothing when both lose the ping node within the delay', () => {
    const { one, two } = pair();
    one.pingNodes = [];
    one.feed({ type: 'link', node: 'gw', link: 'gw', status: 'dead' });
    expect(one.state.timer).not.toBeNull();
    two.pingNodes = [];
    two.feed({ type: 'link', node: 'gw', link: 'gw', status: 'dead' });
    one.ring();
    expect(one.sent().filter((text) => text.startsWith('ask_resources all'))).toEqual([]);
    expect(two.sent().filter((text) => text.startsWith('ask_resources all'))).toEqual([]);
  });
});
