import { describe, expect, test } from 'vitest';
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import { activeBench, type Bench, type Peer } from './test-bench.ts';

/** A client's message with that number. */
const talk = (peer: Peer, seq: number): FieldList =>
  peer.numbered([field('t', 'talk'), field('n', String(seq)), field('from_id', 'x'), field('to_id', 'x')], seq);
const leave = (peer: Peer, seq: number): FieldList =>
  peer.numbered([field('t', 'hbapi-clstat'), field('st', 'leave'), field('n', String(seq))], seq);
const core = (peer: Peer, seq: number): FieldList =>
  peer.numbered([field('t', 'resource'), field('n', String(seq))], seq);

/** The numbers of what was delivered of the peer, in order. */
function delivered(bench: Bench): number[] {
  return bench
    .events()
    .flatMap((event) => (event.type === 'message' && !event.own ? [Number(getString(event.fields, 'n'))] : []));
}

describe('messages of clients', () => {
  test('that come late are delivered before those that were sent after them', () => {
    const { bench, peer } = activeBench();
    const at = peer.seq;
    for (const seq of [at + 1, at + 4, at + 3, at + 6, at + 2]) bench.packetAt(300, talk(peer, seq));
    expect(delivered(bench)).toEqual([at + 1, at + 2, at + 3, at + 4]);
    bench.packetAt(310, talk(peer, at + 5));
    bench.packetAt(320, talk(peer, at + 7));
    expect(delivered(bench)).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => at + n));
  });

  test('wait for a leave notice no more than it waits for them; what the nodes themselves say waits for nobody', () => {
    const { bench, peer } = activeBench();
    const at = peer.seq;
    bench.packetAt(300, leave(peer, at + 3));
    bench.packetAt(300, core(peer, at + 4));
    expect(delivered(bench)).toEqual([at + 4]);
    bench.packetAt(310, talk(peer, at + 2));
    bench.packetAt(310, talk(peer, at + 1));
    expect(delivered(bench)).toEqual([at + 4, at + 1, at + 2, at + 3]);
  });

  test('go on when the sender says that a number is lost for good', () => {
    const { bench, peer } = activeBench();
    const at = peer.seq;
    bench.packetAt(300, talk(peer, at + 2));
    expect(delivered(bench)).toEqual([]);
    const nak = [field('t', 'NS_nak_rexmit'), field('firstseq', (at + 1).toString(16)), field('dest', 'node1')];
    bench.packetAt(310, peer.unnumbered(nak));
    expect(delivered(bench)).toEqual([at + 2]);
  });

  test('do not wait for ever, in whatever number they come', () => {
    const { bench, peer } = activeBench();
    const at = peer.seq;
    const numbers = Array.from({ length: 600 }, (_, index) => at + 2 + index);
    for (const seq of numbers) bench.packetAt(300, talk(peer, seq));
    expect(delivered(bench).slice(0, 501)).toEqual(numbers.slice(0, 501));
    expect(bench.state.byName.get('node2')?.held.length).toBeLessThan(501);
  });

  test('are delivered when their node dies', () => {
    const { bench, peer } = activeBench();
    const at = peer.seq;
    bench.packetAt(300, talk(peer, at + 3));
    bench.packetAt(300, talk(peer, at + 2));
    bench.runUntil(60_000);
    expect(delivered(bench)).toEqual([at + 2, at + 3]);
  });
});
