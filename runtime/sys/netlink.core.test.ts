import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipv4FromNumber, parseIpv4 } from './ipv4.ts';
import { cString, intBytes } from './native.ts';
import {
  decodeAddress,
  decodeLink,
  decodeMessages,
  decodeRoute,
  encodeAddressChange,
  encodeMessage,
  errorOf,
  message,
} from './netlink.core.ts';

const address = parseIpv4('10.77.0.200') ?? ipv4FromNumber(0);
const broadcast = parseIpv4('10.77.0.255');

/** The body of the only message in a datagram. */
function bodyOf(datagram: Uint8Array): Uint8Array {
  const [first, ...more] = decodeMessages(datagram);
  if (first === undefined || more.length > 0) throw new Error('one message expected');
  return first.body;
}

describe('rtnetlink messages', () => {
  test('a request to add an address reads back as that address', () => {
    const bytes = encodeAddressChange(7, 'add', {
      linkIndex: 3,
      address,
      prefixLength: 24,
      broadcast,
      label: 'eth0:0',
      scope: 0,
    });
    expect(decodeMessages(bytes)).toMatchObject([{ type: message.newAddress, flags: 0x605, sequence: 7 }]);
    expect(decodeAddress(bodyOf(bytes))).toEqual({
      linkIndex: 3,
      address,
      prefixLength: 24,
      broadcast,
      label: 'eth0:0',
      scope: 0,
      secondary: false,
      permanent: false,
    });
  });

  test('flags in the attribute win over the old byte', () => {
    const fixed = Uint8Array.of(2, 24, 0, 0, 3, 0, 0, 0);
    const bytes = encodeMessage(message.newAddress, 0, 1, fixed, [
      [2, Uint8Array.of(10, 0, 0, 1)],
      [8, intBytes(0x81)],
    ]);
    expect(decodeAddress(bodyOf(bytes))).toMatchObject({ secondary: true, permanent: true, broadcast: null });
  });

  test('a link keeps its name without the NUL', () => {
    const fixed = new Uint8Array(16);
    fixed.set(intBytes(5), 4);
    fixed.set(intBytes(0x1043), 8);
    const bytes = encodeMessage(message.newLink, 0, 1, fixed, [
      [3, cString('eth0')],
      [1, Uint8Array.of(2, 0, 0, 0, 0, 1)],
      [4, intBytes(1500)],
    ]);
    expect(decodeLink(bodyOf(bytes))).toEqual({
      index: 5,
      name: 'eth0',
      flags: 0x1043,
      hardwareType: 0,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      mtu: 1500,
    });
  });

  test('routes: table and type decide, and a multipath route has its first interface', () => {
    const route = (table: number, type: number, attributes: [number, Uint8Array][]) =>
      decodeRoute(
        bodyOf(
          encodeMessage(message.newRoute, 0, 1, Uint8Array.of(2, 24, 0, 0, table, 0, 0, type, 0, 0, 0, 0), attributes),
        ),
      );
    const destination: [number, Uint8Array] = [1, Uint8Array.of(10, 77, 0, 0)];
    expect(route(254, 1, [destination, [4, intBytes(3)], [6, intBytes(100)]])).toEqual({
      destination: parseIpv4('10.77.0.0'),
      prefixLength: 24,
      linkIndex: 3,
      gateway: null,
      metric: 100,
    });
    expect(route(255, 1, [destination, [4, intBytes(3)]])).toBeNull();
    expect(route(254, 3, [destination, [4, intBytes(3)]])).toBeNull();
    expect(route(254, 1, [destination, [9, Uint8Array.of(8, 0, 0, 0, ...intBytes(9))]])).toMatchObject({
      linkIndex: 9,
      metric: 0,
    });
  });

  test('an acknowledgement is errno 0', () => {
    expect(errorOf(intBytes(0))).toBe(-0);
    expect(errorOf(intBytes(-17))).toBe(17);
  });

  test('no bytes from outside make the decoders throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const found of [...decodeMessages(bytes), { body: bytes }]) {
          decodeAddress(found.body);
          decodeLink(found.body);
          decodeRoute(found.body);
        }
      }),
    );
  });
});
