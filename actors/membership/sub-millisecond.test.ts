/** Heartbeats more often than once in a millisecond, as `keepalive 500us` wants them. */
import { expect, it } from 'vitest';
import { getString } from '../../runtime/message/message.ts';
import { ms } from '../../runtime/units.ts';
import { activeBench } from './test-bench.ts';

const times = { keepaliveMs: ms(0.5), warntimeMs: ms(1), deadtimeMs: ms(1.2), initdeadMs: ms(12_000) };

it('sends one in each half of a millisecond', () => {
  // In the first five seconds a node is not judged by the dead time that is configured.
  const { bench, peer } = activeBench(times);
  for (let atMs = 200.5; atMs <= 210; atMs += 0.5) bench.packetAt(atMs, peer.status('active', { dt: 2 }));
  const sentMs = bench.record.flatMap(({ atMs, effect }) =>
    effect.type === 'transmit' && effect.messageType === 'status' && atMs > 205 ? [atMs] : [],
  );
  expect(sentMs).toEqual([205.5, 206, 206.5, 207, 207.5, 208, 208.5, 209, 209.5, 210]);
});

it('advertises whole milliseconds, never fewer than are configured', () => {
  const { bench, peer } = activeBench(times);
  for (let atMs = 200.5; atMs <= 6_000; atMs += 0.5) bench.packetAt(atMs, peer.status('active', { dt: 2 }));
  const newest = bench.sent('status').at(-1) ?? [];
  expect(getString(newest, 'dt')).toBe('2');
});

it('declares a death at the advertised time', () => {
  const { bench, peer } = activeBench(times);
  for (let atMs = 200.5; atMs <= 210; atMs += 0.5) bench.packetAt(atMs, peer.status('active', { dt: 2 }));
  bench.runUntil(220);
  const death = bench.events().find((event) => event.type === 'node-dead');
  expect(death).toMatchObject({ decidedMs: 212, silentMs: 2, limitMs: 2 });
});
