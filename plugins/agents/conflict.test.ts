import { expect, it } from 'vitest';
import { SimulatedClock } from '../../runtime/clock.ts';
import { SystemCallError } from '../../runtime/errors.ts';
import { type Ipv4, parseIpv4 } from '../../runtime/sys/ipv4.ts';
import type { Link } from '../../runtime/sys/netlink.core.ts';
import { parseIpv6 } from '../../runtime/sys/socket-address.ts';
import { ms } from '../../runtime/units.ts';
import { type ConflictSystem, ConflictWatch } from './conflict.ts';

const own = Uint8Array.of(2, 0, 0, 0, 0, 1);
const second = Uint8Array.of(2, 0, 0, 0, 0, 2);
const stranger = Uint8Array.of(2, 0, 0, 0, 0, 9);
const eth0: Link = { index: 3, name: 'eth0', flags: 0x1043, hardwareType: 1, mac: own, mtu: 1_500 };
const eth1: Link = { ...eth0, index: 5, name: 'eth1', mac: second };

function ip(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === null) throw new Error(text);
  return address;
}
const ip6 = parseIpv6('fd77:1::100') ?? new Uint8Array();

class Network implements ConflictSystem {
  asked = 0;
  open = 0;
  broken = false;
  claim4: ((address: Ipv4, mac: Uint8Array, linkIndex: number) => void) | null = null;
  claim6: ((address: Uint8Array, mac: Uint8Array | null) => void) | null = null;

  openFrameSender: ConflictSystem['openFrameSender'] = () => {
    this.open++;
    return {
      send: () => {
        if (this.broken) throw new SystemCallError('HB_SYSTEM_CALL', 'no network', { errno: 'ENETDOWN' });
        this.asked++;
      },
      close: () => this.open--,
    };
  };
  watchArp: ConflictSystem['watchArp'] = (onClaim) => {
    this.open++;
    this.claim4 = onClaim;
    return { close: () => this.open-- };
  };
  watchAdvertisements: ConflictSystem['watchAdvertisements'] = (onClaim) => {
    this.open++;
    this.claim6 = onClaim;
    return { close: () => this.open-- };
  };
}

function bench(): { network: Network; watch: ConflictWatch; told: string[]; clock: SimulatedClock } {
  const network = new Network();
  const told: string[] = [];
  const clock = new SimulatedClock();
  const watch = new ConflictWatch({
    clock,
    listLinks: () => [eth0, eth1],
    onConflict: (address, device, mac) => told.push(`${address} ${device} ${mac}`),
    onTrouble: (text) => told.push(text),
    system: network,
  });
  return { network, watch, told, clock };
}

it('costs the taking nothing: the first question comes after it', () => {
  const { network, watch, clock } = bench();
  watch.watch4(ip('10.0.0.1'), eth0);
  expect({ asked: network.asked, open: network.open }).toEqual({ asked: 0, open: 0 });
  clock.increment(ms(0));
  expect({ asked: network.asked, open: network.open }).toEqual({ asked: 1, open: 2 });
});

it('asks three times within a second, tells each machine once, and lets go', () => {
  const { network, watch, told, clock } = bench();
  watch.watch4(ip('10.0.0.1'), eth0);
  watch.watch6(ip6, eth0);
  clock.increment(ms(0));
  for (let count = 0; count < 3; count++) {
    network.claim4?.(ip('10.0.0.1'), stranger, 3);
    network.claim6?.(ip6, stranger);
    network.claim6?.(ip6, null);
  }
  clock.increment(ms(600));
  expect(network.asked).toBe(6);
  expect(told).toEqual([
    '10.0.0.1 eth0 02:00:00:00:00:09',
    'fd77:1::100 eth0 02:00:00:00:00:09',
    'fd77:1::100 eth0 null',
  ]);
  clock.increment(ms(400));
  expect(network.open).toBe(0);
});

it.each([
  ['of our own', ip('10.0.0.1'), own, 3],
  ['of another interface of ours', ip('10.0.0.1'), second, 3],
  ['of another address', ip('10.0.0.2'), stranger, 3],
  ['on another network', ip('10.0.0.1'), stranger, 5],
])('ignores a claim %s', (_name, address, mac, linkIndex) => {
  const { network, watch, told, clock } = bench();
  watch.watch4(ip('10.0.0.1'), eth0);
  clock.increment(ms(0));
  network.claim4?.(address, mac, linkIndex);
  expect(told).toEqual([]);
});

it('ends when the address is given up', () => {
  const { network, watch, told, clock } = bench();
  watch.watch4(ip('10.0.0.1'), eth0);
  watch.watch4(ip('10.0.0.2'), eth0);
  clock.increment(ms(0));
  watch.forget('10.0.0.1');
  network.claim4?.(ip('10.0.0.1'), stranger, 3);
  expect(told).toEqual([]);
  expect(network.open).toBe(2);
  watch.close();
  expect(network.open).toBe(0);
});

it('says that it cannot ask, and leaves it at that', () => {
  const { network, watch, told, clock } = bench();
  network.broken = true;
  watch.watch4(ip('10.0.0.1'), eth0);
  clock.increment(ms(5_000));
  expect(told).toEqual(['cannot look for other owners of 10.0.0.1 on eth0: no network']);
  expect(network.open).toBe(0);
});
