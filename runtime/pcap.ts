/**
 * Reads packet captures: classic pcap (microseconds and nanoseconds, either byte order) and pcapng.
 *
 * Nothing throws on a damaged file: what can be read is given, and the generator's last word says what ended it.
 */

/** One captured packet. */
export interface CapturedPacket {
  /** When it was captured [s since 1970, float]. */
  readonly timeS: number;
  /** LINKTYPE_ number of its first header (tcpdump.org/linktypes.html). */
  readonly linkType: number;
  /** The bytes captured: a view into the file. */
  readonly bytes: Uint8Array;
  /** Its length on the wire [bytes]; more than `bytes` has when the capture was cut. */
  readonly wireBytes: number;
}

/** Why reading ended: null at the proper end of the file. */
export type CaptureEnd = string | null;

/** Larger than any snap length that tools use; a larger packet means a damaged file. */
const maxCapturedBytes = 16_777_216;

const sectionHeader = 0x0a0d0d0a;
const byteOrderMagic = 0x1a2b3c4d;

const classicMagics: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1]);

/** Whether a file begins as pcap or pcapng does. */
export function looksLikeCapture(file: Uint8Array): boolean {
  if (file.length < 4) return false;
  const magic = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(0, false);
  return magic === sectionHeader || classicMagics.has(magic);
}

/** Reads a whole capture file. */
export function* readCapture(file: Uint8Array): Generator<CapturedPacket, CaptureEnd> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.byteLength < 4) return 'no capture file: it has less than 4 bytes';
  const magic = view.getUint32(0, false);
  switch (magic) {
    case 0xa1b2c3d4:
      return yield* readClassicCapture(view, { littleEndian: false, ticksPerS: 1e6 });
    case 0xd4c3b2a1:
      return yield* readClassicCapture(view, { littleEndian: true, ticksPerS: 1e6 });
    case 0xa1b23c4d:
      return yield* readClassicCapture(view, { littleEndian: false, ticksPerS: 1e9 });
    case 0x4d3cb2a1:
      return yield* readClassicCapture(view, { littleEndian: true, ticksPerS: 1e9 });
    case sectionHeader:
      return yield* readPcapng(view);
    default:
      if (magic >>> 16 === 0x1f8b) return 'a compressed file: unpack it with gunzip first';
      return 'no capture file: neither pcap nor pcapng';
  }
}

function bytesOf(view: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
}

function* readClassicCapture(
  view: DataView,
  { littleEndian, ticksPerS }: { littleEndian: boolean; ticksPerS: number },
): Generator<CapturedPacket, CaptureEnd> {
  if (view.byteLength < 24) return 'the file ends inside its header';
  // The upper bits tell whether frames end in a checksum; only the lower 16 are the type.
  const linkType = view.getUint32(20, littleEndian) & 0xffff;
  let at = 24;
  while (at < view.byteLength) {
    if (at + 16 > view.byteLength) return `the file ends inside a packet header (byte ${at})`;
    const timeS = view.getUint32(at, littleEndian) + view.getUint32(at + 4, littleEndian) / ticksPerS;
    const capturedBytes = view.getUint32(at + 8, littleEndian);
    const wireBytes = view.getUint32(at + 12, littleEndian);
    if (capturedBytes > maxCapturedBytes) return `a packet of ${capturedBytes} bytes: the file is damaged (byte ${at})`;
    const start = at + 16;
    if (start + capturedBytes > view.byteLength) return `the file ends inside a packet (byte ${at})`;
    at = start + capturedBytes;
    yield { timeS, linkType, bytes: bytesOf(view, start, at), wireBytes };
  }
  return null;
}

interface Interface {
  readonly linkType: number;
  readonly ticksPerS: number;
  readonly offsetS: number;
  /** Most bytes captured of a packet; 0 is no limit. */
  readonly snapBytes: number;
}

