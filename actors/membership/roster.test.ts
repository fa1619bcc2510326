import { expect, describe as group, it } from 'vitest';
import { field, getString } from '../../runtime/message/message.ts';
import { nodeName } from '../../runtime/units.ts';
import { activeBench, Bench, type Peer, Peer as PeerOf, testConfig, uuidOf } from './test-bench.ts';
import type { MembershipConfig } from './types.ts';

const list = (t: 'addnode' | 'delnode', nodelist: string) => [field('t', t), field('nodelist', nodelist)];
const answer = (nodelist: string, delnodelist = ' ') => [
  field('dest', 'node1'),
  field('t', 'repnodes'),
  field('nodelist', nodelist),
  field('delnodelist', delnodelist),
];
const third = (): Peer => new PeerOf('node3', 300, uuidOf(3));
const names = (bench: Bench): string[] => bench.state.nodes.map((node) => node.name);
const typesOf = (bench: Bench): string[] => bench.events().map((event) => event.type);

/** node1, heard by and hearing node2, not up yet: what a peer answers is asked for. */
function askingBench(overrides: Partial<MembershipConfig> = {}, status = 'active'): { bench: Bench; peer: Peer } {
  const bench = new Bench(testConfig(overrides));
  const peer = new PeerOf();
  bench.packetAt(100, peer.status(status));
  bench.clear();
  return { bench, peer };
}

group('addnode', () => {
  it('from a peer or of our own: the node is one, is waited for no longer than deadtime, and is heard', () => {
    for (const own of [true, false]) {
      const { bench, peer } = activeBench();
      if (own) bench.feed({ type: 'send', fields: list('addnode', 'node3 ') });
      else bench.packetAt(300, peer.numbered(list('addnode', 'node3')));
      expect(bench.logs()).toEqual(['info: hb_add_one_node: Adding new node[node3] to configuration.']);
      expect(bench.events()).toEqual([{ type: 'node-added', node: 'node3' }]);
      bench.packetAt(1_000, third().status('up'));
      expect(
        bench
          .events()
          .filter((event) => event.type !== 'message')
          .slice(1),
      ).toMatchObject([
        { type: 'link-status', node: 'node3', status: 'up' },
        { type: 'node-status', node: 'node3', status: 'up', previous: 'init' },
      ]);
      expect(bench.state.byName.get('node3')?.uuid).toEqual(uuidOf(3));
      // Whoever counts nodes counts it: own statuses carry hopfudge and three nodes.
      expect(bench.sent('status').map((fields) => getString(fields, 'ttl'))).toContain('4');
      bench.clear();
      bench.packetAt(1_100, peer.numbered([field('t', 'reqnodes'), field('dest', 'node1')]));
      expect(getString(bench.sent('repnodes')[0] ?? [], 'nodelist')).toBe('node1 node2 node3 ');
    }
  });

  it('a node that never comes is dead after deadtime, counted from its addition', () => {
    const { bench, peer } = activeBench();
    for (let atMs = 1_000; atMs <= 9_000; atMs += 1_000) bench.packetAt(atMs, peer.status('active'));
    bench.feed({ type: 'send', fields: list('addnode', 'node3') });
    for (let atMs = 10_000; atMs <= 16_000; atMs += 1_000) bench.packetAt(atMs, peer.status('active'));
    expect(bench.events().filter((event) => event.type === 'node-dead')).toMatchObject([
      { node: 'node3', wasHeard: false, silentMs: 6_000, limitMs: 6_000, decidedMs: 15_000 },
    ]);
  });

  it('does not hold back what clients send while the new node has said nothing', () => {
    const { bench } = activeBench();
    bench.feed({ type: 'send', fields: list('addnode', 'node3') });
    const node = bench.state.byName.get('node3');
    expect(node?.ackFloor).toBe(bench.state.history.highest);
  });

  it('takes the usable names of a list, and says what is wrong with the others', () => {
    const { bench } = activeBench();
    bench.feed({ type: 'send', fields: list('addnode', 'NODE3 node2 ../x node\x014 node3') });
    expect(names(bench)).toEqual(['node1', 'node2', 'node3']);
    expect(bench.logs()).toEqual([
      'ERROR: 2 names in a nodelist cannot be node names',
      'info: hb_add_one_node: Adding new node[node3] to configuration.',
      'ERROR: addnode: node node2 is known already',
    ]);
  });

  it('stops at a hundred nodes', () => {
    const { bench } = activeBench();
    const many = Array.from({ length: 120 }, (_, index) => `x${index}`).join(' ');
    bench.feed({ type: 'send', fields: list('addnode', many) });
    expect(names(bench)).toHaveLength(100);
    expect(bench.logs().at(-1)).toBe('ERROR: node x98 cannot be added: a cluster has at most 100 nodes');
  });
});

