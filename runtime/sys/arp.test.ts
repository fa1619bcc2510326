import { describe, expect, test } from 'vitest';
import { gratuitousArpFrame } from './arp.ts';
import { ipv4FromNumber } from './ipv4.ts';

const mac = Uint8Array.of(0xc2, 0x5a, 0x8d, 0xd7, 0xb3, 0x0d);
const address = ipv4FromNumber(0x0a4d00c8);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('gratuitous ARP', () => {
  test('request: who has 10.77.0.200, tell 10.77.0.200', () => {
    expect(hex(gratuitousArpFrame('request', address, mac))).toBe(
      'ffffffffffffc25a8dd7b30d0806' + '0001080006040001' + 'c25a8dd7b30d0a4d00c8' + '0000000000000a4d00c8',
    );
  });

  test('reply: 10.77.0.200 is at our address, told to ourselves', () => {
    expect(hex(gratuitousArpFrame('reply', address, mac))).toBe(
      'ffffffffffffc25a8dd7b30d0806' + '0001080006040002' + 'c25a8dd7b30d0a4d00c8' + 'c25a8dd7b30d0a4d00c8',
    );
  });

  test('an address that is not of Ethernet is refused', () => {
    expect(() => gratuitousArpFrame('reply', address, new Uint8Array(20))).toThrow(RangeError);
  });
});
