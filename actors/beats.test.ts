import { beforeEach, describe, expect, it } from 'vitest';
import { binaryField, type FieldList, field } from '../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../runtime/units.ts';
import { BeatFilter } from './beats.ts';
import { type Beats, createPulseBoard, PulseBoard } from './pulse.ts';

const [node1, node2] = [nodeName('node1'), nodeName('node2')];
const shape = () => createPulseBoard([node1, node2], [linkName('eth0'), linkName('eth1')]);
const uuid = new Uint8Array(16).fill(2);

let board: PulseBoard;
let filter: BeatFilter;
let nowMs: number;

beforeEach(() => {
  board = new PulseBoard(shape());
  filter = new BeatFilter(board, 0, node1, 100);
  nowMs = 5_000_000;
});

interface Said {
  readonly src?: string;
  readonly seq?: string;
  readonly hg?: string;
  readonly st?: string;
  readonly dt?: string;
  readonly protocol?: string | null;
  readonly dest?: string;
  readonly uuid?: Uint8Array;
}

function status(seq: number, said: Said = {}): FieldList {
  const { src = 'node2', st = 'active', dt = '64', protocol = '1', hg = '7' } = said;
  return [
    field('t', 'status'),
    field('st', st),
    field('dt', dt),
    ...(protocol === null ? [] : [field('protocol', protocol)]),
    field('src', src),
    binaryField('srcuuid', said.uuid ?? uuid),
    field('seq', said.seq ?? seq.toString(16)),
    field('hg', hg),
    field('ts', (1_000 + seq).toString(16)),
    field('ld', `0.${seq}`),
    ...(said.dest === undefined ? [] : [field('dest', said.dest)]),
  ];
}

const message = (seq: number): FieldList => [
  field('t', 'ask_resources'),
  field('src', 'node2'),
  field('seq', seq.toString(16)),
  field('hg', '7'),
];

/** Takes a message 50 ms after the last one. */
function take(fields: FieldList, { afterMs = 50, plain = true } = {}): string | object {
  nowMs += afterMs;
  const told = filter.take(fields, ms(nowMs), plain);
  return told === null ? 'left' : (told.before ?? 'told');
}

function run(column = 0): Beats | null {
  const into: Beats = { generation: 0, from: 0, to: 0, heardMs: 0 };
  return board.read(node2, column, into) ? into : null;
}

describe('which heartbeats are told', () => {
  it('the first, and then none as long as each is the next and says the same', () => {
    expect([take(status(3)), take(status(4)), take(status(5)), take(status(6))]).toEqual([
      'told',
      'left',
      'left',
      'left',
    ]);
    expect(run()).toEqual({ generation: 7, from: 4, to: 6, heardMs: nowMs });
    expect(board.heard(node2)).toBe(nowMs);
  });

  it('another numbered message is told with the run before it, and begins a new one', () => {
    for (const seq of [3, 4, 5]) take(status(seq));
    const heardMs = nowMs;
    expect(take(message(6))).toEqual({ generation: 7, from: 4, to: 5, heardMs });
    expect(run()).toMatchObject({ from: 7, to: 5 });
    expect(take(status(7))).toBe('left');
    expect(run()).toMatchObject({ from: 7, to: 7 });
  });

  it.each<{ what: string; said?: Said; seq?: number; afterMs?: number; plain?: boolean }>([
    { what: 'after a gap', seq: 7 },
    { what: 'of a new generation', said: { hg: '8', seq: '1' } },
    { what: 'of another status', said: { st: 'up' } },
    { what: 'of another dead time', said: { dt: '65' } },
    { what: 'without the protocol', said: { protocol: null } },
    { what: 'with another uuid', said: { uuid: new Uint8Array(16).fill(3) } },
    { what: 'addressed to somebody', said: { dest: 'node1' } },
    { what: 'that is late', afterMs: 101 },
    { what: 'signed with another key', plain: false },
  ])('one $what is told, with the run before it', ({ said = {}, seq = 5, afterMs = 50, plain = true }) => {
    for (const number of [3, 4]) take(status(number));
    const heardMs = nowMs;
    expect(take(status(seq, said), { afterMs, plain })).toEqual({ generation: 7, from: 4, to: 4, heardMs });
    // It is a sign of life all the same.
    expect(board.heard(node2)).toBe(nowMs);
  });

  it('what is said again after a change is left again', () => {
    for (const number of [3, 4]) take(status(number));
    take(status(5, { st: 'up' }));
    expect(take(status(6, { st: 'up' }))).toBe('left');
    expect(take(status(7))).not.toBe('left');
  });

  it('copies and replays are told, stamp nothing and end no run', () => {
    for (const seq of [3, 4, 5]) take(status(seq));
    const before = run();
    for (const again of [status(5), status(4), status(9, { hg: '6' })]) expect(take(again)).toMatchObject({ to: 5 });
    expect(run()).toEqual(before);
    expect(take(status(6), { afterMs: 1 })).not.toBe('told');
    expect(run()).toMatchObject({ to: 6 });
  });

  it('strangers, our own name, and what has no number are told', () => {
    const unnumbered = [field('t', 'NS_ackmsg'), field('src', 'node2'), field('ackseq', '5')];
    for (let round = 0; round < 2; round++) {
      expect(take(status(round + 3, { src: 'node9' }))).toBe('told');
      expect(take(status(round + 3, { src: 'node1' }))).toBe('told');
      expect(take(unnumbered)).toBe('told');
      expect(take(status(1, { seq: 'x' }))).toBe('told');
      expect(take(status(1, { hg: '-1' }))).toBe('told');
    }
    expect(run()).toBeNull();
  });

  it('membership can ask for the next one whole, and for all of them', () => {
    for (const seq of [3, 4]) take(status(seq));
    board.askForWhole();
    expect(take(status(5))).not.toBe('left');
    expect(take(status(6))).toBe('left');
    board.everything = true;
    expect([take(status(7)), take(status(8))]).not.toContain('left');
    board.everything = false;
    expect(take(status(9))).toBe('left');
  });

  it('each medium has its own run', () => {
    const other = new BeatFilter(board, 1, node1, 100);
    for (const seq of [3, 4, 5]) take(status(seq));
    expect(other.take(status(5), ms(nowMs), true)).toEqual({ before: undefined });
    expect(other.take(status(6), ms(nowMs), true)).toBeNull();
    expect(run(0)).toMatchObject({ from: 4, to: 5 });
    expect(run(1)).toMatchObject({ from: 6, to: 6 });
  });
});
