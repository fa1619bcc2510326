/** Builds frames and capture files for the tests of `systole decode`. */

/** Big-endian 16-bit words as bytes. */
function words(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >>> 8, value & 0xff]));
}

export function udp(payload: Uint8Array, destinationPort = 694, sourcePort = 40_000): Buffer {
  return Buffer.concat([words(sourcePort, destinationPort, payload.length + 8, 0), payload]);
}

/** An ICMP or ICMPv6 message of that type, code 0. */
export function icmp(type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([words(type << 8, 0, 1, 1), payload]);
}

export interface Ipv4Options {
  readonly protocol?: number;
  readonly id?: number;
  /** [bytes] */
  readonly offset?: number;
  readonly more?: boolean;
}

/** From 10.0.0.1 to 10.0.0.255. */
export function ipv4(
  payload: Uint8Array,
  { protocol = 17, id = 1, offset = 0, more = false }: Ipv4Options = {},
): Buffer {
  const flags = (more ? 0x2000 : 0) | (offset / 8);
  const header = words(0x4500, payload.length + 20, id, flags, (64 << 8) | protocol, 0);
  return Buffer.concat([header, Buffer.of(10, 0, 0, 1, 10, 0, 0, 255), payload]);
}

/** From fd00::1 to ff12::1:2:3:4; `extension` is a header between, which names the protocol itself. */
export function ipv6(payload: Uint8Array, protocol = 17, extension: Uint8Array = new Uint8Array()): Buffer {
  const source = words(0xfd00, 0, 0, 0, 0, 0, 0, 1);
  const destination = words(0xff12, 0, 0, 0, 1, 2, 3, 4);
  const start = words(0x6000, 0, payload.length + extension.length, (protocol << 8) | 64);
  return Buffer.concat([start, source, destination, extension, payload]);
}

/** IPv6 fragment header. @param offset [bytes] */
export function fragmentHeader(next: number, id: number, offset: number, more: boolean): Buffer {
  return words(next << 8, offset | (more ? 1 : 0), id >>> 16, id & 0xffff);
}

export function ethernet(packet: Uint8Array, etherType = 0x0800, tags: readonly number[] = []): Buffer {
  return Buffer.concat([Buffer.alloc(12), words(...tags.flatMap((tag) => [tag, 7]), etherType), packet]);
}

export interface Frame {
  readonly timeS: number;
  readonly bytes: Uint8Array;
  /** Length on the wire when the capture cut it [bytes]. */
  readonly wireBytes?: number;
}

/** Frames one tenth of a second apart from 2023-11-14 22:13:20 UTC. */
export function frames(...packets: readonly Uint8Array[]): Frame[] {
  return packets.map((bytes, index) => ({ timeS: 1_700_000_000 + index / 10, bytes }));
}

export function pcap(list: readonly Frame[], { linkType = 1, bigEndian = false, nanoseconds = false } = {}): Buffer {
  const long = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (bigEndian) bytes.writeUInt32BE(value);
    else bytes.writeUInt32LE(value);
    return bytes;
  };
  const version = bigEndian ? Buffer.of(0, 2, 0, 4) : Buffer.of(2, 0, 4, 0);
  const header = [
    long(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4),
    version,
    long(0),
    long(0),
    long(262_144),
    long(linkType),
  ];
  const ticksPerS = nanoseconds ? 1e9 : 1e6;
  const packets = list.flatMap(({ timeS, bytes, wireBytes = bytes.length }) => {
    const ticks = Math.round((timeS % 1) * ticksPerS);
    return [long(Math.floor(timeS)), long(ticks), long(bytes.length), long(wireBytes), Buffer.from(bytes)];
  });
  return Buffer.concat([...header, ...packets]);
}

function block(type: number, body: Uint8Array): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  const edge = Buffer.alloc(8);
  edge.writeUInt32LE(type, 0);
  edge.writeUInt32LE(padded.length + 12, 4);
  return Buffer.concat([edge, padded, edge.subarray(4)]);
}

function longs(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}

/** A little-endian pcapng with nanosecond times and an unknown block between; `simple` uses blocks without time. */
export function pcapng(list: readonly Frame[], { linkType = 1, simple = false } = {}): Buffer {
  const section = block(0x0a0d0d0a, longs(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff));
  const resolution = Buffer.of(9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0);
  const description = block(1, Buffer.concat([longs(linkType, 0), resolution]));
  const packets = list.map(({ timeS, bytes, wireBytes = bytes.length }) => {
    if (simple) return block(3, Buffer.concat([longs(wireBytes), bytes]));
    const ticks = BigInt(Math.floor(timeS)) * 1_000_000_000n + BigInt(Math.round((timeS % 1) * 1e6)) * 1000n;
    const header = longs(0, Number(ticks >> 32n), Number(ticks & 0xffffffffn), bytes.length, wireBytes);
    return block(6, Buffer.concat([header, bytes]));
  });
  return Buffer.concat([section, description, block(0xbad, longs(1, 2)), ...packets]);
}