function* readPcapng(view: DataView): Generator<CapturedPacket, CaptureEnd> {
  let littleEndian = false;
  let interfaces: Interface[] = [];
  let at = 0;
  while (at < view.byteLength) {
    if (at + 12 > view.byteLength) return `the file ends inside a block (byte ${at})`;
    const isSection = view.getUint32(at, false) === sectionHeader;
    if (isSection) {
      littleEndian = view.getUint32(at + 8, true) === byteOrderMagic;
      if (!littleEndian && view.getUint32(at + 8, false) !== byteOrderMagic)
        return `a section without byte order (byte ${at})`;
      interfaces = [];
    }
    const type = view.getUint32(at, littleEndian);
    const blockBytes = view.getUint32(at + 4, littleEndian);
    if (blockBytes < 12 || blockBytes % 4 !== 0)
      return `a block of ${blockBytes} bytes: the file is damaged (byte ${at})`;
    const end = at + blockBytes;
    if (end > view.byteLength) return `the file ends inside a block (byte ${at})`;
    const block = { view, littleEndian, start: at + 8, end: end - 4 };
    if (type === 1) {
      const description = readInterface(block);
      if (description === null) return `an interface block is too short (byte ${at})`;
      interfaces.push(description);
    } else if (type === 6 || type === 2 || type === 3) {
      const packet = readPacketBlock(type, block, interfaces);
      if (typeof packet === 'string') return `${packet} (byte ${at})`;
      yield packet;
    }
    at = end;
  }
  return null;
}

interface Block {
  readonly view: DataView;
  readonly littleEndian: boolean;
  /** Bounds of the block's body. */
  readonly start: number;
  readonly end: number;
}

function readInterface({ view, littleEndian, start, end }: Block): Interface | null {
  if (end - start < 8) return null;
  let ticksPerS = 1e6;
  let offsetS = 0;
  let at = start + 8;
  while (at + 4 <= end) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    const value = at + 4;
    if (code === 0 || value + length > end) break;
    if (code === 9 && length === 1) {
      const resolution = view.getUint8(value);
      ticksPerS = resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** resolution;
    } else if (code === 14 && length === 8) {
      offsetS = Number(view.getBigInt64(value, littleEndian));
    }
    at = value + length + ((4 - (length % 4)) % 4);
  }
  return {
    linkType: view.getUint16(start, littleEndian),
    snapBytes: view.getUint32(start + 4, littleEndian),
    ticksPerS,
    offsetS,
  };
}

/** Reads an enhanced (6), an old (2) or a simple (3) packet block; a text says what is wrong. */
function readPacketBlock(type: 2 | 3 | 6, block: Block, interfaces: readonly Interface[]): CapturedPacket | string {
  const { view, littleEndian, start, end } = block;
  const headerBytes = type === 3 ? 4 : 20;
  if (end - start < headerBytes) return 'a packet block is too short';
  const id = type === 6 ? view.getUint32(start, littleEndian) : type === 2 ? view.getUint16(start, littleEndian) : 0;
  const source = interfaces[id];
  if (source === undefined) return `a packet of interface ${id}, which is not described`;
  const wireBytes = view.getUint32(start + headerBytes - 4, littleEndian);
  const capturedBytes =
    type === 3
      ? Math.min(wireBytes, source.snapBytes === 0 ? wireBytes : source.snapBytes)
      : view.getUint32(start + 12, littleEndian);
  const first = start + headerBytes;
  if (first + capturedBytes > end) return 'a packet is larger than its block';
  return {
    timeS: type === 3 ? 0 : timeOf(view, start + 4, littleEndian, source),
    linkType: source.linkType,
    bytes: bytesOf(view, first, first + capturedBytes),
    wireBytes,
  };
}

function timeOf(view: DataView, at: number, littleEndian: boolean, { ticksPerS, offsetS }: Interface): number {
  const ticks = (BigInt(view.getUint32(at, littleEndian)) << 32n) | BigInt(view.getUint32(at + 4, littleEndian));
  const perS = BigInt(Math.max(1, Math.round(ticksPerS)));
  // Whole seconds and rest apart: nanoseconds since 1970 are too many digits for one double.
  return offsetS + Number(ticks / perS) + Number(ticks % perS) / Number(perS);
}
