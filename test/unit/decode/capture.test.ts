import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Datagram, Dissector } from '../../../runtime/dissect.ts';
import { type CapturedPacket, type CaptureEnd, readCapture } from '../../../runtime/pcap.ts';
import { Reassembler } from '../../../runtime/reassembly.ts';
import { ethernet, fragmentHeader, frames, icmp, ipv4, ipv6, pcap, pcapng, udp } from './frames.ts';

function readAll(file: Uint8Array): { packets: CapturedPacket[]; end: CaptureEnd } {
  const packets: CapturedPacket[] = [];
  const capture = readCapture(file);
  for (let step = capture.next(); ; step = capture.next()) {
    if (step.done) return { packets, end: step.value };
    packets.push(step.value);
  }
}

/** Bytes as a plain view, so that a Buffer equals an array of the same bytes. */
function plain(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

function payloadOf(datagram: ReturnType<Dissector['next']>): string {
  if (datagram === null || datagram === 'unknown-link') throw new Error(`nothing in it: ${datagram}`);
  return Buffer.from(datagram.payload).toString();
}

/** What a new dissector finds in these frames. */
function found(list: readonly Uint8Array[]): Datagram[] {
  const dissector = new Dissector();
  return list.map((frame) => dissector.next(frame, 1)).filter((result) => result !== null && result !== 'unknown-link');
}

const payload = Buffer.from('hello, node');

describe('capture files', () => {
  const list = frames(Buffer.from('first'), Buffer.from('second one'));

  test.each([
    ['pcap, little endian', pcap(list)],
    ['pcap, big endian', pcap(list, { bigEndian: true })],
    ['pcap, nanoseconds', pcap(list, { nanoseconds: true })],
    ['pcap, nanoseconds, big endian', pcap(list, { nanoseconds: true, bigEndian: true })],
    ['pcapng', pcapng(list)],
  ])('%s', (_name, file) => {
    const { packets, end } = readAll(file);
    expect(end).toBeNull();
    expect(packets.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['first', 'second one']);
    expect(packets.map(({ timeS }) => Math.round(timeS * 1e6))).toEqual([1_700_000_000_000_000, 1_700_000_000_100_000]);
    expect(packets.map(({ linkType }) => linkType)).toEqual([1, 1]);
  });

  test('pcapng with simple packet blocks, which have no time', () => {
    const { packets, end } = readAll(pcapng(list, { simple: true }));
    expect(end).toBeNull();
    expect(packets.map(({ bytes, timeS }) => [Buffer.from(bytes).toString(), timeS])).toEqual([
      ['first', 0],
      ['second one', 0],
    ]);
  });

  test.each([
    ['empty', Buffer.alloc(0), 'less than 4 bytes'],
    ['text', Buffer.from('not a capture'), 'neither pcap nor pcapng'],
    ['compressed', Buffer.of(0x1f, 0x8b, 8, 0), 'gunzip'],
    ['cut in its header', pcap(list).subarray(0, 20), 'inside its header'],
    ['cut in a packet header', pcap(list).subarray(0, 30), 'inside a packet header'],
    ['cut in a packet', pcap(list).subarray(0, -1), 'inside a packet'],
    ['pcapng, cut', pcapng(list).subarray(0, -1), 'inside a block'],
  ])('a file that is %s says so', (_name, file, reason) => {
    expect(readAll(file).end).toContain(reason);
  });

  test('what comes before the damage is read', () => {
    expect(readAll(pcap(list).subarray(0, -1)).packets).toHaveLength(1);
    expect(readAll(pcapng(list).subarray(0, -1)).packets).toHaveLength(1);
  });

  test('damaged files never throw and never loop', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(pcap(list), pcapng(list)),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        (file, changes) => {
          const damaged = Uint8Array.from(file);
          for (const [place, value] of changes) damaged[place % damaged.length] = value;
          expect(readAll(damaged).packets.length).toBeLessThan(20);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('frames', () => {
  const whole = ipv4(udp(payload));
  const sll = Buffer.concat([Buffer.alloc(14), Buffer.of(8, 0), whole]);
  const sll2 = Buffer.concat([Buffer.of(8, 0), Buffer.alloc(18), whole]);

  test.each([
    ['Ethernet', 1, ethernet(whole)],
    ['Ethernet with padding', 1, Buffer.concat([ethernet(whole), Buffer.alloc(9)])],
    ['a VLAN', 1, ethernet(whole, 0x0800, [0x8100])],
    ['a VLAN in a VLAN', 1, ethernet(whole, 0x0800, [0x88a8, 0x8100])],
    ['Linux cooked', 113, sll],
    ['Linux cooked 2', 276, sll2],
    ['raw IP', 101, whole],
    ['raw IPv4', 228, whole],
    ['loopback', 0, Buffer.concat([Buffer.of(2, 0, 0, 0), whole])],
    ['OpenBSD loopback', 108, Buffer.concat([Buffer.of(0, 0, 0, 2), whole])],
  ])('of %s', (_name, linkType, frame) => {
    expect(new Dissector().next(frame, linkType)).toEqual({
      kind: 'udp',
      family: 4,
      source: '10.0.0.1',
      destination: '10.0.0.255',
      sourcePort: 40_000,
      destinationPort: 694,
      payload: expect.any(Uint8Array),
      missingBytes: 0,
    });
  });

  test('of IPv6, with and without options before UDP', () => {
    const options = Buffer.of(17, 0, 1, 4, 0, 0, 0, 0);
    for (const packet of [ipv6(udp(payload)), ipv6(udp(payload), 0, options)]) {
      const datagram = new Dissector().next(ethernet(packet, 0x86dd), 1);
      expect(datagram).toMatchObject({
        family: 6,
        source: 'fd00::1',
        destination: 'ff12::1:2:3:4',
        destinationPort: 694,
      });
      expect(payloadOf(datagram)).toBe('hello, node');
    }
  });

  test.each([
    ['request', 'echo-request', ethernet(ipv4(icmp(8, payload), { protocol: 1 }))],
    ['reply', 'echo-reply', ethernet(ipv4(icmp(0, payload), { protocol: 1 }))],
    ['request (v6)', 'echo-request', ethernet(ipv6(icmp(128, payload), 58), 0x86dd)],
    ['reply (v6)', 'echo-reply', ethernet(ipv6(icmp(129, payload), 58), 0x86dd)],
  ])('of an echo %s', (_name, kind, frame) => {
    const datagram = new Dissector().next(frame, 1);
    expect(datagram).toMatchObject({ kind });
    expect(payloadOf(datagram)).toBe('hello, node');
  });

  test.each([
    ['ARP', ethernet(Buffer.alloc(28), 0x0806)],
    ['TCP', ethernet(ipv4(Buffer.alloc(20), { protocol: 6 }))],
    ['an ICMP error', ethernet(ipv4(icmp(3, payload), { protocol: 1 }))],
    ['neighbour discovery', ethernet(ipv6(icmp(135, payload), 58), 0x86dd)],
    ['half an IP header', ethernet(whole.subarray(0, 12))],
    ['half an Ethernet header', ethernet(whole).subarray(0, 10)],
  ])('of %s are passed over', (_name, frame) => {
    expect(new Dissector().next(frame, 1)).toBeNull();
  });

  test('of a link type that is not known', () => {
    expect(new Dissector().next(whole, 105)).toBe('unknown-link');
  });

  test('cut by the capture tell what is missing', () => {
    const frame = ethernet(whole);
    expect(new Dissector().next(frame.subarray(0, -4), 1)).toMatchObject({ missingBytes: 4 });
    expect(new Dissector().next(ethernet(ipv4(icmp(8, payload), { protocol: 1 })).subarray(0, -4), 1)).toMatchObject({
      missingBytes: 4,
    });
  });

  test('never make it throw', () => {
    const samples = [
      ethernet(whole, 0x0800, [0x8100]),
      sll,
      sll2,
      whole,
      ethernet(ipv6(udp(payload), 0, Buffer.of(17, 0, 1, 4, 0, 0, 0, 0)), 0x86dd),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.constantFrom(0, 1, 101, 113, 276),
        fc.nat(),
        fc.nat(255),
        fc.nat(60),
        (frame, linkType, place, value, drop) => {
          const damaged = Uint8Array.from(frame.subarray(0, Math.max(0, frame.length - drop)));
          if (damaged.length > 0) damaged[place % damaged.length] = value;
          const datagram = new Dissector().next(damaged, linkType);
          if (datagram !== null && datagram !== 'unknown-link') expect(datagram.missingBytes).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('fragments', () => {
  const large = Buffer.from('0123456789abcdef'.repeat(300));
  const datagram = udp(large);
  const cuts = [0, 1480, 2960, 4440];
  const parts = cuts.map((start) => ({ start, bytes: datagram.subarray(start, start + 1480), more: start < 4440 }));
  const fourFrames = parts.map(({ start, bytes, more }) => ethernet(ipv4(bytes, { id: 77, offset: start, more })));
  const sixFrames = parts.map(({ start, bytes, more }) =>
    ethernet(ipv6(bytes, 44, fragmentHeader(17, 99, start, more)), 0x86dd),
  );

  test.each([
    ['IPv4', fourFrames],
    ['IPv6', sixFrames],
  ])('of %s are put together in any order, doubled ones too', (_name, list) => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...list, ...list], { minLength: 8 }), (order) => {
        const [first] = found(order);
        expect(first && Buffer.from(first.payload).equals(large)).toBe(true);
        expect(first?.destinationPort).toBe(694);
      }),
      { numRuns: 30 },
    );
  });

  test('that miss one give nothing, and are counted', () => {
    const dissector = new Dissector();
    for (const frame of fourFrames.slice(1)) expect(dissector.next(frame, 1)).toBeNull();
    expect(dissector.incomplete).toBe(1);
  });

  test('that overlap give nothing', () => {
    const reassembler = new Reassembler();
    expect(reassembler.add('a', 0, true, new Uint8Array(16))).toBeNull();
    expect(reassembler.add('a', 8, false, new Uint8Array(16))).toBeNull();
    expect(reassembler.incomplete).toBe(1);
    // The same datagram sent again, unharmed, is fine.
    expect(reassembler.add('a', 0, true, new Uint8Array(16))).toBeNull();
    expect(plain(reassembler.add('a', 16, false, new Uint8Array(8)) ?? new Uint8Array())).toHaveLength(24);
  });

  test('of endless datagrams do not fill memory, nor reach past the largest packet', () => {
    const reassembler = new Reassembler();
    for (let id = 0; id < 1000; id++) expect(reassembler.add(`${id}`, 0, true, new Uint8Array(8))).toBeNull();
    expect(reassembler.incomplete).toBe(1000);
    expect(reassembler.add('999', 65_528, false, new Uint8Array(100))).toBeNull();
  });
});
