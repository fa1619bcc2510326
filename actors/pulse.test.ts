import { describe, expect, test } from 'vitest';
import { linkName, nodeName } from '../runtime/units.ts';
import { createPulseBoard, PulseBoard } from './pulse.ts';

const [node1, node2] = [nodeName('node1'), nodeName('node2')];
const [eth0, eth1] = [linkName('eth0'), linkName('eth1')];

/** The board as two threads see it. */
function boards(): { readonly first: PulseBoard; readonly second: PulseBoard } {
  const shape = createPulseBoard([node1, node2], [eth0, eth1]);
  return { first: new PulseBoard(shape), second: new PulseBoard(shape) };
}

describe('the pulse board', () => {
  test('is empty, and knows no strangers', () => {
    const { first } = boards();
    expect([first.heard(node2), first.heardOn(node2, eth1), first.heard(nodeName('node9'))]).toEqual([
      null,
      null,
      null,
    ]);
    expect([first.row('node9'), first.column(linkName('eth9'))]).toEqual([-1, -1]);
  });

  test('a status on both links stamps both, and the node when it came first', () => {
    const { first, second } = boards();
    first.stampStatus(1, 0, 7, 3, 100, 1);
    second.stampStatus(1, 1, 7, 3, 101, 1);
    expect([first.heard(node2), first.heardOn(node2, eth0), first.heardOn(node2, eth1)]).toEqual([100, 100, 101]);
    expect(first.heard(node1)).toBeNull();
  });

  test('what was recorded on one link does not keep the node alive on another that has not seen it', () => {
    const { first, second } = boards();
    for (let sequence = 1; sequence <= 9; sequence++) first.stampStatus(1, 0, 7, sequence, 100 + sequence, 1);
    for (let sequence = 1; sequence <= 9; sequence++) second.stampStatus(1, 1, 7, sequence, 500 + sequence, 1);
    expect(first.heard(node2)).toBe(109);
    second.stampStatus(1, 1, 7, 10, 600, 1);
    expect(first.heard(node2)).toBe(600);
  });

  test.each([
    { what: 'a higher generation', generation: 8, sequence: 1, heard: 200 },
    { what: 'a lower generation', generation: 6, sequence: 99, heard: 100 },
    { what: 'a generation beyond all bounds', generation: 2 ** 64, sequence: 2 ** 64, heard: 200 },
  ])('$what on another link', ({ generation, sequence, heard }) => {
    const { first } = boards();
    first.stampStatus(1, 0, 7, 3, 100, 1);
    first.stampStatus(1, 1, generation, sequence, 200, 1);
    expect(first.heard(node2)).toBe(heard);
  });

  test('an answer of a ping node stamps without numbers', () => {
    const { first } = boards();
    first.stamp(0, 1, 5);
    expect([first.heard(node1), first.heardOn(node1, eth1), first.heardOn(node1, eth0)]).toEqual([5, 5, null]);
  });
});
