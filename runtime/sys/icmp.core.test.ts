import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEchoReply, encodeEchoRequest, type IcmpFamily, internetChecksum, ipv4Body } from './icmp.core.ts';
import { readU16 } from './native.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('the checksum', () => {
  it.each<[string, string, number]>([
    ['the example of RFC 1071', '0001 f203 f4f5 f6f7', 0x220d],
    ['nothing', '', 0xffff],
    ['an odd number of bytes', '01 02 03', 0xfbfd],
    ['all ones', 'ffff ffff', 0],
  ])('of %s', (_what, bytes, sum) => {
    expect(internetChecksum(hex(bytes))).toBe(sum);
  });

  it('is zero over what contains it, whatever it covers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.nat(0xffff), fc.nat(0xffff), (payload, id, sequence) => {
        expect(internetChecksum(encodeEchoRequest(4, { id, sequence, payload }))).toBe(0);
      }),
    );
  });
});

describe('a request', () => {
  it('has the id in the order of the machine and the number in network order', () => {
    const payload = Buffer.from('abc');
    const request = encodeEchoRequest(6, { id: 0x1234, sequence: 0x0102, payload });
    expect(readU16(request, 4)).toBe(0x1234);
    expect(Buffer.from(request).toString('hex')).toMatch(/^80000000....0102616263$/);
    expect(Buffer.from(encodeEchoRequest(4, { id: 0, sequence: 0x10001, payload: hex('') })).toString('hex')).toBe(
      '0800f7fe00000001',
    );
  });
});

/** The reply that a host makes of a request. */
function answered(family: IcmpFamily, request: Uint8Array): Uint8Array {
  const reply = request.slice();
  reply[0] = family === 4 ? 0 : 129;
  reply.fill(0, 2, 4);
  const sum = internetChecksum(reply);
  reply[2] = sum >> 8;
  reply[3] = sum & 0xff;
  return reply;
}

describe('a reply', () => {
  const request = { id: 77, sequence: 65_535, payload: Buffer.from('payload') };

  it.each<IcmpFamily>([4, 6])('of IPv%s gives back what was asked', (family) => {
    const echo = decodeEchoReply(family, answered(family, encodeEchoRequest(family, request)));
    expect(echo).toMatchObject({ id: 77, sequence: 65_535 });
    expect(Buffer.from(echo?.payload ?? []).toString()).toBe('payload');
  });

  it('is not the request itself, nor one of the other family, nor one with a code', () => {
    const asked = encodeEchoRequest(4, request);
    const reply = answered(4, asked);
    expect(decodeEchoReply(4, asked)).toBeNull();
    expect(decodeEchoReply(6, reply)).toBeNull();
    const coded = reply.slice();
    coded[1] = 1;
    expect(decodeEchoReply(4, coded)).toBeNull();
  });

  it('is not taken when a bit has changed on the way, or when it is too short', () => {
    const reply = answered(4, encodeEchoRequest(4, request));
    for (let at = 0; at < reply.length; at++) {
      const damaged = reply.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(decodeEchoReply(4, damaged), `byte ${at}`).toBeNull();
    }
    for (let size = 0; size < 8; size++) expect(decodeEchoReply(6, reply.subarray(0, size))).toBeNull();
  });
});

describe('an IPv4 packet of a raw socket', () => {
  it.each<[string, string, string | null]>([
    ['a plain header', `45${'00'.repeat(19)} aabb`, 'aabb'],
    ['a header with options', `46${'00'.repeat(23)} cc`, 'cc'],
    ['nothing behind the header', `45${'00'.repeat(19)}`, ''],
    ['a header that is cut', `46${'00'.repeat(20)}`, null],
    ['a header length that cannot be', `44${'00'.repeat(30)}`, null],
    ['another version', `65${'00'.repeat(30)}`, null],
    ['nothing', '', null],
  ])('%s', (_what, packet, body) => {
    const found = ipv4Body(hex(packet));
    expect(found === null ? null : Buffer.from(found).toString('hex')).toBe(body);
  });
});