group('delnode', () => {
  it.each([
    ['node2', 'deletion failed: node node2 is not dead'],
    ['node1', 'deletion failed: node node1 is not dead'],
    ['node9', 'deletion failed: node node9 is not a node of this cluster'],
  ])('of %s is refused', (name, why) => {
    const { bench } = activeBench();
    bench.feed({ type: 'send', fields: list('delnode', name) });
    expect(bench.logs()).toEqual([`WARN: ${why}`]);
    expect(names(bench)).toEqual(['node1', 'node2']);
  });

  it('is refused while another node is away; both go together', () => {
    const { bench } = activeBench();
    bench.feed({ type: 'send', fields: list('addnode', 'node3') });
    bench.runUntil(30_000);
    bench.clear();
    bench.feed({ type: 'send', fields: list('delnode', 'node3') });
    expect(bench.logs()).toEqual(["WARN: deletion failed: We don't have all required nodes alive (node2 is dead)"]);
    bench.feed({ type: 'send', fields: list('delnode', 'node3 node2') });
    expect(names(bench)).toEqual(['node1']);
    expect(typesOf(bench)).toEqual(['node-removed', 'node-removed']);
  });

  it('a deleted node is not heard, with one word of what to do; addnode brings it back as a new one', () => {
    const { bench, peer } = activeBench();
    bench.runUntil(20_000);
    bench.feed({ type: 'send', fields: list('delnode', 'node2') });
    bench.clear();
    peer.generation += 1;
    peer.seq = 0;
    for (let atMs = 20_100; atMs < 20_900; atMs += 100) bench.packetAt(atMs, peer.status('active'));
    expect(bench.events()).toEqual([]);
    expect(bench.logs()).toEqual([
      'ERROR: node node2 was deleted from this cluster and speaks: run hb_addnode node2, or stop it',
    ]);
    expect(bench.state.droppedStrangers).toEqual({ 'unknown-node': 8 });
    bench.feed({ type: 'send', fields: list('addnode', 'node2') });
    // A machine that was installed anew begins its generations anew.
    bench.packetAt(21_000, new PeerOf('node2', 1, uuidOf(7)).status('up'));
    expect(bench.state.byName.get('node2')).toMatchObject({ status: 'up', uuid: uuidOf(7) });
    expect(bench.state.deleted.size).toBe(0);
  });
});

group('a node that was deleted as dead and lives on', () => {
  it('is a node again at its next status, as after a healed partition; a replay does not bring it back', () => {
    const { bench, peer } = activeBench();
    const old = peer.status('active');
    bench.packetAt(1_000, old);
    bench.runUntil(20_000);
    bench.feed({ type: 'send', fields: list('delnode', 'node2') });
    bench.clear();
    bench.packetAt(20_100, old);
    expect(names(bench)).toEqual(['node1']);
    bench.packetAt(20_200, peer.status('active'));
    expect(typesOf(bench)).toEqual(['node-added', 'partition-healed', 'link-status', 'node-status']);
    expect(bench.logs()).toContain(
      'CRIT: node node2 was deleted as dead, but has been alive all the time: it is a node again',
    );
    expect(bench.state.byName.get('node2')?.status).toBe('active');
  });
});

