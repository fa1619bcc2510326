import { describe, expect, it } from 'vitest';
import { SimulatedClock, SystemClock } from './clock.ts';
import { ms } from './units.ts';

describe('SimulatedClock', () => {
  it('fires timers in the order of their instants, equal ones in the order they were set', () => {
    const clock = new SimulatedClock();
    const fired: string[] = [];
    clock.setTimer(ms(20), () => fired.push('c'));
    clock.setTimer(ms(10), () => fired.push('a'));
    clock.setTimer(ms(10), () => fired.push('b'));
    clock.increment(ms(15));
    expect(fired).toEqual(['a', 'b']);
    clock.set(ms(20));
    expect(fired).toEqual(['a', 'b', 'c']);
  });

  it('shows each callback the instant its timer was due, and fires what callbacks set', () => {
    const clock = new SimulatedClock(ms(100));
    const seen: number[] = [];
    const tick = (): void => {
      seen.push(clock.now());
      if (seen.length < 3) clock.setTimer(ms(clock.now() + 10), tick);
    };
    clock.setTimer(ms(110), tick);
    clock.increment(ms(50));
    expect(seen).toEqual([110, 120, 130]);
    expect(clock.now()).toBe(150);
  });

  it('does not fire a cancelled timer, and never goes back', () => {
    const clock = new SimulatedClock();
    const timer = clock.setTimer(ms(5), () => expect.unreachable());
    timer.cancel();
    clock.increment(ms(10));
    expect(clock.nextMs).toBeNull();
    expect(() => clock.set(ms(9))).toThrow(RangeError);
  });
});

describe('SystemClock', () => {
  it.each(['coarse', 'precise', 'exact'] as const)('never fires early (%s)', async (accuracy) => {
    const clock = new SystemClock();
    for (const delayMs of [0, 0.3, 1, 2.7, 5.5]) {
      const atMs = ms(clock.now() + delayMs);
      const firedMs = await new Promise<number>((resolve) => {
        clock.setTimer(atMs, () => resolve(clock.now()), { accuracy });
      });
      expect(firedMs).toBeGreaterThanOrEqual(atMs);
    }
  });

  it('reads CLOCK_MONOTONIC', () => {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const now = new SystemClock().now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Number(process.hrtime.bigint()) / 1e6);
  });

  it('cancels', async () => {
    const clock = new SystemClock();
    const fired: string[] = [];
    const cancelled = clock.setTimer(ms(clock.now() + 1), () => fired.push('cancelled'), { accuracy: 'precise' });
    cancelled.cancel();
    await new Promise<void>((resolve) => {
      clock.setTimer(ms(clock.now() + 8), resolve);
    });
    expect(fired).toEqual([]);
  });
});
