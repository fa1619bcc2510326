import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { binaryField, type FieldList, field } from '../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../runtime/units.ts';
import type { MembershipEvent } from '../protocols.ts';
import { hookEnvironment, hookEvent, isOwnScript } from './hooks.core.ts';
import { messageFields } from './test-bench.ts';

const self = nodeName('node1');
const other = nodeName('node2');
const surroundings = {
  environment: { HA_DIR: '/etc/ha.d/', HA_FUNCS: '/etc/ha.d//shellfuncs', HA_debug: '0', PATH: '/bin' },
  configDir: '/etc/ha.d/',
  stateDir: '/var/lib/heartbeat',
  ownStatus: 'active',
  autoFailback: 'on',
} as const;

const message = (text: string): MembershipEvent => ({
  type: 'message',
  from: other,
  own: false,
  fields: messageFields(text),
});

interface Recorded {
  readonly type: string;
  readonly names: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
}

/** What the original gave its event scripts. */
function recorded(scenario: string): readonly Recorded[] {
  const text = readFileSync(new URL(`../../test/corpus/logs/${scenario}/node1.rcenv.txt`, import.meta.url), 'utf8');
  return text
    .split(/^(?==== )/m)
    .filter((part) => part.startsWith('==='))
    .map((part) => {
      const [head = '', ...lines] = part.trimEnd().split('\n');
      const values = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      return { type: head.split(' ')[2] ?? '', names: new Set(Object.keys(values)), values };
    });
}

describe.each([
  ['rc-environment', 'on'],
  ['rc-environment-legacy', 'legacy'],
] as const)('%s', (scenario, autoFailback) => {
  const events = recorded(scenario);

  it('has events', () => {
    expect(events.length).toBeGreaterThan(8);
  });

  it.each(events.map((event, index) => [index, event.type, event] as const))(
    '%i %s: the same event variables',
    (_index, type, { values }) => {
      const standard = [
        'HA_BIN',
        'HA_FIFO',
        'HA_RCDIR',
        'HA_RESOURCEDIR',
        'HA_OSTATUS',
        'HA_NICEFAILBACK',
        'OCF_AGENTS',
      ];
      const own = [
        't',
        'src',
        'st',
        'dt',
        'hg',
        'seq',
        'ts',
        'ttl',
        'ld',
        'protocol',
        'node',
        'ifname',
        'info',
        'ipaddr',
        'dest',
        'ok',
        'weown',
        'rsc_hold',
        'result',
        'foo',
      ];
      const fields: FieldList = own.flatMap((name) => {
        const value = values[`HA_${name}`];
        return value === undefined ? [] : [field(name, value)];
      });
      const environment = hookEnvironment(
        { type, fields },
        { ...surroundings, autoFailback, ownStatus: values.HA_OSTATUS ?? '' },
      );
      for (const name of standard) expect([name, environment[name]]).toEqual([name, values[name]]);
      for (const entry of fields) expect(environment[`HA_${entry[0]}`]).toBe(entry[2]);
    },
  );

  it('calls the same scripts with the same fields for what membership tells', () => {
    for (const { type, values } of events) {
      const event = eventOf(type, values);
      if (event === null) continue;
      const hook = hookEvent(event, self, Number.parseInt(values.HA_ts ?? '0', 16));
      expect(hook?.type).toBe(type);
      for (const [name, , value] of hook?.fields ?? []) expect([name, value]).toEqual([name, values[`HA_${name}`]]);
    }
  });
});

/** The event behind a recorded call. */
function eventOf(type: string, values: Readonly<Record<string, string>>): MembershipEvent | null {
  const node = nodeName(values.HA_node ?? values.HA_src ?? '');
  if (type === 'ifstat')
    return {
      type: 'link-status',
      node,
      link: linkName(values.HA_ifname ?? ''),
      status: values.HA_st === 'up' ? 'up' : 'dead',
    };
  if (type !== 'status') return null;
  if (values.HA_st !== 'dead') return null;
  return {
    type: 'node-dead',
    node,
    nodeType: values.HA_info === 'ping' ? 'ping' : 'normal',
    wasHeard: true,
    silentMs: ms(6_000),
    limitMs: ms(6_000),
    decidedMs: ms(0),
  };
}

describe('hookEvent', () => {
  it.each(['starting', 'resource rsc_hold=all', 'ask_resources rsc_hold=all info=me', 'shutdone st=dead', 'SHUTDONE'])(
    'never calls a script for %s',
    (text) => {
      expect(hookEvent(message(text), self, 0)).toBeNull();
    },
  );

  it.each(['../../bin/sh', '.hidden', 'a/b', 'status.d', '-x', ''])('makes no path of %j', (type) => {
    expect(hookEvent({ type: 'message', from: other, own: false, fields: [field('t', type)] }, self, 0)).toBeNull();
  });

  it('lower-cases the type', () => {
    expect(hookEvent(message('MyMsg foo=bar'), self, 0)?.type).toBe('mymsg');
  });

  it('tells of other nodes only', () => {
    const status = (node: typeof self): MembershipEvent => ({
      type: 'node-status',
      node,
      nodeType: 'normal',
      status: 'up',
      previous: 'init',
      fields: messageFields('status st=up'),
    });
    expect(hookEvent(status(self), self, 0)).toBeNull();
    expect(hookEvent(status(other), self, 0)).toEqual({ type: 'status', fields: messageFields('status st=up') });
  });
});

describe('isOwnScript', () => {
  it.each(['status', 'ip-request', 'ip-request-resp', 'ask_resources', 'hb_takeover'])(
    '%s is done by the engine',
    (type) => {
      expect(isOwnScript(type)).toBe(false);
    },
  );
  it.each(['ifstat', 'stonith', 'mymsg'])('%s is a script’s', (type) => {
    expect(isOwnScript(type)).toBe(true);
  });
});

describe('hookEnvironment', () => {
  it('lets no message set what scripts trust', () => {
    const fields = [
      ...['FUNCS', 'DIR', 'debug', 'RCDIR', 'OSTATUS', 'NICEFAILBACK', 'BIN', 'SBIN_DIR', 'RSCTMP'].map((name) =>
        field(name, 'evil'),
      ),
      field('a=b', 'evil'),
      field('x y', 'evil'),
      field('nul', 'ev\0il'),
      binaryField('uuid', new Uint8Array(16)),
      field('good', 'text $(id)'),
    ];
    const environment = hookEnvironment({ type: 'mymsg', fields }, surroundings);
    expect(Object.values(environment)).not.toContain('evil');
    expect(environment.HA_good).toBe('text $(id)');
    expect(Object.keys(environment).toSorted()).toEqual([
      'HA_BIN',
      'HA_FIFO',
      'HA_NICEFAILBACK',
      'HA_OSTATUS',
      'HA_RCDIR',
      'HA_RESOURCEDIR',
      'HA_good',
      'OCF_AGENTS',
    ]);
  });
});
