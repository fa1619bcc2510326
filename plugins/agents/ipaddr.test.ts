import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { formatIpv4, parseIpv4, sameSubnet } from '../../runtime/sys/ipv4.ts';
import type { Address, AddressChange, Link, Route } from '../../runtime/sys/netlink.core.ts';
import type { NetlinkResult } from '../../runtime/sys/netlink.ts';
import { ms } from '../../runtime/units.ts';
import { AddressAgent, type AddressSystem } from './ipaddr.ts';

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

/** A kernel with two interfaces that treats primaries and secondaries as Linux does. */
class FakeKernel implements AddressSystem {
  readonly links: Link[] = [lo, eth0, eth1];
  readonly routes: Route[] = [
    { destination: ip('10.77.0.0'), prefixLength: 24, linkIndex: 3, gateway: null, metric: 0 },
    { destination: ip('10.77.1.0'), prefixLength: 24, linkIndex: 5, gateway: null, metric: 0 },
  ];
  addresses: Address[] = [];
  readonly frames: string[] = [];
  /** Given to every change when set. */
  refuses: string | null = null;
  /** Additions of these addresses are refused. */
  readonly refused = new Set<string>();
  /** The addresses of each message that adds some. */
  readonly messages: string[] = [];
  announceFails = false;
  /** Packet sockets that are open. */
  senders = 0;

  constructor() {
    this.put('127.0.0.1', 8, 'lo', 1);
    this.put('10.77.0.1', 24, 'eth0', 3);
    this.put('10.77.1.1', 24, 'eth1', 5);
  }

  put(text: string, prefixLength: number, label: string, linkIndex: number, broadcast: string | null = null): void {
    this.addAddress({
      linkIndex,
      address: ip(text),
      prefixLength,
      broadcast: broadcast === null ? null : ip(broadcast),
      label,
      scope: 0,
    });
  }

  listLinks = (): readonly Link[] => this.links;
  listAddresses = (): readonly Address[] => this.addresses;
  listRoutes = (): readonly Route[] => this.routes;

  addAddress(change: AddressChange): NetlinkResult {
    if (this.refuses !== null) return { ok: false, errno: this.refuses };
    const peers = this.addresses.filter(
      (one) => one.linkIndex === change.linkIndex && one.prefixLength === change.prefixLength,
    );
    if (peers.some((one) => one.address === change.address)) return { ok: false, errno: 'EEXIST' };
    const secondary = peers.some((one) => sameSubnet(one.address, change.address, change.prefixLength));
    this.addresses = [...this.addresses, { ...change, label: change.label ?? '', secondary, permanent: true }];
    return { ok: true };
  }

  addAddresses(changes: readonly AddressChange[]): readonly NetlinkResult[] {
    this.messages.push(changes.map(({ address }) => formatIpv4(address)).join(' '));
    return changes.map((change) =>
      this.refused.has(formatIpv4(change.address)) ? { ok: false, errno: 'ENOBUFS' } : this.addAddress(change),
    );
  }

  deleteAddress(change: AddressChange): NetlinkResult {
    if (this.refuses !== null) return { ok: false, errno: this.refuses };
    const gone = this.addresses.find(
      (one) =>
        one.linkIndex === change.linkIndex &&
        one.address === change.address &&
        one.prefixLength === change.prefixLength,
    );
    if (gone === undefined) return { ok: false, errno: 'EADDRNOTAVAIL' };
    this.addresses = this.addresses.filter(
      (one) =>
        one !== gone &&
        !(
          !gone.secondary &&
          one.secondary &&
          one.linkIndex === gone.linkIndex &&
          sameSubnet(one.address, gone.address, gone.prefixLength)
        ),
    );
    return { ok: true };
  }

  setLinkUp(linkIndex: number): NetlinkResult {
    const at = this.links.findIndex((link) => link.index === linkIndex);
    const link = this.links[at];
    if (link !== undefined) this.links[at] = { ...link, flags: link.flags | 1 };
    return { ok: true };
  }