group('the node list of a peer that we asked', () => {
  it('brings what came while we were away, and takes what was deleted', () => {
    const nodes = ['node1', 'node2', 'gone'].map((name) => ({ name: nodeName(name), type: 'normal' as const }));
    const { bench, peer } = askingBench({ nodes });
    bench.runUntil(11_900);
    bench.packetAt(11_950, peer.status('active'));
    bench.packetAt(12_100, peer.numbered(answer('node1 node2 node3 ', 'gone ')));
    expect(names(bench)).toEqual(['node1', 'node2', 'node3']);
    expect(typesOf(bench)).toEqual(expect.arrayContaining(['node-added', 'node-removed', 'comm-up']));
    expect([...bench.state.deleted.keys()]).toEqual(['gone']);
  });

  it('cannot take a node from us that we hear, nor ourselves, nor one that it merely does not list', () => {
    const { bench, peer } = askingBench();
    bench.packetAt(200, peer.numbered(answer('node3 ', 'node1 node2 ')));
    expect(names(bench)).toEqual(['node1', 'node2', 'node3']);
    expect(bench.logs()).toEqual(
      expect.arrayContaining([
        'WARN: node node2 is deleted on node2, but we hear it: it stays here. Run hb_addnode node2',
        'WARN: node node2 does not know these nodes of ours: node1 node2. Compare the ha.cf files',
      ]),
    );
  });

  it.each([
    ['active', true],
    ['up', false],
  ])('has the better memory of a deletion when it is %s: %j', (status, comesBack) => {
    const { bench, peer } = askingBench({ deleted: [nodeName('node3')] }, status);
    bench.packetAt(200, peer.numbered(answer('node1 node2 node3 ')));
    expect(names(bench).includes('node3')).toBe(comesBack);
  });

  it('says nothing when it was not asked for', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(300, peer.numbered(answer('node1 node2 node3 ', ' ')));
    expect(names(bench)).toEqual(['node1', 'node2']);
    expect(bench.logs()).toEqual([]);
  });
});

group('autojoin', () => {
  const joining: Partial<MembershipConfig> = { autojoin: 'any', managesResources: false };

  it('takes a stranger in by its first message and listens from its second; a deleted one stays out', () => {
    const { bench } = activeBench({ ...joining, deleted: [nodeName('node4')] });
    bench.runUntil(13_000);
    bench.clear();
    const newcomer = third();
    bench.packetAt(13_100, newcomer.status('init'));
    expect(bench.logs()).toEqual(['info: process_clustermsg: Adding new node [node3] to configuration.']);
    expect(bench.events()).toEqual([{ type: 'node-added', node: 'node3' }]);
    bench.packetAt(13_200, newcomer.status('up'));
    expect(bench.events().at(-1)).toMatchObject({ type: 'node-status', node: 'node3', status: 'up' });
    bench.packetAt(13_300, new PeerOf('node4', 1, uuidOf(4)).status('up'));
    expect(names(bench)).toEqual(['node1', 'node2', 'node3']);
  });

  it('waits out initdead before communication is up: nobody knows who else will come', () => {
    const bench = new Bench(testConfig(joining));
    const peer = new PeerOf();
    for (let atMs = 500; atMs < 11_900; atMs += 1_000) bench.packetAt(atMs, peer.status('up'));
    expect(bench.sent('reqnodes')).toEqual([]);
    bench.runUntil(12_000);
    expect(bench.sent('reqnodes')).toHaveLength(1);
  });

  it('is off by default', () => {
    const { bench } = activeBench();
    bench.packetAt(300, third().status('up'));
    expect(names(bench)).toEqual(['node1', 'node2']);
    expect(bench.logs()).toEqual(['ERROR: process_status_message: bad node [node3] in message']);
  });
});
