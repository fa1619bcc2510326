import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  broadcastOf,
  formatIpv4,
  ipv4Bytes,
  ipv4FromBytes,
  ipv4FromNumber,
  maskOf,
  parseIpv4,
  prefixLengthOf,
  sameSubnet,
} from './ipv4.ts';

const parse = (text: string) => {
  const address = parseIpv4(text);
  if (address === null) throw new Error(`test needs an address: ${text}`);
  return address;
};

describe('IPv4 addresses', () => {
  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '0x1.2.3.4',
    '1..3.4',
    '1.2.3.1e1',
  ])('%o is none', (text) => {
    expect(parseIpv4(text)).toBeNull();
  });

  test('every number survives text and bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (number) => {
        const address = ipv4FromNumber(number);
        expect(parseIpv4(formatIpv4(address))).toBe(number);
        expect(ipv4FromBytes(ipv4Bytes(address))).toBe(number);
      }),
    );
  });

  test('prefix lengths and masks are the same thing', () => {
    for (let length = 0; length <= 32; length++) expect(prefixLengthOf(maskOf(length))).toBe(length);
    expect(formatIpv4(maskOf(28))).toBe('255.255.255.240');
    expect(prefixLengthOf(parse('255.0.255.0'))).toBeNull();
    expect(prefixLengthOf(parse('0.0.0.1'))).toBeNull();
  });

  test.each([
    ['10.77.0.200', 24, '10.77.0.255'],
    ['10.77.0.200', 28, '10.77.0.207'],
    ['10.77.0.200', 32, '10.77.0.200'],
    ['192.0.2.9', 0, '255.255.255.255'],
  ])('the broadcast address of %s/%i is %s', (address, length, expected) => {
    expect(formatIpv4(broadcastOf(parse(address), length))).toBe(expected);
  });

  test('subnets', () => {
    expect(sameSubnet(parse('10.0.0.1'), parse('10.0.0.254'), 24)).toBe(true);
    expect(sameSubnet(parse('10.0.0.1'), parse('10.0.1.1'), 24)).toBe(false);
    expect(sameSubnet(parse('10.0.0.1'), parse('203.0.113.1'), 0)).toBe(true);
  });
});