  openArpSender: AddressSystem['openArpSender'] = () => {
    this.senders++;
    return {
      send: (kind, address, link) => {
        const name = this.links.find((one) => one.index === link.index)?.name;
        this.frames.push(`${kind} ${formatIpv4(address)} ${name}`);
        if (this.announceFails) throw new SystemCallError('HB_SYSTEM_CALL', 'no network', { errno: 'ENETDOWN' });
      },
      close: () => {
        this.senders--;
      },
    };
  };

  /** `eth0:0 10.77.0.200/24 10.77.0.255` of every address but the machine's own. */
  get aliases(): string[] {
    return this.addresses
      .filter((one) => one.label.includes(':'))
      .map(
        (one) =>
          `${one.label} ${formatIpv4(one.address)}/${one.prefixLength} ${one.broadcast === null ? '-' : formatIpv4(one.broadcast)}`,
      );
  }
}

function setUp(): { kernel: FakeKernel; agent: AddressAgent; clock: SimulatedClock; log: string[] } {
  const kernel = new FakeKernel();
  const clock = new SimulatedClock();
  const log: string[] = [];
  const agent = new AddressAgent({ system: kernel, clock, log: (tag, line) => log.push(`${tag}: ${line}`) });
  return { kernel, agent, clock, log };
}

