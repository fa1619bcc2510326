import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatIpv4, ipv4FromNumber, maskOf, parseIpv4 } from '../../runtime/sys/ipv4.ts';
import type { Address, Link, Route } from '../../runtime/sys/netlink.core.ts';
import {
  type AddressSpec,
  chooseInterface,
  dependants,
  FreeLabels,
  findAddress,
  isMachinesOwn,
  parseAddress,
} from './ipaddr.core.ts';

const ip = (text: string) => {
  const address = parseIpv4(text);
  if (address === null) throw new Error(`test needs an address: ${text}`);
  return address;
};

const lo: Link = { index: 1, name: 'lo', flags: 0x49, hardwareType: 772, mac: new Uint8Array(6), mtu: 65_536 };
const eth0: Link = {
  index: 3,
  name: 'eth0',
  flags: 0x1043,
  hardwareType: 1,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1_500,
};
const eth1: Link = { ...eth0, index: 5, name: 'eth1' };
const links = [lo, eth0, eth1];

const entry = (text: string, label: string, more: Partial<Address> = {}): Address => {
  const [address = '', bits = '24'] = text.split('/');
  const link = links.find((candidate) => candidate.name === label.split(':')[0]) ?? eth0;
  return {
    linkIndex: link.index,
    address: ip(address),
    prefixLength: Number(bits),
    broadcast: null,
    label,
    scope: 0,
    secondary: false,
    permanent: true,
    ...more,
  };
};

const route = (text: string, link: Link, metric = 0): Route => {
  const [destination = '', bits = '0'] = text.split('/');
  return { destination: ip(destination), prefixLength: Number(bits), linkIndex: link.index, gateway: null, metric };
};

const base = [route('10.77.0.0/24', eth0), route('10.77.1.0/24', eth1)];
const withDefault = [route('0.0.0.0/0', eth0), ...base];

/** The routes that were in force in each part of the recording, in the order of the kernel's table. */
const routesOf: Readonly<Record<string, readonly Route[]>> = {
  'eth0 10.77.0.1/24, eth1 10.77.1.1/24, no default route': base,
  'default route via 10.77.0.254 dev eth0 (metric 0) added, kept to the end of this part': withDefault,
  'overlapping routes: 10.0.0.0/8 metric 5 dev eth1, 10.77.0.0/24 dev eth0': [
    route('0.0.0.0/0', eth0),
    route('10.0.0.0/8', eth1, 5),
    ...base,
  ],
  'same prefix twice: 172.16.0.0/16 dev eth1 metric 10 and dev eth0 metric 20': [
    ...withDefault,
    route('172.16.0.0/16', eth1, 10),
    route('172.16.0.0/16', eth0, 20),
  ],
  'longer prefix with a worse metric': [
    ...withDefault,
    route('172.16.0.0/16', eth0, 10),
    route('172.16.1.0/24', eth1, 100),
  ],
  'routes (no default): 172.16.0.0/16 eth0 metric 20, 172.16.0.0/16 eth1 metric 10': [
    ...base,
    route('172.16.0.0/16', eth1, 10),
    route('172.16.0.0/16', eth0, 20),
  ],
  'routes (no default): 172.16.0.0/16 eth0 metric 0, 172.16.1.0/24 eth1 metric 100': [
    ...base,
    route('172.16.0.0/16', eth0),
    route('172.16.1.0/24', eth1, 100),
  ],
  'routes (no default): 172.16.0.0/16 eth0 metric 100, 172.16.1.0/24 eth1 metric 0': [
    ...base,
    route('172.16.0.0/16', eth0, 100),
    route('172.16.1.0/24', eth1),
  ],
  'routes (no default): 172.16.0.0/16 eth0, 172.16.1.0/24 eth1, 172.16.1.128/25 eth0, all metric 0': [
    ...base,
    route('172.16.0.0/16', eth0),
    route('172.16.1.0/24', eth1),
    route('172.16.1.128/25', eth0),
  ],
};

interface Recorded {
  readonly part: string;
  readonly ask: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly answer: readonly string[];
}

/** The recording's calls: `--- part`, `$ env A=1 B=2 findif`, lines of output. */
function recordedCalls(): Recorded[] {
  const calls: { part: string; ask: string; variables: Record<string, string>; answer: string[] }[] = [];
  let part = '';
  for (const line of readFileSync(
    new URL('../../test/corpus/ipaddr/interface-choice.txt', import.meta.url),
    'utf8',
  ).split('\n')) {
    if (line.startsWith('--- ')) part = line.slice(4);
    else if (line.startsWith('$ env ')) {
      const variables = Object.fromEntries(
        [...line.matchAll(/OCF_RESKEY_(\w+)=(\S*)/g)].map((match) => [match[1] ?? '', match[2] ?? '']),
      );
      calls.push({
        part,
        ask: line.slice(6).replaceAll('OCF_RESKEY_', '').replace(' findif', ''),
        variables,
        answer: [],
      });
    } else calls.at(-1)?.answer.push(line);
  }
  return calls;
}

