import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type OwnershipEvent, Timeline } from './ownership.core.ts';

/** `"10 a +web"`: at 10 ms host a takes web; `-` lets it go. */
function events(...lines: readonly string[]): OwnershipEvent[] {
  return lines.map((line) => {
    const [at = '', host = '', what = ''] = line.split(' ');
    return { atMs: Number(at), host, resource: what.slice(1), held: what.startsWith('+') };
  });
}

/** `"web a,b 10-20"` for each span. */
function words(spans: ReturnType<Timeline['overlaps']>): string[] {
  return spans.map(({ resource, owners, fromMs, toMs }) => `${resource} ${owners.join(',')} ${fromMs}-${toMs}`);
}

describe('timeline', () => {
  test.each<{ name: string; history: string[]; overlaps: string[]; gaps: string[] }>([
    { name: 'nothing ever held', history: [], overlaps: [], gaps: [] },
    { name: 'held from then on', history: ['10 a +web'], overlaps: [], gaps: [] },
    { name: 'let go and not taken', history: ['10 a +web', '30 a -web'], overlaps: [], gaps: ['web  30-100'] },
    {
      name: 'handed over with a pause',
      history: ['10 a +web', '30 a -web', '35 b +web'],
      overlaps: [],
      gaps: ['web  30-35'],
    },
    { name: 'handed over without a pause', history: ['10 a +web', '30 b +web', '30 a -web'], overlaps: [], gaps: [] },
    {
      name: 'the same, told the other way round',
      history: ['10 a +web', '30 a -web', '30 b +web'],
      overlaps: [],
      gaps: [],
    },
    {
      name: 'held twice for a while',
      history: ['10 a +web', '20 b +web', '30 a -web'],
      overlaps: ['web a,b 20-30'],
      gaps: [],
    },
    { name: 'held twice to the end', history: ['10 a +web', '20 b +web'], overlaps: ['web a,b 20-100'], gaps: [] },
    {
      name: 'held three times, one after the other let go',
      history: ['10 a +web', '20 b +web', '30 c +web', '40 a -web', '50 b -web'],
      overlaps: ['web a,b 20-30', 'web a,b,c 30-40', 'web b,c 40-50'],
      gaps: [],
    },
    {
      name: 'told twice',
      history: ['10 a +web', '15 a +web', '20 a -web', '25 a -web'],
      overlaps: [],
      gaps: ['web  20-100'],
    },
    { name: 'let go without having held', history: ['5 b -web', '10 a +web', '20 b -web'], overlaps: [], gaps: [] },
    {
      name: 'told in any order',
      history: ['30 a -web', '20 b +web', '10 a +web'],
      overlaps: ['web a,b 20-30'],
      gaps: [],
    },
    { name: 'an instant of nothing', history: ['10 a +web', '20 a -web', '20 a +web'], overlaps: [], gaps: [] },
    { name: 'two resources', history: ['10 a +web', '10 b +db', '50 b -db'], overlaps: [], gaps: ['db  50-100'] },
    { name: 'after the end', history: ['10 a +web', '200 b +web'], overlaps: [], gaps: [] },
  ])('$name', ({ history, overlaps, gaps }) => {
    const timeline = new Timeline(events(...history), 100);
    expect(words(timeline.overlaps())).toEqual(overlaps);
    expect(words(timeline.gaps())).toEqual(gaps);
  });

  const history = events('10 a +web', '20 b +web', '30 a -web', '40 b -web', '60 a +web');

  test.each([
    { atMs: 9, owners: [] },
    { atMs: 10, owners: ['a'] },
    { atMs: 20, owners: ['a', 'b'] },
    { atMs: 29.9, owners: ['a', 'b'] },
    { atMs: 30, owners: ['b'] },
    { atMs: 40, owners: [] },
    { atMs: 100, owners: ['a'] },
    { atMs: 101, owners: [] },
  ])('owners at $atMs ms', ({ atMs, owners }) => {
    expect(new Timeline(history, 100).owners('web', atMs)).toEqual(owners);
  });

  test('holdings name each host and time', () => {
    expect(new Timeline(history, 100).holdings()).toEqual([
      { resource: 'web', host: 'a', fromMs: 10, toMs: 30 },
      { resource: 'web', host: 'b', fromMs: 20, toMs: 40 },
      { resource: 'web', host: 'a', fromMs: 60, toMs: 100 },
    ]);
  });

  test('a range cuts, and short spans can be left out', () => {
    const timeline = new Timeline(history, 100);
    expect(words(timeline.overlaps({ fromMs: 25 }))).toEqual(['web a,b 25-30']);
    expect(words(timeline.overlaps({ toMs: 22 }))).toEqual(['web a,b 20-22']);
    expect(words(timeline.overlaps({ fromMs: 30 }))).toEqual([]);
    expect(words(timeline.overlaps({ atLeastMs: 11 }))).toEqual([]);
    expect(words(timeline.gaps({ resource: 'web', fromMs: 45, toMs: 50 }))).toEqual(['web  45-50']);
    expect(timeline.holdings({ fromMs: 35, toMs: 70 })).toEqual([
      { resource: 'web', host: 'b', fromMs: 35, toMs: 40 },
      { resource: 'web', host: 'a', fromMs: 60, toMs: 70 },
    ]);
  });

  test('at every moment the answers agree with a plain replay of the events', () => {
    const event = fc.record({
      atMs: fc.integer({ min: 0, max: 40 }).map((tick) => tick * 2),
      host: fc.constantFrom('a', 'b', 'c'),
      resource: fc.constant('web'),
      held: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(event, { selector: ({ atMs, host }) => `${atMs} ${host}`, maxLength: 40 }), (list) => {
        const timeline = new Timeline(list, 100);
        // Odd moments lie between all events, so no rule about equal times matters.
        for (let atMs = 1; atMs < 100; atMs += 2) {
          const last = new Map<string, boolean>();
          for (const { host, held, atMs: eventMs } of list.toSorted((x, y) => x.atMs - y.atMs)) {
            if (eventMs <= atMs) last.set(host, held);
          }
          const holders = [...last].filter(([, held]) => held).map(([host]) => host);
          const covering = { fromMs: atMs, toMs: atMs + 0.5 };
          expect(timeline.owners('web', atMs)).toEqual(holders.sort());
          expect(timeline.overlaps(covering)).toHaveLength(holders.length >= 2 ? 1 : 0);
          expect(
            timeline
              .holdings(covering)
              .map(({ host }) => host)
              .sort(),
          ).toEqual(holders);
        }
      }),
    );
  });
});
