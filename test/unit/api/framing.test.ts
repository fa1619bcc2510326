import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, type Frame, FrameReader } from '../../../actors/api/framing.ts';
import { binaryField, type FieldList, field } from '../../../runtime/message/message.ts';

const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,10}$/).filter((text) => text !== 'auth');
const value = fc.stringMatching(/^[ -~äß]{0,40}$/);
const message: fc.Arbitrary<FieldList> = fc
  .array(
    fc.oneof(
      fc.tuple(name, value).map(([n, v]) => field(n, v)),
      name.map((n) => binaryField(n, Uint8Array.of(0, 255, 61))),
    ),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .map((fields) => [field('t', 'x'), ...fields]);

function read(reader: FrameReader): Frame[] {
  const frames: Frame[] = [];
  for (let frame = reader.next(); frame !== null; frame = reader.next()) frames.push(frame);
  return frames;
}

function header(bodyBytes: number, magic = 0xabcd): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(bodyBytes, 0);
  bytes.writeUInt32LE(magic, 4);
  return bytes;
}

describe('frames', () => {
  it('come out of the stream as they went in, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('classic', 'netstring'),
        fc.array(fc.nat(200), { maxLength: 40 }),
        (messages, msgFmt, cuts) => {
          const bytes = Buffer.concat(messages.map((fields) => encodeFrame(fields, msgFmt)));
          const reader = new FrameReader();
          const frames: Frame[] = [];
          let at = 0;
          for (const length of [...cuts, bytes.length]) {
            reader.push(Buffer.from(bytes.subarray(at, at + length)));
            frames.push(...read(reader));
            at += length;
          }
          expect(frames).toEqual(messages.map((fields) => ({ type: 'message', fields })));
        },
      ),
    );
  });

  it('never throw, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), fc.boolean(), (chunks, framed) => {
        const reader = new FrameReader();
        for (const chunk of chunks) {
          reader.push(framed ? Buffer.concat([header(chunk.length), chunk]) : chunk);
          read(reader);
        }
      }),
    );
  });

  it('are given up at a wrong magic number, and nothing comes after', () => {
    const reader = new FrameReader();
    reader.push(Buffer.concat([header(4, 0xabce), Buffer.from('xxxx'), encodeFrame([field('t', 'x')], 'classic')]));
    expect(read(reader).map(({ type }) => type)).toEqual(['broken']);
    reader.push(encodeFrame([field('t', 'x')], 'classic'));
    expect(read(reader)).toEqual([]);
  });

  it.each([[262_145], [2 ** 31], [2 ** 32 - 1]])('are refused by their announced size: %d', (bodyBytes) => {
    const reader = new FrameReader();
    reader.push(header(bodyBytes));
    expect(read(reader)).toMatchObject([{ type: 'broken' }]);
  });

  it('that are empty or no message leave the stream usable', () => {
    const reader = new FrameReader();
    reader.push(Buffer.concat([header(0), header(3), Buffer.from('abc'), encodeFrame([field('t', 'x')], 'classic')]));
    expect(read(reader).map(({ type }) => type)).toEqual(['unreadable', 'unreadable', 'message']);
  });

  it('may come without their NUL', () => {
    const body = Buffer.from('>>>\nt=x\n<<<\n');
    const reader = new FrameReader();
    reader.push(Buffer.concat([header(body.length), body]));
    expect(read(reader)).toEqual([{ type: 'message', fields: [field('t', 'x')] }]);
  });

  it('of the largest size arrive byte by byte in reasonable time', () => {
    const fields = [field('t', 'x'), field('data', 'y'.repeat(260_000))];
    const bytes = encodeFrame(fields, 'classic');
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at++) {
      reader.push(bytes.subarray(at, at + 1));
      frames.push(...read(reader));
    }
    expect(frames).toEqual([{ type: 'message', fields }]);
  });

  it('cannot be made of what is larger than a frame', () => {
    expect(() => encodeFrame([field('t', 'x'.repeat(262_144))], 'classic')).toThrow(
      expect.objectContaining({ code: 'HB_CODEC_TOO_LARGE' }),
    );
  });
});