/** The same question as a resource word; an interface without a mask has none and is asked as a spec. */
function answerTo({ part, variables }: Recorded): { line: string } | { exitCode: number; message: string } {
  const routes = routesOf[part];
  if (routes === undefined) throw new Error(`no routes for the part "${part}"`);
  const bareDevice = variables.nic !== undefined && variables.cidr_netmask === undefined;
  const word = [variables.ip, variables.cidr_netmask, bareDevice ? undefined : variables.nic, variables.broadcast]
    .filter((one) => one !== undefined)
    .join('/');
  const parsed = parseAddress([word]);
  if (!parsed.ok) return parsed;
  const spec: AddressSpec = bareDevice ? { ...parsed.spec, device: variables.nic ?? null } : parsed.spec;
  const placement = chooseInterface(routes, links, spec);
  if (!placement.ok) return placement;
  return {
    line: `${placement.link.name}\tnetmask ${formatIpv4(maskOf(placement.prefixLength))}\tbroadcast ${formatIpv4(placement.broadcast)}`,
  };
}

describe('interface choice, as recorded', () => {
  // The agent puts a loopback address on loopback, whatever the mask says.
  const differs = (call: Recorded): boolean => call.ask === 'ip=127.0.0.5 cidr_netmask=8';
  const calls = recordedCalls();

  test('the recording was read', () => {
    expect(calls.length).toBeGreaterThanOrEqual(25);
  });

  test.each(calls.filter((call) => !differs(call)).map((call) => [call.ask, call.part, call] as const))(
    '%s (%s)',
    (_ask, _part, call) => {
      const found = answerTo(call);
      const line = call.answer.find((one) => one.includes('\tnetmask '));
      if (line !== undefined) {
        expect(found).toEqual({ line });
        return;
      }
      const exitCode = Number(/\[rc=(\d+)\]/.exec(call.answer.join(' '))?.[1]);
      expect(found).toMatchObject({ exitCode });
      // The recorded program's own words for a bad address or mask are not the agent's.
      if (exitCode === 1) expect(found).toMatchObject({ message: call.answer[0] });
    },
  );

  test('a loopback address goes to loopback with any mask', () => {
    const parsed = parseAddress(['127.0.0.5/8']);
    expect(parsed.ok && chooseInterface(withDefault, links, parsed.spec)).toMatchObject({
      ok: true,
      link: lo,
      prefixLength: 8,
    });
  });
});

describe('resource words', () => {
  const none = { prefixLength: null, device: null, label: null, broadcast: null };

  test.each<[string, Partial<AddressSpec>]>([
    ['10.77.0.200', {}],
    ['10.77.0.200/24', { prefixLength: 24 }],
    ['10.77.0.200/255.255.255.240', { prefixLength: 28 }],
    ['10.77.0.200/24/eth0', { prefixLength: 24, device: 'eth0' }],
    ['10.77.0.200/24/10.77.0.255', { prefixLength: 24, broadcast: ip('10.77.0.255') }],
    ['10.77.0.200/24/eth0/10.77.0.255', { prefixLength: 24, device: 'eth0', broadcast: ip('10.77.0.255') }],
    ['10.77.0.200/24/eth0:web', { prefixLength: 24, device: 'eth0', label: 'eth0:web' }],
    ['10.77.0.200/32/bond0.100/10.77.0.200', { prefixLength: 32, device: 'bond0.100', broadcast: ip('10.77.0.200') }],
  ])('%s', (word, expected) => {
    expect(parseAddress([word])).toEqual({ ok: true, spec: { address: ip('10.77.0.200'), ...none, ...expected } });
  });

  test.each([
    ['foo', 6, 'not an IP address'],
    ['10.77.0.300', 6, 'not an IP address'],
    ['0.0.0.0', 6, 'not an IP address'],
    ['224.0.0.1', 6, 'not an IP address'],
    ['255.255.255.255/24', 6, 'not an IP address'],
    ['', 6, 'mandatory'],
    ['10.77.0.200/33', 6, 'netmask'],
    ['10.77.0.200/0', 6, 'netmask'],
    ['10.77.0.200/', 6, 'netmask'],
    ['10.77.0.200/255.0.255.0', 6, 'netmask'],
    ['10.77.0.200/24/10.77.0.300', 6, 'broadcast'],
    ['10.77.0.200/24/eth0/bcast', 6, 'broadcast'],
    ['10.77.0.200/24/10.77.0.255/eth0', 6, 'too many parts'],
    ['10.77.0.200/24/eth0/10.77.0.255/x', 6, 'too many parts'],
    ['10.77.0.200/24/', 6, 'interface name'],
    ['10.77.0.200/24/eth0:', 6, 'label'],
    ['10.77.0.200/24/eth0:a:b', 6, 'label'],
    ['10.77.0.200/24/eth0:much-too-long', 6, 'label'],
  ])('%o is refused', (word, exitCode, words) => {
    expect(parseAddress([word])).toEqual({ ok: false, exitCode, message: expect.stringContaining(words) });
  });

  test('no word, or more than one', () => {
    expect(parseAddress([])).toMatchObject({ ok: false, exitCode: 6 });
    expect(parseAddress(['10.77.0.200', 'eth0'])).toMatchObject({ ok: false, exitCode: 2 });
  });
});

