import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { formatIpv6, sameAddress6 } from '../../runtime/sys/ipv6.ts';
import type { Link } from '../../runtime/sys/netlink.core.ts';
import type { NetlinkResult } from '../../runtime/sys/netlink.ts';
import type { Address6, Address6Change } from '../../runtime/sys/netlink6.core.ts';
import { parseIpv6 } from '../../runtime/sys/socket-address.ts';
import { ms } from '../../runtime/units.ts';
import { parseAddress6 } from './ipv6addr.core.ts';
import { Address6Agent, type Address6System } from './ipv6addr.ts';

function ip6(text: string): Uint8Array {
  const address = parseIpv6(text);
  if (address === null) throw new Error(text);
  return address;
}

const lo: Link = { index: 1, name: 'lo', flags: 0x49, hardwareType: 772, mac: new Uint8Array(6), mtu: 65_536 };
const eth0: Link = {
  index: 3,
  name: 'eth0',
  flags: 0x1043,
  hardwareType: 1,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1_500,
};
const eth1: Link = { ...eth0, index: 5, name: 'eth1', flags: 0x1002 };

class FakeKernel implements Address6System {
  links: Link[] = [lo, eth0, eth1];
  addresses: Address6[] = [];
  readonly frames: string[] = [];
  refuses: string | null = null;
  senders = 0;
  sendFails = false;

  constructor() {
    this.put('::1', 128, 1);
    this.put('fe80::1', 64, 3);
    this.put('fe80::2', 64, 5);
    this.put('fd77:1::1', 64, 3);
    this.put('fd77:2::1', 48, 5);
  }

  put(text: string, prefixLength: number, linkIndex: number, extra: Partial<Address6> = {}): void {
    const own = { permanent: true, noDad: false, dadFailed: false, ...extra };
    this.addresses.push({ linkIndex, address: ip6(text), prefixLength, ...own });
  }

  listLinks = (): readonly Link[] => this.links;
  listAddresses6 = (): readonly Address6[] => this.addresses;
  forwards6 = (): boolean => false;

  addAddress6(change: Address6Change): NetlinkResult {
    if (this.refuses !== null) return { ok: false, errno: this.refuses };
    this.addresses.push({ ...change, permanent: true, noDad: true, dadFailed: false });
    return { ok: true };
  }

  deleteAddress6(change: Address6Change): NetlinkResult {
    if (this.refuses !== null) return { ok: false, errno: this.refuses };
    this.addresses = this.addresses.filter(
      (one) => one.linkIndex !== change.linkIndex || !sameAddress6(one.address, change.address),
    );
    return { ok: true };
  }

  setLinkUp(linkIndex: number): NetlinkResult {
    this.links = this.links.map((link) => (link.index === linkIndex ? { ...link, flags: link.flags | 1 } : link));
    return { ok: true };
  }

  openFrameSender: Address6System['openFrameSender'] = () => {
    this.senders++;
    return {
      send: ({ bytes }, linkIndex) => {
        if (this.sendFails) throw new SystemCallError('HB_SYSTEM_CALL', 'no network', { errno: 'ENETDOWN' });
        this.frames.push(`${formatIpv6(bytes.subarray(62, 78))} ${linkIndex}`);
      },
      close: () => this.senders--,
    };
  };

  get texts(): readonly string[] {
    return this.addresses.map((one) => `${formatIpv6(one.address)}/${one.prefixLength} ${one.linkIndex}`);
  }
}

function bench(): {
  kernel: FakeKernel;
  agent: Address6Agent;
  lines: string[];
  clock: SimulatedClock;
  taken: string[];
} {
  const kernel = new FakeKernel();
  const lines: string[] = [];
  const taken: string[] = [];
  const clock = new SimulatedClock();
  const agent = new Address6Agent({
    system: kernel,
    clock,
    log: (_tag, line) => lines.push(line),
    onTaken: (address, link) => taken.push(`${formatIpv6(address)} ${link.name}`),
  });
  return { kernel, agent, lines, clock, taken };
}

describe('parseAddress6', () => {
  it.each([
    ['2001:db8::1', null, null],
    ['2001:db8::1/64', 64, null],
    ['2001:db8::1/128/eth0', 128, 'eth0'],
    ['fe80::1/64/bond0.7', 64, 'bond0.7'],
  ])('%s', (word, prefixLength, device) => {
    expect(parseAddress6(word)).toMatchObject({ ok: true, spec: { prefixLength, device } });
  });

  it.each([
    '',
    '10.0.0.1',
    '2001:db8::g',
    '::',
    'ff02::1',
    '::ffff:10.0.0.1',
    'fe80::1%eth0',
    'a::1/0',
    'a::1/129',
    'a::1/x',
    'a::1/64/',
    'a::1/64/eth0/x',
    'a::1/64/e:0',
  ])('refuses %j', (word) => {
    expect(parseAddress6(word)).toMatchObject({ ok: false, exitCode: 6 });
  });
});

