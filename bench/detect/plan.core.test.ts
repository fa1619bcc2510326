import { describe, expect, test } from 'vitest';
import { defaultPlan, loads, pairingsOf, parseChoice, parseTimings, timingName } from './plan.core.ts';

describe('timings on the command line', () => {
  test('are keepalive/deadtime in ms, fractions too', () => {
    expect(parseTimings('5/15, 0.5/1.5')).toEqual([
      { keepaliveMs: 5, deadtimeMs: 15 },
      { keepaliveMs: 0.5, deadtimeMs: 1.5 },
    ]);
    expect(parseTimings('5/15').map(timingName)).toEqual(['5/15']);
  });

  test.each(['', '5', '5/', '/15', '15/5', '5/5', '0/5', '-5/15', '5ms/15ms', '5/15,'])('%j is refused', (text) => {
    expect(() => parseTimings(text)).toThrow(RangeError);
  });
});

test('a choice names what there is when it is wrong', () => {
  expect(parseChoice('busy,idle', loads)).toEqual(['busy', 'idle']);
  expect(() => parseChoice('idle,lazy', loads)).toThrow('"lazy" is none of idle, busy');
});

describe('pairings of a round', () => {
  const able = { name: 'able', missing: () => null, supports: () => ({ ok: true, deadtimeMs: 15 }) as const };
  const absent = { ...able, name: 'absent', missing: () => 'not installed' };
  const own = { ...able, name: 'own', hasOwnMedium: true };
  const picky = {
    ...able,
    name: 'picky',
    supports: ({ keepaliveMs }: { keepaliveMs: number }) =>
      keepaliveMs < 10 ? ({ ok: false, why: 'too fast' } as const) : ({ ok: true, deadtimeMs: 31 } as const),
  };
  const plan = { ...defaultPlan, timings: parseTimings('5/15,10/30'), media: ['ucast', 'bcast'] as const };

  test('take the peers one after the other at each timing, and say what is left out', () => {
    const skipped: string[] = [];
    const pairings = pairingsOf(plan, [able, absent, picky], 'ucast', (...words) => skipped.push(words.join(' ')));
    expect(pairings.map(({ peer, timing, deadtimeMs }) => [peer.name, timingName(timing), deadtimeMs])).toEqual([
      ['able', '5/15', 15],
      ['able', '10/30', 15],
      ['picky', '10/30', 31],
    ]);
    expect(skipped).toEqual(['absent  not installed', 'picky 5/15 too fast']);
  });

  test('leave a peer with a medium of its own to the first medium', () => {
    const names = (medium: 'ucast' | 'bcast'): string[] =>
      pairingsOf(plan, [able, own], medium, () => undefined).map(({ peer }) => peer.name);
    expect(names('ucast')).toEqual(['able', 'own', 'able', 'own']);
    expect(names('bcast')).toEqual(['able', 'able']);
  });
});
