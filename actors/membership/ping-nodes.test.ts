/** Ping nodes in the core: they only answer, die by `deadping`, and mean nothing to the cluster's history. */
import { describe, expect, it } from 'vitest';
import { type FieldList, field } from '../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../runtime/units.ts';
import { Bench, Peer, testConfig } from './test-bench.ts';

const router = nodeName('10.0.0.9');
const routerLink = linkName('10.0.0.9');

/** What the ping actor hands on: the payload of an echo reply. */
const answer = (ts = '6b02caee'): FieldList => [
  field('t', 'NS_st'),
  field('st', 'ping'),
  field('info', 'ping'),
  field('src', router),
  field('ts', ts),
  field('auth', '1 cafe'),
];

/** A node with a peer and a ping node, all heard at 0.1 s; the peer beats every second, as far as `peerUntilMs`. */
function withRouter(): { bench: Bench; peer: Peer; run: (untilMs: number, answering: boolean) => void } {
  const nodes = [...testConfig().nodes, { name: router, type: 'ping' as const }];
  const links = [...testConfig().links, { name: routerLink, pingNode: router }];
  const bench = new Bench(testConfig({ nodes, links, deadpingMs: ms(2_500), initdeadMs: ms(60_000) }));
  const peer = new Peer();
  bench.runUntil(0);
  let nextMs = 100;
  const run = (untilMs: number, answering: boolean): void => {
    for (; nextMs <= untilMs; nextMs += 1_000) {
      bench.packetAt(nextMs, peer.status('active'));
      if (answering) bench.packetAt(nextMs, answer(), routerLink);
    }
    bench.runUntil(untilMs);
  };
  run(100, true);
  bench.packetAt(
    200,
    peer.numbered([field('dest', 'node1'), field('t', 'repnodes'), field('nodelist', 'node1 node2 ')]),
  );
  expect(bench.events().some(({ type }) => type === 'comm-up')).toBe(true);
  return { bench, peer, run };
}

describe('a ping node', () => {
  it('is alive while it answers, without numbers, generation or uuid', () => {
    const { bench, run } = withRouter();
    bench.clear();
    run(20_000, true);
    expect(bench.events().filter((event) => 'node' in event && event.node === router)).toEqual([]);
    expect(bench.logs()).toEqual([]);
  });

  it('is dead after deadping, node and link, and back with its first answer: no partition, no restart', () => {
    const { bench, run } = withRouter();
    run(5_000, true);
    bench.clear();
    run(9_000, false);
    // The last answer came at 4.1 s.
    const dead = bench.record.filter(({ effect }) => effect.type === 'event').map(({ atMs, effect }) => [atMs, effect]);
    expect(dead).toMatchObject([
      [6_600, { event: { type: 'node-dead', node: router, nodeType: 'ping', wasHeard: true, limitMs: 2_500 } }],
      [6_600, { event: { type: 'link-status', node: router, link: routerLink, status: 'dead' } }],
    ]);
    expect(bench.logs()).toEqual([`WARN: node ${router}: is dead`, `info: Link ${router}:${routerLink} dead.`]);

    bench.clear();
    run(12_000, true);
    expect(bench.events()).toMatchObject([
      { type: 'link-status', node: router, link: routerLink, status: 'up' },
      { type: 'node-status', node: router, nodeType: 'ping', status: 'ping', previous: 'dead' },
    ]);
    expect(bench.record.some(({ effect }) => effect.type === 'restart')).toBe(false);
    expect(bench.logs().filter((line) => line.includes('partition'))).toEqual([]);
  });

  it('is not told of in the list of nodes, but counts in ttl', () => {
    const { bench, peer } = withRouter();
    bench.clear();
    bench.packetAt(300, peer.numbered([field('t', 'reqnodes'), field('dest', 'node1')]));
    expect(bench.sentInShort('nodelist', 'ttl')).toContain('repnodes node1 node2  4');
  });

  it('cannot say that it is something else', () => {
    const { bench } = withRouter();
    bench.clear();
    for (const [name, value] of [
      ['t', 'status'],
      ['st', 'active'],
      ['st', 'dead'],
    ] as const)
      bench.packetAt(
        400,
        answer().map((entry) => (entry[0] === name ? field(name, value) : entry)),
        routerLink,
      );
    expect(bench.events()).toEqual([]);
  });
});
