import { describe, expect, it, test } from 'vitest';
import { field } from '../../runtime/message/message.ts';
import { readEvent } from './events.core.ts';
import { Stream } from './stream.ts';

const frame = (fields: Readonly<Record<string, string>>) =>
  Object.entries(fields).map(([name, value]) => field(name, value));

describe('a delivered frame', () => {
  test.each<[string, Record<string, string>, unknown]>([
    [
      'a death',
      { t: 'status', seq: '1', ts: '1', src: 'node2', st: 'dead' },
      { type: 'node', node: 'node2', status: 'dead' },
    ],
    ['a ping node', { t: 'NS_st', st: 'ping', src: 'gw' }, { type: 'node', node: 'gw', status: 'ping' }],
    [
      'a link',
      { t: 'ifstat', node: 'node2', ifname: 'eth0', st: 'up' },
      { type: 'link', node: 'node2', link: 'eth0', status: 'up' },
    ],
    [
      'a partner',
      { t: 'hbapi-clstat', st: 'join', from_id: 'x', src: 'node2' },
      { type: 'client', node: 'node2', client: 'x', status: 'join' },
    ],
    [
      'a message',
      { t: 'hello', src: 'node2', from_id: 'x', text: 'hi' },
      {
        type: 'message',
        message: {
          type: 'hello',
          from: 'node2',
          client: 'x',
          fields: { t: 'hello', src: 'node2', from_id: 'x', text: 'hi' },
        },
      },
    ],
    ['a status that is none', { t: 'status', src: 'node2', st: 'sleepy' }, null],
    ['no type', { st: 'dead' }, null],
    ['half a link', { t: 'ifstat', node: 'node2', st: 'up' }, null],
  ])('%s', (_what, fields, event) => {
    expect(readEvent(frame(fields))).toEqual(event);
  });

  it('cannot bring names that every object has', () => {
    const event = readEvent(frame({ t: 'hello', src: 'node2' }));
    expect(event?.type === 'message' && event.message.fields.constructor).toBe(undefined);
  });
});

const same = (event: number): number => event;

describe('a stream', () => {
  it('gives every reader everything since it began to read', async () => {
    const stream = new Stream<number>();
    const first = stream.read(same);
    stream.publish(1);
    const second = stream.read(same);
    stream.publish(2);
    stream.end();
    expect(await Array.fromAsync(first)).toEqual([1, 2]);
    expect(await Array.fromAsync(second)).toEqual([2]);
  });

  it('wakes a reader that waits', async () => {
    const stream = new Stream<number>();
    const next = stream.read(same).next();
    stream.publish(1);
    expect(await next).toEqual({ value: 1, done: false });
  });

  it('drops the oldest for a reader that does not read, and counts them', () => {
    const stream = new Stream<number>();
    const reader = stream.read(same);
    for (let event = 0; event < 10_005; event++) stream.publish(event);
    expect(stream.dropped).toBe(5);
    return expect(reader.next()).resolves.toEqual({ value: 5, done: false });
  });

  it('answers questions in the order in which they were asked, and all of them at the end', async () => {
    const stream = new Stream<number>();
    const reader = stream.read(same);
    const answers = [reader.next(), reader.next(), reader.next()];
    stream.publish(1);
    stream.publish(2);
    stream.end();
    expect(await Promise.all(answers)).toEqual([
      { value: 1, done: false },
      { value: 2, done: false },
      { value: undefined, done: true },
    ]);
  });

  it('forgets a reader that leaves, also one that never began', async () => {
    const stream = new Stream<number>();
    await stream.read(same).return();
    const other = stream.read(same);
    stream.publish(1);
    for await (const _event of other) break;
    expect(stream.readers).toBe(0);
  });

  it('gives a reader what it picks', async () => {
    const stream = new Stream<number>();
    const even = stream.read((event) => (event % 2 === 0 ? String(event) : null));
    for (const event of [1, 2, 3, 4]) stream.publish(event);
    stream.end();
    expect(await Array.fromAsync(even)).toEqual(['2', '4']);
  });
});
