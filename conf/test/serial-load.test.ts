import { describe, expect, test } from 'vitest';
import { linkName } from '../../runtime/units.ts';
import { slowLines } from '../serial-load.ts';
import type { MediumSpec } from '../settings.ts';

const serial = (baud: number, device = '/dev/ttyS0'): MediumSpec => ({
  kind: 'serial',
  link: linkName(device),
  device,
  baud,
  place: { file: 'ha.cf', line: 1, column: 1 },
});
const bcast: MediumSpec = {
  kind: 'bcast',
  link: linkName('eth0'),
  device: 'eth0',
  port: 694,
  place: { file: 'ha.cf', line: 2, column: 1 },
};
const two = ['node1', 'node2'];

describe('a serial line', () => {
  test.each([
    { baud: 19_200, keepaliveMs: 1_000, slow: null },
    { baud: 9_600, keepaliveMs: 500, slow: null },
    { baud: 9_600, keepaliveMs: 250, slow: { takesMs: 214, enoughBaud: 19_200, enoughKeepaliveMs: 430 } },
    { baud: 19_200, keepaliveMs: 50, slow: { takesMs: 107, enoughBaud: 115_200, enoughKeepaliveMs: 220 } },
    { baud: 460_800, keepaliveMs: 5, slow: { takesMs: 4, enoughBaud: null, enoughKeepaliveMs: 10 } },
  ])('of $baud baud at a keepalive of $keepaliveMs ms', ({ baud, keepaliveMs, slow }) => {
    const found = slowLines([serial(baud), bcast], { keepaliveMs, nodes: two });
    expect(found).toMatchObject(slow === null ? [] : [slow]);
    expect(found).toHaveLength(slow === null ? 0 : 1);
  });

  test('of a ring carries the heartbeats of others as well', () => {
    const media = [serial(9_600), serial(9_600, '/dev/ttyS1')];
    const nodes = ['node1', 'node2', 'node3', 'node4'];
    expect(slowLines(media, { keepaliveMs: 1_000, nodes: two })).toEqual([]);
    expect(slowLines(media, { keepaliveMs: 1_000, nodes })).toMatchObject([
      { bytes: 615, takesMs: 641, enoughBaud: 19_200 },
      { bytes: 615, takesMs: 641, enoughBaud: 19_200 },
    ]);
    // One port is no ring.
    expect(slowLines(media.slice(0, 1), { keepaliveMs: 1_000, nodes })).toEqual([]);
  });
});
