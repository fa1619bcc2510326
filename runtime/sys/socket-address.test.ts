import { describe, expect, test } from 'vitest';
import { needsScope, parseIpv6, socketAddress } from './socket-address.ts';

const hex = (bytes: Uint8Array | null): string => (bytes === null ? 'none' : Buffer.from(bytes).toString('hex'));

describe('socket addresses', () => {
  test.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fe80::1:2', 'fe800000000000000000000000010002'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['1::10.0.0.1', '0001000000000000000000000a000001'],
    ['fe80::1%eth0', 'none'],
    ['10.0.0.1', 'none'],
    ['1:2', 'none'],
  ])('IPv6 %s is %s', (text, expected) => {
    expect(hex(parseIpv6(text))).toBe(expected);
  });

  test.each([
    ['fe80::1', true],
    ['febf::1', true],
    ['fec0::1', false],
    ['ff02::1', true],
    ['ff05::1', false],
    ['2001:db8::1', false],
  ])('%s needs a scope: %s', (text, expected) => {
    expect(needsScope(parseIpv6(text) ?? new Uint8Array())).toBe(expected);
  });

  test('sockaddr_in and sockaddr_in6', () => {
    expect(hex(socketAddress(4, '10.77.0.255', 694)).slice(4)).toBe('02b60a4d00ff0000000000000000');
    const six = socketAddress(6, 'fe80::1', 694, 7);
    expect(six.length).toBe(28);
    expect(new Uint32Array(six.slice(24).buffer)[0]).toBe(7);
    expect(new Uint32Array(socketAddress(6, '2001:db8::1', 694, 7).slice(24).buffer)[0]).toBe(0);
    expect(() => socketAddress(4, 'node1', 694)).toThrow(RangeError);
    expect(() => socketAddress(6, '10.0.0.1', 694)).toThrow(RangeError);
  });
});
