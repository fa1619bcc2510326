/**
 * Frames of the client API: how messages stand in the byte stream between the daemon and its clients, in both directions.
 *
 * A frame is 8 bytes of header (body length, magic number; both in the machine's byte order) and a body: a classic message with a NUL behind
 * it, or a netstring.
 */
import { CodecError } from '../../runtime/errors.ts';
import { writeClassic } from '../../runtime/message/classic.ts';
import { decodeDatagram, encodeNetstring } from '../../runtime/message/datagram.ts';
import { maxMessageBytes } from '../../runtime/message/limits.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import { ByteWriter } from '../../runtime/message/writer.ts';
import { readU32, writeU32 } from '../../runtime/sys/native.ts';

const headerBytes = 8;
const magic = 0xabcd;

/** What came out of the stream: a message, a body that is none (its connection may go on), or garbage (it may not). */
export type Frame =
  | { readonly type: 'message'; readonly fields: FieldList }
  | { readonly type: 'unreadable'; readonly reason: string }
  | { readonly type: 'broken'; readonly reason: string };

/** Room for one frame of the usual size [bytes]; it doubles as a larger one arrives, so that an announcement alone costs nothing. */
const firstRoomBytes = 1_024;

/**
 * Puts a byte stream back into frames, however it was cut. It never holds more than one frame (256 KiB) and the last chunk.
 *
 * ```ts
 * reader.push(chunk);
 * for (let frame = reader.next(); frame !== null; frame = reader.next()) handle(frame);
 * ```
 *
 * Frames are taken one at a time, so that a reader may stop in the middle and go on later. After a `broken` one nothing more comes: the
 * stream has lost its footing.
 */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #broken = false;

  push(chunk: Uint8Array): void {
    if (this.#broken) return;
    const heldBytes = this.#to - this.#from;
    if (heldBytes === 0) {
      // Nearly always: the chunk begins with a frame, and is used where it is.
      this.#held = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      this.#from = 0;
      this.#to = chunk.length;
      return;
    }
    const neededBytes = heldBytes + chunk.length;
    if (this.#from + neededBytes > this.#held.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(2 * neededBytes, firstRoomBytes));
      this.#held.copy(room, 0, this.#from, this.#to);
      this.#held = room;
      this.#from = 0;
      this.#to = heldBytes;
    }
    this.#held.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  /** The next frame; null when it is not complete yet. */
  next(): Frame | null {
    if (this.#broken || this.#to - this.#from < headerBytes) return null;
    const found = readFrame(this.#held.subarray(0, this.#to), this.#from);
    if (found === null) return null;
    this.#from = found.end;
    if (found.frame.type === 'broken') this.#broken = true;
    if (this.#broken || this.#from === this.#to) {
      this.#held = Buffer.alloc(0);
      this.#from = 0;
      this.#to = 0;
    }
    return found.frame;
  }
}

/** The frame at a place with at least a header; null while its body is not complete. */
function readFrame(bytes: Buffer, at: number): { readonly frame: Frame; readonly end: number } | null {
  const bodyBytes = readU32(bytes, at);
  const end = at + headerBytes + bodyBytes;
  if (readU32(bytes, at + 4) !== magic)
    return { frame: { type: 'broken', reason: 'a frame does not start with the magic number' }, end };
  if (bodyBytes > maxMessageBytes)
    return {
      frame: { type: 'broken', reason: `a frame announces ${bodyBytes} bytes: the limit is ${maxMessageBytes}` },
      end,
    };
  if (bytes.length < end) return null;
  if (bodyBytes === 0) return { frame: { type: 'unreadable', reason: 'an empty frame' }, end };
  // Without keys: an `auth` field is a field like any other here.
  const decoded = decodeDatagram(bytes.subarray(at + headerBytes, end), null);
  return {
    frame: decoded.ok
      ? { type: 'message', fields: decoded.fields }
      : { type: 'unreadable', reason: `${decoded.reason} at byte ${decoded.atByte}` },
    end,
  };
}

const writer = new ByteWriter(4_096);

/** The signature that a message came with goes on at its end; the other fields stay in their order. */
function classicBody(fields: FieldList): Uint8Array {
  writer.length = 0;
  writeClassic(writer, fields, fields.find(([name]) => name === 'auth') ?? null);
  writer.byte(0);
  return writer.take();
}

/**
 * Makes one frame. A message with parts that the classic form cannot carry goes as a netstring, which every client reads.
 *
 * @throws CodecError when no form can carry it, or when it is larger than a frame may be
 */
export function encodeFrame(fields: FieldList, msgFmt: 'classic' | 'netstring'): Uint8Array {
  const body =
    msgFmt === 'netstring' || fields.some((entry) => entry[1] === 2 || entry[1] === 4)
      ? encodeNetstring(fields)
      : classicBody(fields);
  if (body.length > maxMessageBytes)
    throw new CodecError('HB_CODEC_TOO_LARGE', `a message of ${body.length} bytes is too large for a client`, {
      sizeBytes: body.length,
      limitBytes: maxMessageBytes,
    });
  const frame = new Uint8Array(headerBytes + body.length);
  writeU32(frame, 0, body.length);
  writeU32(frame, 4, magic);
  frame.set(body, headerBytes);
  return frame;
}
