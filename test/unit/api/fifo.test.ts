import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FifoItem, FifoReader } from '../../../actors/api/fifo.core.ts';
import { encodeNetstring } from '../../../runtime/message/datagram.ts';
import { binaryField, field } from '../../../runtime/message/message.ts';
import { asText } from './bench.ts';

function take(reader: FifoReader, chunk: Uint8Array): FifoItem[] {
  reader.push(chunk);
  const items: FifoItem[] = [];
  for (let item = reader.next(); item !== null; item = reader.next()) items.push(item);
  return items;
}

function readAll(...chunks: (string | Uint8Array)[]): string[] {
  const reader = new FifoReader();
  return chunks
    .flatMap((chunk) => take(reader, Buffer.from(chunk)))
    .map((item) => (item.type === 'message' ? asText(item.fields) : 'lost'));
}

const netstring = Buffer.from(
  encodeNetstring([field('t', 'n1'), binaryField('b', Buffer.from('%%%\n###\n'))]),
).toString('latin1');

describe('messages in the FIFO', () => {
  it.each([
    ['one', ['>>>\nt=f1\na=1\n<<<\n'], ['t=f1 a=1']],
    ['two in one write', ['>>>\nt=a\n<<<\n>>>\nt=b\n<<<\n'], ['t=a', 't=b']],
    ['one in several writes', ['>>', '>\nt=', 'a\n<', '<<\n'], ['t=a']],
    ['other lines before', ['hello\n\n>>> x\n>>>\nt=a\n<<<\n'], ['t=a']],
    ['CR LF is not recognised', ['>>>\r\nt=a\r\n<<<\r\n>>>\nt=b\n<<<\n'], ['t=b']],
    ['a line without =', ['>>>\nt=a\nnonsense\n<<<\n>>>\nt=b\n<<<\n'], ['lost', 't=b']],
    ['an empty name', ['>>>\nt=a\n=x\n<<<\n'], ['lost']],
    ['an empty value, further =, blanks', ['>>>\nt=f8\nx=\ny=a=b\n z = w \n<<<\n'], ['t=f8 x= y=a=b  z = w ']],
    ['a writer that died in the middle', ['>>>\nt=a\n>>>\nt=b\n<<<\n'], ['lost', 't=b']],
    ['a netstring', [netstring], ['t=n1 (1)b']],
    [
      'a netstring without its last newline, then a classic message',
      [`${netstring.slice(0, -1)}>>>\nt=b\n<<<\n`],
      ['t=n1 (1)b', 't=b'],
    ],
    ['a long line', [`>>>\nt=a\nx=${'y'.repeat(2_000)}\n<<<\n`], [`t=a x=${'y'.repeat(2_000)}`]],
    ['a netstring with a bad length', ['###\nabc%%%\n>>>\nt=b\n<<<\n'], ['lost', 't=b']],
  ])('%s', (_what, chunks, expected) => {
    expect(readAll(...chunks)).toEqual(expected);
  });

  it('come out the same however the writes are cut', () => {
    const text = `x\n>>>\nt=a\n<<<\n${netstring}>>>\nt=b\nv=###\n<<<\n${netstring}`;
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (cuts) => {
        const chunks: Buffer[] = [];
        let at = 0;
        for (const length of [...cuts, text.length]) {
          chunks.push(Buffer.from(text.slice(at, at + length), 'latin1'));
          at += length;
        }
        expect(readAll(...chunks)).toEqual(['t=a', 't=n1 (1)b', 't=b v=###', 't=n1 (1)b']);
      }),
    );
  });

  it('without an end are given up when they are too large, and the next one is found', () => {
    const reader = new FifoReader();
    expect(take(reader, Buffer.from(`>>>\nt=a\n${'x=y\n'.repeat(70_000)}`))).toMatchObject([{ type: 'lost' }]);
    expect(take(reader, Buffer.from('>>>\nt=b\n<<<\n'))).toMatchObject([{ type: 'message' }]);
  });
});
