import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms } from '../../runtime/units.ts';
import { SendQueue } from './serial-queue.core.ts';

const message = (sizeBytes: number, letter = 'x'): Uint8Array => Buffer.alloc(sizeBytes, letter);

/** 10 bits a byte: at 9600 baud a byte takes 1.0417 ms, at 100,000 baud 0.1 ms. */
const tenBytesPerMs = 100_000;

describe('the pace', () => {
  it('is that of the line: 512 bytes at a time, and the next when they are on it', () => {
    const queue = new SendQueue(tenBytesPerMs);
    queue.push(message(1_200));
    const story: string[] = [];
    let nowMs = 0;
    for (let steps = 0; steps < 20; steps++) {
      const step = queue.next(ms(nowMs));
      if (step.type === 'idle') break;
      if (step.type === 'wait') {
        nowMs = step.untilMs;
        continue;
      }
      const done = queue.written(step.bytes.length, ms(nowMs));
      story.push(`${nowMs.toFixed(1)}: ${step.bytes.length}${done === null ? '' : ` ends ${done}`}`);
    }
    expect(story).toEqual(['0.0: 512', '51.2: 512', '102.4: 176 ends 1200']);
    expect(queue.length).toBe(0);
  });

  it('holds between messages too, so that the driver never has more than a chunk', () => {
    const queue = new SendQueue(9_600);
    queue.push(message(96));
    queue.push(message(96));
    const first = queue.next(ms(0));
    expect(first.type === 'write' && queue.written(first.bytes.length, ms(0))).toBe(96);
    expect(queue.next(ms(99.9))).toEqual({ type: 'wait', untilMs: 100 });
    expect(queue.next(ms(100)).type).toBe('write');
  });

  it('goes on where the line stopped taking', () => {
    const queue = new SendQueue(tenBytesPerMs);
    queue.push(Buffer.from('abcdef'));
    expect(queue.written(2, ms(0))).toBeNull();
    const step = queue.next(ms(10));
    expect(step.type === 'write' && Buffer.from(step.bytes).toString()).toBe('cdef');
  });

  it('is held back by a break', () => {
    const queue = new SendQueue(tenBytesPerMs);
    queue.holdUntil(ms(250));
    queue.push(message(10));
    expect(queue.next(ms(0))).toEqual({ type: 'wait', untilMs: 250 });
    expect(queue.next(ms(250)).type).toBe('write');
  });
});

describe('a line that takes nothing', () => {
  it('is asked again until 500 ms are over; then the message in transit is lost, the next has its own 500 ms', () => {
    const queue = new SendQueue(tenBytesPerMs);
    queue.push(Buffer.from('first'));
    queue.push(Buffer.from('second'));
    const outcomes: string[] = [];
    for (let nowMs = 0; nowMs <= 1_200; nowMs += 20) {
      if (queue.next(ms(nowMs)).type === 'write' && queue.refused(ms(nowMs)) === 'timeout')
        outcomes.push(`${nowMs}: ${queue.length}`);
    }
    expect(outcomes).toEqual(['500: 1', '1020: 0']);
  });

  it('has a new 500 ms whenever it took something', () => {
    const queue = new SendQueue(tenBytesPerMs);
    queue.push(message(1_000));
    expect(queue.refused(ms(0))).toBe('retry');
    queue.written(1, ms(490));
    expect(queue.refused(ms(500))).toBe('retry');
    expect(queue.refused(ms(999))).toBe('retry');
    expect(queue.refused(ms(1_000))).toBe('timeout');
    expect(queue.length).toBe(0);
  });
});

describe('a line that is too slow', () => {
  // Five seconds at 9600 baud are 4800 bytes.
  it('lets newer messages overtake the oldest that wait, but not the one in transit', () => {
    const queue = new SendQueue(9_600);
    for (const letter of ['a', 'b', 'c']) expect(queue.push(message(1_600, letter))).toBe(0);
    queue.written(512, ms(0));
    expect(queue.push(message(1_600, 'd'))).toBe(1);
    expect(queue.length).toBe(3);
    const order: string[] = [];
    for (let nowMs = 0; queue.length > 0; nowMs += 10_000) {
      const step = queue.next(ms(nowMs));
      if (step.type !== 'write') continue;
      const letter = String.fromCharCode(step.bytes[0] ?? 0);
      if (order.at(-1) !== letter) order.push(letter);
      queue.written(step.bytes.length, ms(nowMs));
    }
    expect(order).toEqual(['a', 'c', 'd']);
  });

  it('still takes a message that is longer than all that may wait', () => {
    const queue = new SendQueue(9_600);
    queue.push(message(100));
    expect(queue.push(message(200_000))).toBe(1);
    expect(queue.length).toBe(1);
  });
});

it('whatever the line takes: messages come out whole and in order; only one that timed out is cut', () => {
  const action = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 2_000 }) }),
    fc.record({ take: fc.integer({ min: 0, max: 600 }), passMs: fc.integer({ min: 0, max: 400 }) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const queue = new SendQueue(19_200);
      const pushed: Uint8Array[] = [];
      let onLine = '';
      let nowMs = 0;
      for (const one of actions) {
        if ('push' in one) {
          const bytes = Buffer.from(`<${String(pushed.length).padStart(3, '0')}${'.'.repeat(one.push)}>`);
          pushed.push(bytes);
          queue.push(bytes);
          continue;
        }
        nowMs += one.passMs;
        const step = queue.next(ms(nowMs));
        if (step.type !== 'write') continue;
        const taken = step.bytes.subarray(0, one.take);
        if (taken.length > 0) queue.written(taken.length, ms(nowMs));
        else if (queue.refused(ms(nowMs)) === 'timeout') onLine = onLine.slice(0, onLine.lastIndexOf('>') + 1);
        onLine += Buffer.from(taken).toString();
      }
      const whole = [...onLine.matchAll(/<(\d{3})\.*>/g)];
      const partial = onLine.slice(onLine.lastIndexOf('>') + 1);
      expect(onLine).toBe(whole.map((match) => match[0]).join('') + partial);
      for (const match of whole) expect(match[0]).toBe(Buffer.from(pushed[Number(match[1])] ?? []).toString());
      const numbers = whole.map((match) => Number(match[1]));
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }),
  );
});