describe('start', () => {
  it.each([
    ['fd77:1::100', 'fd77:1::100/64 3'],
    ['fd77:2::100', 'fd77:2::100/48 5'],
    ['fd77:1::100/120', 'fd77:1::100/120 3'],
    ['fd77:1::100/64/eth1', 'fd77:1::100/64 5'],
    ['2001:db8::1/64/eth0', '2001:db8::1/64 3'],
    ['2001:db8::1//eth0', null],
    ['fe80::100/64/eth1', 'fe80::100/64 5'],
  ])('puts %s where it belongs', (word, expected) => {
    const { kernel, agent } = bench();
    const result = agent.start([word]);
    expect(result.exitCode).toBe(expected === null ? 6 : 0);
    if (expected !== null) expect(kernel.texts.at(-1)).toBe(expected);
    if (expected !== null) expect(agent.status([word])).toMatchObject({ exitCode: 0, output: 'INFO:  Running OK\n' });
  });

  it.each([
    ['fe80::100', 6, 'is link-local: write the interface too'],
    ['2001:db8::1', 1, 'No interface found'],
    ['2001:db8::1/64/eth7', 6, 'eth7: unknown interface'],
  ])('refuses %s', (word, exitCode, text) => {
    const { kernel, agent } = bench();
    const before = kernel.texts;
    expect(agent.start([word])).toMatchObject({ exitCode, output: expect.stringContaining(text) });
    expect(kernel.texts).toEqual(before);
  });

  it('announces five times, half a second apart, the first one before it returns, and then lets go of the socket', () => {
    const { kernel, agent, clock, taken } = bench();
    agent.start(['fd77:1::100']);
    expect(kernel.frames).toEqual(['fd77:1::100 3']);
    expect(taken).toEqual(['fd77:1::100 eth0']);
    clock.increment(ms(499));
    expect(kernel.frames).toHaveLength(1);
    clock.increment(ms(1_501));
    expect(kernel.frames).toHaveLength(5);
    clock.increment(ms(60_000));
    expect(kernel.frames).toHaveLength(5);
    expect(kernel.senders).toBe(0);
  });

  it('is done when the address is up, sets the interface up, and survives a network that refuses', () => {
    const { kernel, agent, lines } = bench();
    kernel.sendFails = true;
    expect(agent.start(['fd77:2::100']).exitCode).toBe(0);
    expect(kernel.links[2]?.flags).toBe(0x1003);
    expect(lines.filter((line) => line.startsWith('WARNING: announcing'))).toHaveLength(1);
    const before = kernel.texts;
    expect(agent.start(['fd77:2::100']).exitCode).toBe(0);
    expect(kernel.texts).toEqual(before);
  });

  it.each([
    ['EPERM', 4],
    ['ENODEV', 1],
  ])('gives %s as exit code %i', (errno, exitCode) => {
    const { kernel, agent } = bench();
    kernel.refuses = errno;
    expect(agent.start(['fd77:1::100']).exitCode).toBe(exitCode);
  });
});

describe('stop', () => {
  it('removes what start made, and is done when nothing is up', () => {
    const { kernel, agent, clock } = bench();
    const before = kernel.texts;
    agent.start(['fd77:1::100']);
    expect(agent.stop(['fd77:1::100'])).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
    expect(kernel.texts).toEqual(before);
    expect(agent.status(['fd77:1::100'])).toMatchObject({ exitCode: 7, output: 'INFO:  Resource is stopped\n' });
    clock.increment(ms(10_000));
    expect(kernel.frames).toHaveLength(1);
    expect(agent.stop(['fd77:1::100']).exitCode).toBe(0);
  });

  it('leaves the machine its own address', () => {
    const { kernel, agent, lines } = bench();
    kernel.put('2001:db8::5', 64, 3, { permanent: false });
    const before = kernel.texts;
    expect(agent.stop(['fd77:1::1']).exitCode).toBe(0);
    expect(agent.stop(['2001:db8::5']).exitCode).toBe(0);
    expect(kernel.texts).toEqual(before);
    expect(lines.filter((line) => line.includes("looks like this machine's own address"))).toHaveLength(2);
  });

  it('removes what another program added as a service address', () => {
    const { kernel, agent } = bench();
    const before = kernel.texts;
    kernel.put('fd77:1::100', 64, 3);
    agent.stop(['fd77:1::100']);
    expect(kernel.texts).toEqual(before);
  });

  it('fails when the kernel refuses, and not when the address has gone meanwhile', () => {
    const { kernel, agent } = bench();
    agent.start(['fd77:1::100']);
    kernel.refuses = 'EBUSY';
    expect(agent.stop(['fd77:1::100']).exitCode).toBe(1);
    kernel.refuses = 'EADDRNOTAVAIL';
    expect(agent.stop(['fd77:1::100']).exitCode).toBe(0);
  });
});

it('does not count an address that the kernel found on another machine', () => {
  const { kernel, agent } = bench();
  kernel.put('fd77:1::100', 64, 3, { dadFailed: true });
  expect(agent.status(['fd77:1::100']).exitCode).toBe(7);
});
