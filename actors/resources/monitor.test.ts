import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../runtime/clock.ts';
import { ms } from '../../runtime/units.ts';
import { type GroupCheck, Monitor, nextLookMs } from './monitor.ts';

const held: GroupCheck = { result: 'held' };
const unsure: GroupCheck = { result: 'unsure', resource: 'svc' };

class Bench {
  readonly clock = new SimulatedClock();
  readonly looksMs: number[] = [];
  readonly failures: string[] = [];
  readonly lines: string[] = [];
  answer: (look: number) => Promise<GroupCheck> = () => Promise.resolve(held);
  readonly monitor: Monitor;

  constructor(keys: readonly string[] = ['web']) {
    this.monitor = new Monitor({
      clock: this.clock,
      intervalMs: 1_000,
      keys,
      check: () => {
        this.looksMs.push(this.clock.now());
        return this.answer(this.looksMs.length);
      },
      failed: (key, resource) => this.failures.push(`${key} ${resource}`),
      log: (_severity, text) => this.lines.push(text),
      broken: (error) => {
        throw error;
      },
    });
  }

  /** Moves the time in steps, so that looks that are answered at once plan the next one in time. */
  async pass(seconds: number): Promise<void> {
    for (let step = 0; step < seconds; step++) {
      this.clock.increment(ms(1_000));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }
}

describe('nextLookMs', () => {
  it.each([
    [0, 1_000],
    [2, 1_000],
    [3, 2_000],
    [4, 4_000],
    [6, 16_000],
    [50, 16_000],
  ])('after %i answers that tell nothing: %i ms', (count, expected) => {
    expect(nextLookMs(1_000, count)).toBe(expected);
  });
});

describe('Monitor', () => {
  it('looks at every group in its rhythm and tells what has failed', async () => {
    const bench = new Bench(['web', 'db']);
    bench.answer = (look) => Promise.resolve(look === 3 ? { result: 'failed', resource: 'svc' } : held);
    await bench.pass(3);
    expect(bench.looksMs).toEqual([1_000, 1_000, 2_000, 2_000, 3_000, 3_000]);
    expect(bench.failures).toEqual(['web svc']);
  });

  it('never has two looks at one group under way', async () => {
    const bench = new Bench();
    bench.answer = () => new Promise(() => undefined);
    await bench.pass(60);
    expect(bench.looksMs).toEqual([1_000]);
  });

  it('asks an agent that tells nothing less and less often, says so once, and recovers', async () => {
    const bench = new Bench();
    bench.answer = (look) => Promise.resolve(look <= 5 ? unsure : held);
    await bench.pass(20);
    expect(bench.looksMs.map((at) => at / 1_000)).toEqual([1, 2, 3, 5, 9, 17, 18, 19, 20]);
    expect(bench.failures).toEqual([]);
    expect(bench.lines).toEqual([
      'The status of svc tells nothing, 3 times in a row: it is asked for less often until it does.',
      'The status of group web answers again.',
    ]);
  });

  it('keeps its rhythm while a group is not held', async () => {
    const bench = new Bench();
    bench.answer = () => Promise.resolve(null);
    await bench.pass(5);
    expect(bench.looksMs).toHaveLength(5);
  });

  it('tells nothing after it was closed', async () => {
    const bench = new Bench();
    const { promise, resolve } = Promise.withResolvers<GroupCheck>();
    bench.answer = () => promise;
    await bench.pass(1);
    bench.monitor.close();
    resolve({ result: 'failed', resource: 'svc' });
    await bench.pass(5);
    expect(bench.failures).toEqual([]);
    expect(bench.looksMs).toHaveLength(1);
  });
});