describe('start, status, stop', () => {
  test('one life of an address, in the words of the recorded script', () => {
    const { kernel, agent, log } = setUp();
    const args = ['10.77.0.200'];
    expect(agent.status(args)).toMatchObject({ exitCode: 7, output: 'INFO:  Resource is stopped\n', timedOut: false });
    expect(agent.start(args)).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
    expect(kernel.aliases).toEqual(['eth0:0 10.77.0.200/24 10.77.0.255']);
    expect(agent.status(args)).toMatchObject({ exitCode: 0, output: 'INFO:  Running OK\n' });
    expect(agent.stop(args)).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
    expect(kernel.aliases).toEqual([]);
    expect(log).toEqual([
      'IPaddr(IPaddr_10.77.0.200): INFO:  Resource is stopped',
      'IPaddr(IPaddr_10.77.0.200): INFO: Using calculated nic for 10.77.0.200: eth0',
      'IPaddr(IPaddr_10.77.0.200): INFO: Using calculated netmask for 10.77.0.200: 255.255.255.0',
      'IPaddr(IPaddr_10.77.0.200): INFO: eval ifconfig eth0:0 10.77.0.200 netmask 255.255.255.0 broadcast 10.77.0.255',
      'IPaddr(IPaddr_10.77.0.200): INFO:  Success',
      'IPaddr(IPaddr_10.77.0.200): INFO:  Running OK',
      'IPaddr(IPaddr_10.77.0.200): INFO: ifconfig eth0:0 down',
      'IPaddr(IPaddr_10.77.0.200): INFO:  Success',
    ]);
  });

  test('start and stop may be repeated', () => {
    const { kernel, agent } = setUp();
    expect(agent.stop(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    agent.start(['10.77.0.200/24/eth0']);
    const frames = kernel.frames.length;
    expect(agent.start(['10.77.0.200/24/eth0'])).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
    expect(kernel.aliases).toEqual(['eth0:0 10.77.0.200/24 10.77.0.255']);
    expect(kernel.frames.length).toBe(frames);
    agent.stop(['10.77.0.200/24/eth0']);
    expect(agent.stop(['10.77.0.200/24/eth0'])).toMatchObject({ exitCode: 0 });
  });

  test('every address gets its own alias, and a freed number is used again', () => {
    const { kernel, agent } = setUp();
    agent.start(['10.77.0.200']);
    agent.start(['10.77.0.201/28/eth0/10.77.0.207']);
    agent.start(['10.77.1.200/24']);
    agent.stop(['10.77.0.200']);
    agent.start(['10.77.0.202/24/eth0:web']);
    agent.start(['10.77.0.203']);
    expect(kernel.aliases).toEqual([
      'eth0:1 10.77.0.201/28 10.77.0.207',
      'eth1:0 10.77.1.200/24 10.77.1.255',
      'eth0:web 10.77.0.202/24 10.77.0.255',
      'eth0:0 10.77.0.203/24 10.77.0.255',
    ]);
  });

  test('subnets without room for a broadcast address get none', () => {
    const { kernel, agent } = setUp();
    agent.start(['10.77.0.200/31/eth0']);
    agent.start(['10.77.0.202/32/eth0']);
    expect(kernel.aliases).toEqual(['eth0:0 10.77.0.200/31 -', 'eth0:1 10.77.0.202/32 -']);
  });

  test('an interface that is down is set up, as ifconfig does', () => {
    const { kernel, agent } = setUp();
    kernel.links[2] = { ...eth1, flags: 0x1002 };
    expect(agent.start(['10.77.1.200/24/eth1'])).toMatchObject({ exitCode: 0 });
    expect(kernel.links[2]?.flags).toBe(0x1003);
  });
});

describe('refusals', () => {
  test.each([
    [['foo'], 6, 'ERROR: Parameter OCF_RESKEY_ip [foo] not an IP address\nERROR:  Program is not configured\n'],
    [['192.0.2.1'], 1, 'No interface found.\nERROR:  Generic error\n'],
    [['10.77.0.200/24/eth9'], 6, 'eth9: unknown interface: No such device\nERROR:  Program is not configured\n'],
    [
      ['10.77.0.200', 'eth0'],
      2,
      'ERROR: one word wanted, as in 10.0.0.1/24/eth0; not understood: eth0\nERROR:  Illegal argument\n',
    ],
  ])('start %j', (args, exitCode, output) => {
    const { kernel, agent } = setUp();
    expect(agent.start(args)).toMatchObject({ exitCode, output });
    expect(kernel.aliases).toEqual([]);
    expect(kernel.frames).toEqual([]);
  });

  test('without the right to change addresses: exit code 4, saying so', () => {
    const { kernel, agent } = setUp();
    agent.start(['10.77.0.201']);
    kernel.refuses = 'EPERM';
    const result = agent.start(['10.77.0.200']);
    expect(result.exitCode).toBe(4);
    expect(result.output).toBe(
      'ERROR: cannot add 10.77.0.200/24 to eth0: EPERM: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW\nERROR:  User had insufficient privilege\n',
    );
    expect(agent.stop(['10.77.0.201']).exitCode).toBe(4);
  });

  test('an address that came up or went away meanwhile is as good', () => {
    const { kernel, agent } = setUp();
    kernel.refuses = 'EEXIST';
    expect(agent.start(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    kernel.refuses = null;
    agent.start(['10.77.0.200']);
    kernel.refuses = 'EADDRNOTAVAIL';
    expect(agent.stop(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
  });
});

describe('addresses that the agent did not make', () => {
  test('on another interface than the one written: status and start fail; stop removes the alias', () => {
    const { kernel, agent, log } = setUp();
    agent.start(['10.77.1.200/24/eth1']);
    expect(agent.status(['10.77.1.200/24/eth0'])).toMatchObject({ exitCode: 1, output: 'ERROR:  Generic error\n' });
    expect(log).toContain(
      'IPaddr(IPaddr_10.77.1.200): ERROR: 10.77.1.200 is running an interface (eth1) instead of the configured one (eth0)',
    );
    expect(agent.start(['10.77.1.200/24/eth0'])).toMatchObject({ exitCode: 1 });
    expect(kernel.aliases).toEqual(['eth1:0 10.77.1.200/24 10.77.1.255']);
    expect(agent.stop(['10.77.1.200/24/eth0'])).toMatchObject({ exitCode: 0 });
    expect(kernel.aliases).toEqual([]);
  });

  test('a second address without label counts, and stop removes it', () => {
    const { kernel, agent } = setUp();
    kernel.put('10.77.0.200', 24, 'eth0', 3);
    expect(agent.status(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    expect(agent.start(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    expect(agent.stop(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    expect(agent.status(['10.77.0.200'])).toMatchObject({ exitCode: 7 });
  });

  test("the machine's own address is never removed, with a warning", () => {
    const { kernel, agent, log } = setUp();
    expect(agent.start(['10.77.0.1'])).toMatchObject({ exitCode: 0 });
    expect(agent.stop(['10.77.0.1'])).toMatchObject({ exitCode: 0 });
    expect(kernel.addresses.some((one) => one.address === ip('10.77.0.1'))).toBe(true);
    expect(log.filter((line) => line.includes('WARNING')).length).toBe(2);
  });

  test("a load balancer's address on loopback is not touched", () => {
    const { kernel, agent } = setUp();
    kernel.put('10.77.0.200', 32, 'lo:0', 1);
    expect(agent.status(['10.77.0.200'])).toMatchObject({ exitCode: 1 });
    expect(agent.stop(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    expect(kernel.aliases).toEqual(['lo:0 10.77.0.200/32 -']);
  });

  test('what the kernel removes together with a primary is put back', () => {
    const { kernel, agent } = setUp();
    agent.start(['10.77.0.203/28/eth0']);
    agent.start(['10.77.0.206/28/eth0']);
    expect(kernel.addresses.at(-1)).toMatchObject({ label: 'eth0:1', secondary: true });
    expect(agent.stop(['10.77.0.203/28/eth0'])).toMatchObject({ exitCode: 0 });
    expect(kernel.aliases).toEqual(['eth0:1 10.77.0.206/28 10.77.0.207']);
  });
});

describe('announcement', () => {
  test('first frame at once, 20 in all, 250 ms apart, request and reply in turn', () => {
    const { kernel, agent, clock } = setUp();
    agent.start(['10.77.0.200']);
    expect(kernel.frames).toEqual(['request 10.77.0.200 eth0']);
    clock.set(ms(249));
    expect(kernel.frames.length).toBe(1);
    clock.set(ms(500));
    expect(kernel.frames).toEqual(['request 10.77.0.200 eth0', 'reply 10.77.0.200 eth0', 'request 10.77.0.200 eth0']);
    clock.set(ms(4_749));
    expect(agent.announcing).toBe(true);
    expect(kernel.senders).toBe(1);
    clock.set(ms(60_000));
    expect(kernel.frames.length).toBe(20);
    expect(agent.announcing).toBe(false);
    expect(kernel.senders).toBe(0);
  });

  test('what is up can be announced anew, from the first frame on', () => {
    const { kernel, agent, clock } = setUp();
    agent.announce(['10.77.0.200']);
    expect(kernel.frames).toEqual([]);
    agent.start(['10.77.0.200']);
    clock.set(ms(4_500));
    kernel.frames.length = 0;
    agent.announce(['10.77.0.200']);
    expect(kernel.frames).toEqual(['request 10.77.0.200 eth0']);
    clock.set(ms(60_000));
    expect(kernel.frames.length).toBe(20);
    expect(kernel.senders).toBe(0);
  });

  test('stop and close end it', () => {
    const { kernel, agent, clock } = setUp();
    agent.start(['10.77.0.200']);
    agent.start(['10.77.0.201']);
    agent.stop(['10.77.0.200']);
    clock.set(ms(250));
    expect(kernel.frames.slice(2)).toEqual(['reply 10.77.0.201 eth0']);
    agent.close();
    clock.set(ms(10_000));
    expect(kernel.frames.length).toBe(3);
    expect(clock.nextMs).toBeNull();
    expect(kernel.senders).toBe(0);
  });

  test('a frame that cannot be sent is logged once and does not fail the start', () => {
    const { kernel, agent, clock, log } = setUp();
    kernel.announceFails = true;
    expect(agent.start(['10.77.0.200'])).toMatchObject({ exitCode: 0 });
    clock.set(ms(10_000));
    expect(kernel.frames.length).toBe(20);
    expect(log.filter((line) => line.includes('gratuitous ARP')).length).toBe(1);
  });

  test('nothing is announced where nobody could hear it', () => {
    const { kernel, agent } = setUp();
    agent.start(['127.0.0.9/8']);
    expect(kernel.aliases).toEqual(['lo:0 127.0.0.9/8 127.255.255.255']);
    expect(kernel.frames).toEqual([]);
  });
});

describe('several at once', () => {
  const words = (...list: readonly string[]) => list.map((word) => [word]);

  test('one message, then the announcements; their words are those of one by one', () => {
    const { kernel, agent, log } = setUp();
    const plan = agent.ahead(words('10.77.0.200', '10.77.0.201/24/eth0', '10.77.1.200/24/eth1:web'));
    expect(plan.count).toBe(3);
    expect(kernel.messages).toEqual([]);
    const results = plan.carryOut() ?? [];
    expect(kernel.messages).toEqual(['10.77.0.200 10.77.0.201 10.77.1.200']);
    expect(kernel.frames).toEqual(['request 10.77.0.200 eth0', 'request 10.77.0.201 eth0', 'request 10.77.1.200 eth1']);
    expect(log).toEqual([]);
    for (const one of results) {
      expect(one.status()).toMatchObject({ exitCode: 7 });
      expect(one.start()).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
    }
    const other = setUp();
    for (const word of ['10.77.0.200', '10.77.0.201/24/eth0', '10.77.1.200/24/eth1:web']) {
      other.agent.status([word]);
      other.agent.start([word]);
    }
    expect(log).toEqual(other.log);
    expect(kernel.aliases).toEqual(other.kernel.aliases);
  });

  test('what is up is left alone, and one that both want is set once', () => {
    const { kernel, agent } = setUp();
    agent.start(['10.77.0.200']);
    kernel.messages.length = 0;
    const plan = agent.ahead(words('10.77.0.200', '10.77.0.201', '10.77.0.201'));
    expect(plan.count).toBe(2);
    expect(plan.carryOut()?.map((one) => one.status().exitCode)).toEqual([0, 7]);
    expect(kernel.messages).toEqual(['10.77.0.201']);
  });

  test.each([
    ['a word that is none', 'nonsense', (): void => undefined],
    ['an interface that is not there', '10.77.0.201/24/eth9', (): void => undefined],
    [
      'an address that is elsewhere',
      '10.77.0.201/24/eth1',
      (kernel: FakeKernel): void => kernel.put('10.77.0.201', 24, 'eth0:7', 3),
    ],
    [
      'an interface that is down',
      '10.77.1.201/24/eth1',
      (kernel: FakeKernel): void => {
        kernel.links[2] = { ...eth1, flags: eth1.flags & ~1 };
      },
    ],
  ])('%s ends it', (_what, word, arrange) => {
    const { kernel, agent } = setUp();
    arrange(kernel);
    kernel.messages.length = 0;
    const plan = agent.ahead(words('10.77.0.200', word, '10.77.0.202'));
    expect(plan.count).toBe(1);
    plan.carryOut();
    expect(kernel.messages).toEqual(['10.77.0.200']);
  });

  test('an address that brings a route ends it before the next one whose interface follows from the routes', () => {
    const { agent } = setUp();
    expect(agent.ahead(words('172.16.0.1/24/eth1', '10.77.0.200/24/eth0', '172.16.0.2')).count).toBe(2);
    // In a subnet that is there already, it brings none.
    expect(agent.ahead(words('10.77.1.200/24/eth1', '10.77.0.200')).count).toBe(2);
  });

  test('the kernel refuses one: those beside it are up and announced, it is not, and no further message follows', () => {
    const { kernel, agent, log } = setUp();
    const list = Array.from({ length: 40 }, (_, index) => `10.77.0.${100 + index}/24/eth0`);
    kernel.refused.add('10.77.0.101');
    const results = agent.ahead(words(...list)).carryOut() ?? [];
    expect(results.length).toBeLessThan(40);
    expect(kernel.messages).toHaveLength(1);
    expect(results.map((one) => one.start().exitCode)).toEqual(
      list.slice(0, results.length).map((_, at) => (at === 1 ? 1 : 0)),
    );
    expect(kernel.frames).toHaveLength(results.length - 1);
    expect(kernel.frames).not.toContain('request 10.77.0.101 eth0');
    expect(log).toContain('IPaddr(IPaddr_10.77.0.101): ERROR: cannot add 10.77.0.101/24 to eth0: ENOBUFS');
  });

  test('one that came meanwhile is as good', () => {
    const { kernel, agent } = setUp();
    const plan = agent.ahead(words('10.77.0.200/24/eth0', '10.77.0.201/24/eth0'));
    kernel.put('10.77.0.200', 24, 'eth0:9', 3);
    expect(plan.carryOut()?.map((one) => one.start().exitCode)).toEqual([0, 0]);
  });
});
