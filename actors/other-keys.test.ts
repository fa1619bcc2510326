import { expect, describe as group, it } from 'vitest';
import { nodeName } from '../runtime/units.ts';
import { OtherKeys } from './other-keys.ts';

const forMs = 10_000;
const peers = ['node1', 'node2'];

group('other keys', () => {
  it('of a peer count from its first packet with one to its first with ours', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    expect([keys.any, keys.anyAt(0)]).toEqual([false, false]);
    keys.note('node2', 2, 1_000);
    expect(keys.anyAt(1_000 + forMs)).toBe(true);
    keys.note('node2', undefined, 2_000);
    expect(keys.anyAt(2_000)).toBe(false);
  });

  it('end when the node has said nothing for so long that it is dead', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    keys.note('node2', 2, 1_000);
    expect(keys.anyAt(1_001 + forMs)).toBe(false);
    expect(keys.any).toBe(false);
  });

  it('are no matter of our own words that come back', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    keys.note('node1', 1, 1_000);
    expect(keys.any).toBe(false);
  });

  it('are taken for granted when we change first, until each peer is heard with the new one', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    keys.changed(1, 2, [...peers, 'node3'], 1_000);
    expect(keys.anyAt(1_000)).toBe(true);
    keys.note('node2', undefined, 1_500);
    expect(keys.anyAt(1_500)).toBe(true);
    keys.note('node3', undefined, 1_500);
    expect(keys.anyAt(1_500)).toBe(false);
  });

  it('end at once when we change last', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    keys.note('node2', 2, 1_000);
    keys.changed(1, 2, peers, 1_200);
    expect(keys.anyAt(1_200)).toBe(false);
  });

  it('do not arise from a reload that selects the same key', () => {
    const keys = new OtherKeys(nodeName('node1'), forMs);
    keys.changed(1, 1, peers, 1_000);
    expect(keys.any).toBe(false);
  });
});