describe('alias labels', () => {
  test('the first free number of this interface', () => {
    expect(new FreeLabels([]).take('eth0')).toBe('eth0:0');
    expect(
      new FreeLabels([
        entry('10.0.0.1', 'eth0'),
        entry('10.0.0.2', 'eth0:0'),
        entry('10.0.0.3', 'eth0:2'),
        entry('10.0.0.4', 'eth1:1'),
      ]).take('eth0'),
    ).toBe('eth0:1');
  });

  test('each one once, and none that was written', () => {
    const labels = new FreeLabels([entry('10.0.0.2', 'eth0:1')]);
    labels.reserve('eth0:2');
    expect(['eth0', 'eth0', 'eth1', 'eth0'].map((device) => labels.take(device))).toEqual([
      'eth0:0',
      'eth0:3',
      'eth1:0',
      'eth0:4',
    ]);
  });

  test('none when the name leaves no room, or all are taken', () => {
    expect(new FreeLabels([]).take('enx001122334455')).toBeNull();
    const all = Array.from({ length: 512 }, (_one, number) => ({
      ...entry('10.0.0.1', 'eth0'),
      address: ipv4FromNumber(number),
      label: `eth0:${number}`,
    }));
    expect(new FreeLabels(all).take('eth0')).toBeNull();
  });
});

describe('where an address is', () => {
  const parsed = (word: string): AddressSpec => {
    const result = parseAddress([word]);
    if (!result.ok) throw new Error(result.message);
    return result.spec;
  };
  const addresses = [
    entry('127.0.0.1/8', 'lo'),
    entry('192.0.2.7/32', 'lo:0'),
    entry('10.77.0.1', 'eth0'),
    entry('10.77.0.200', 'eth0:0'),
    entry('10.77.1.9', 'eth1'),
  ];

  test.each([
    ['10.77.0.200', 'here'],
    ['10.77.0.200/24/eth0', 'here'],
    ['10.77.0.200/24/eth1', 'elsewhere'],
    ['10.77.0.201', 'absent'],
    ['10.77.1.9', 'here'],
    ['192.0.2.7/24', 'elsewhere'],
    ['192.0.2.7/32/lo', 'here'],
    ['127.0.0.1', 'here'],
  ])('%s is %s', (word, kind) => {
    expect(findAddress(addresses, links, parsed(word)).kind).toBe(kind);
  });

  test("the machine's own address: plain and first, or leased", () => {
    const own = entry('10.77.0.1', 'eth0');
    const handMade = entry('10.77.0.200', 'eth0', { secondary: true });
    const leased = entry('10.77.2.5', 'eth0', { permanent: false });
    const alias = entry('10.77.0.201', 'eth0:0');
    const all = [alias, own, handMade, leased];
    expect(all.filter((one) => isMachinesOwn(one, all))).toEqual([own, leased]);
  });

  test('what goes when a primary goes', () => {
    const primary = entry('10.77.0.203/28', 'eth0:3');
    const secondary = entry('10.77.0.206/28', 'eth0:1', { secondary: true });
    const others = [
      entry('10.77.0.1', 'eth0'),
      entry('10.77.0.201', 'eth0:2', { secondary: true }),
      entry('10.77.0.250/28', 'eth0:5', { secondary: true }),
    ];
    expect(dependants(primary, [...others, primary, secondary])).toEqual([secondary]);
    expect(dependants(secondary, [primary, secondary])).toEqual([]);
  });
});
