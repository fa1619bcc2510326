/**
 * Reads the capture format of tcpdump (`-w`) as it streams in, and UDP datagrams out of it. Pure.
 *
 * Deliberately not the product's own reader: the lab judges the product.
 */

/** One captured Ethernet frame. */
export interface CapturedFrame {
  /** When the kernel saw it [epoch ms, with fraction]. */
  readonly atMs: number;
  readonly bytes: Uint8Array;
  /** Its length on the wire; larger than `bytes` when the capture was cut. */
  readonly wireLengthBytes: number;
}

/** A UDP datagram over IPv4, not fragmented. */
export interface Datagram {
  readonly atMs: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** The file has another format than little- or big-endian pcap with microseconds over Ethernet. */
export class PcapFormatError extends Error {
  override readonly name = 'PcapFormatError';
}

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
const microsecondMagic = 0xa1b2c3d4;
const linkTypeEthernet = 1;

/** Takes the bytes in pieces of any size and gives out whole frames. */
export class PcapReader {
  #pending: Uint8Array = new Uint8Array(0);
  #littleEndian: boolean | undefined;

  /** @throws PcapFormatError when the file header is not one this reader knows */
  push(chunk: Uint8Array): CapturedFrame[] {
    this.#pending = concat(this.#pending, chunk);
    const view = new DataView(this.#pending.buffer, this.#pending.byteOffset, this.#pending.byteLength);
    let offset = 0;
    if (this.#littleEndian === undefined) {
      if (view.byteLength < fileHeaderBytes) return [];
      this.#littleEndian = byteOrder(view);
      offset = fileHeaderBytes;
    }
    const littleEndian = this.#littleEndian;
    const frames: CapturedFrame[] = [];
    while (offset + recordHeaderBytes <= view.byteLength) {
      const seconds = view.getUint32(offset, littleEndian);
      const micros = view.getUint32(offset + 4, littleEndian);
      const length = view.getUint32(offset + 8, littleEndian);
      const wireLengthBytes = view.getUint32(offset + 12, littleEndian);
      const end = offset + recordHeaderBytes + length;
      if (end > view.byteLength) break;
      const bytes = this.#pending.slice(offset + recordHeaderBytes, end);
      frames.push({ atMs: seconds * 1_000 + micros / 1_000, bytes, wireLengthBytes });
      offset = end;
    }
    this.#pending = this.#pending.slice(offset);
    return frames;
  }
}

/** The UDP datagram in a frame; null for anything else, and for fragments. */
export function udpDatagram(frame: CapturedFrame): Datagram | null {
  const { bytes, atMs } = frame;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ethernetBytes = 14;
  if (view.byteLength < ethernetBytes + 28 || view.getUint16(12) !== 0x0800) return null;
  const ipHeaderBytes = (view.getUint8(ethernetBytes) & 0x0f) * 4;
  const fragmentBits = view.getUint16(ethernetBytes + 6) & 0x3fff;
  const udp = ethernetBytes + ipHeaderBytes;
  if (view.getUint8(ethernetBytes + 9) !== 17 || fragmentBits !== 0 || view.byteLength < udp + 8) return null;
  const quad = (at: number): string => [...bytes.subarray(at, at + 4)].join('.');
  return {
    atMs,
    source: quad(ethernetBytes + 12),
    sourcePort: view.getUint16(udp),
    destination: quad(ethernetBytes + 16),
    destinationPort: view.getUint16(udp + 2),
    payload: bytes.subarray(udp + 8, udp + view.getUint16(udp + 4)),
  };
}

function byteOrder(view: DataView): boolean {
  const littleEndian = view.getUint32(0, true) === microsecondMagic;
  if (!littleEndian && view.getUint32(0, false) !== microsecondMagic) throw new PcapFormatError('not a pcap file');
  const linkType = view.getUint32(20, littleEndian);
  if (linkType !== linkTypeEthernet) throw new PcapFormatError(`link type ${linkType} is not Ethernet`);
  return littleEndian;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
