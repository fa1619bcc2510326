import { describe, expect, it } from 'vitest';
import { gratuitousArpFrame } from './arp.ts';
import { type Ipv4, parseIpv4 } from './ipv4.ts';
import {
  arpProbe,
  formatMac,
  neighbourProbe,
  readAdvertisement,
  readArp,
  unsolicitedAdvertisement,
} from './neighbour.core.ts';
import { parseIpv6 } from './socket-address.ts';

const mac = Uint8Array.of(0x02, 0, 0, 0, 0, 0x01);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function ip(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === null) throw new Error(text);
  return address;
}

function ip6(text: string): Uint8Array {
  const address = parseIpv6(text);
  if (address === null) throw new Error(text);
  return address;
}

describe('ARP', () => {
  it('asks without claiming the address (RFC 5227, 2.1.1)', () => {
    const { bytes, target } = arpProbe(ip('10.77.0.200'), mac);
    expect(hex(target)).toBe('ffffffffffff');
    expect(hex(bytes)).toBe(
      [
        'ffffffffffff',
        '020000000001',
        '0806',
        '0001',
        '0800',
        '06',
        '04',
        '0001',
        '020000000001',
        '00000000',
        '000000000000',
        '0a4d00c8',
      ].join(''),
    );
    expect(readArp(bytes)).toBeNull();
  });

  it('reads claims from requests and replies alike', () => {
    for (const kind of ['request', 'reply'] as const)
      expect(readArp(gratuitousArpFrame(kind, ip('10.77.0.200'), mac))).toEqual({ address: ip('10.77.0.200'), mac });
  });

  it.each([
    ['short', (frame: Uint8Array) => frame.subarray(0, 41)],
    ['of another protocol', (frame: Uint8Array) => frame.with(13, 0)],
    ['about other hardware', (frame: Uint8Array) => frame.with(18, 8)],
  ])('ignores a frame that is %s', (_name, spoil) => {
    expect(readArp(spoil(gratuitousArpFrame('reply', ip('10.77.0.200'), mac)))).toBeNull();
  });
});

/** RFC 1071 over pseudo header and message gives all ones when the checksum is right. */
function checksumHolds(frame: Uint8Array): boolean {
  const body = frame.subarray(54);
  let sum = body.length + 58;
  const parts = [frame.subarray(22, 54), body];
  for (const part of parts)
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff;
}

describe('neighbour discovery', () => {
  const address = ip6('fd77:1::100');

  it('tells all nodes to replace what they know (RFC 4861, 4.4)', () => {
    const { bytes, target } = unsolicitedAdvertisement(address, mac, false);
    expect(hex(target)).toBe('333300000001');
    expect(hex(bytes.subarray(0, 22))).toBe(`333300000001${hex(mac)}86dd6000000000203aff`);
    expect(hex(bytes.subarray(22, 38))).toBe(hex(address));
    expect(hex(bytes.subarray(38, 54))).toBe('ff020000000000000000000000000001');
    expect(hex(bytes.subarray(54, 56))).toBe('8800');
    expect(hex(bytes.subarray(58))).toBe(`20000000${hex(address)}0201${hex(mac)}`);
    expect(checksumHolds(bytes)).toBe(true);
    expect(unsolicitedAdvertisement(address, mac, true).bytes[58]).toBe(0xa0);
    expect(checksumHolds(unsolicitedAdvertisement(address, mac, true).bytes)).toBe(true);
  });

  it('asks the group of the address, from nowhere (RFC 4862, 5.4.2)', () => {
    const { bytes, target } = neighbourProbe(address, mac);
    expect(hex(target)).toBe('3333ff000100');
    expect(hex(bytes.subarray(22, 38))).toBe('0'.repeat(32));
    expect(hex(bytes.subarray(38, 54))).toBe('ff0200000000000000000001ff000100');
    expect(hex(bytes.subarray(54, 56))).toBe('8700');
    expect(hex(bytes.subarray(62))).toBe(hex(address));
    expect(checksumHolds(bytes)).toBe(true);
  });

  it('reads advertisements, with and without the hardware address', () => {
    const body = unsolicitedAdvertisement(address, mac, false).bytes.subarray(54);
    expect(readAdvertisement(body)).toEqual({ address, mac });
    expect(readAdvertisement(body.subarray(0, 24))).toEqual({ address, mac: null });
    expect(readAdvertisement(body.subarray(0, 23))).toBeNull();
    expect(readAdvertisement(neighbourProbe(address, mac).bytes.subarray(54))).toBeNull();
  });
});

it('writes hardware addresses as usual', () => {
  expect(formatMac(mac)).toBe('02:00:00:00:00:01');
});
