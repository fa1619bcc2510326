import { expect, describe as group, it } from 'vitest';
import { binaryField, field, getString } from '../runtime/message/message.ts';
import { linkName, ms, type NodeName, nodeName } from '../runtime/units.ts';
import { activeBench, Bench, eth0, eth1, Peer, testConfig, uuidOf } from './membership/test-bench.ts';
import { describe, nextDeadlineMs } from './membership.core.ts';
import type { Beats } from './pulse.ts';

const repnodes = [
  field('dest', 'node1'),
  field('t', 'repnodes'),
  field('nodelist', 'node1 node2 '),
  field('delnodelist', ' '),
];
const message = (t: string, dest?: string) =>
  dest === undefined ? [field('t', t)] : [field('t', t), field('dest', dest)];
const statuses = (bench: Bench): string[] =>
  bench.sent('status').map((fields) => `${getString(fields, 'st')} ${getString(fields, 'dt')}`);

const ackOf = (seq: number) => [field('t', 'NS_ackmsg'), field('dest', 'node1'), field('ackseq', seq.toString(16))];

group('coming up', () => {
  it('starts with init, up, up, then beats on absolute times; 5 s later the dead time goes back', () => {
    const bench = new Bench(testConfig());
    bench.runUntil(5500);
    expect(statuses(bench)).toEqual(['init 1f40', ...Array.from({ length: 7 }, () => 'up 1f40'), 'up 1770']);
    const times = bench.record.filter(({ effect }) => effect.type === 'transmit' && effect.messageType === 'status');
    expect(times.map(({ atMs }) => atMs)).toEqual([0, 0, 0, 1000, 2000, 3000, 4000, 5000, 5000]);
    expect(bench.logs()).toEqual(["info: Local status now set to: 'up'"]);
  });

  it('says its statuses before it answers what has waited for it', () => {
    const bench = new Bench(testConfig());
    const peer = new Peer();
    peer.seq = 9;
    // The trigger of acknowledgements is 0: number 10 is acknowledged, and the question wants an answer.
    bench.feed({ type: 'packet', link: eth0, fields: peer.status('up'), heardMs: ms(0) });
    bench.feed({ type: 'packet', link: eth0, fields: peer.numbered(message('reqnodes', 'node1')), heardMs: ms(0) });
    const types = bench.sentInShort('st', 'ackseq');
    expect(types.slice(0, 3)).toEqual(['status init', 'status up', 'status up']);
    expect(types).toContain('NS_ackmsg a');
    expect(types).toContain('repnodes');
    bench.runUntil(1_000);
    expect(statuses(bench)).toHaveLength(4);
  });

  it('asks the first live peer for the nodes as soon as all were heard, every second, and is active at the answer', () => {
    const bench = new Bench(testConfig());
    const peer = new Peer();
    bench.packetAt(400, peer.status('init'));
    bench.runUntil(1500);
    const asked = bench.record.filter(({ effect }) => effect.type === 'transmit' && effect.messageType === 'reqnodes');
    expect(asked.map(({ atMs }) => atMs)).toEqual([400, 1400]);
    bench.clear();
    bench.packetAt(1600, peer.numbered(repnodes));
    expect(bench.logs()).toEqual([
      'info: Comm_now_up(): updating status to active',
      "info: Local status now set to: 'active'",
    ]);
    expect(bench.sentInShort('st')).toEqual(['status active', 'starting']);
    expect(bench.events().map((event) => event.type)).toEqual(['node-status', 'comm-up', 'message']);
    expect(describe(bench.state, ms(1600))).toMatchObject({ status: 'active', commUp: true });
    bench.runUntil(3000);
    expect(bench.sent('reqnodes')).toEqual([]);
  });

  it.each([
    ['legacy', true],
    ['on', false],
  ] as const)('sends no `starting` with auto_failback %s, resources managed: %j', (autoFailback, managesResources) => {
    const bench = new Bench(testConfig({ autoFailback, managesResources }));
    const peer = new Peer();
    bench.packetAt(400, peer.status('up'));
    bench.packetAt(500, peer.numbered(repnodes));
    expect(bench.sentInShort().slice(-1)).toEqual(['status']);
    expect(bench.events().at(-1)).toEqual({ type: 'comm-up', deadNodes: [] });
  });

  it('alone: the peer is dead at initdead to the millisecond, and we are active without asking', () => {
    const bench = new Bench(testConfig());
    bench.runUntil(11_999);
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    bench.runUntil(12_000);
    expect(bench.events()).toContainEqual({
      type: 'node-dead',
      node: 'node2',
      nodeType: 'normal',
      wasHeard: false,
      silentMs: 12_000,
      limitMs: 12_000,
      decidedMs: 12_000,
    });
    expect(bench.events()).toContainEqual({ type: 'comm-up', deadNodes: ['node2'] });
    expect(bench.sent('reqnodes')).toEqual([]);
    expect(bench.logs().slice(1)).toEqual([
      'WARN: node node2: is dead',
      'info: Comm_now_up(): updating status to active',
      "info: Local status now set to: 'active'",
    ]);
  });

  it('waits for ping nodes too, and takes the limit of initdead until then', () => {
    const nodes = [...testConfig().nodes, { name: nodeName('10.0.0.9'), type: 'ping' as const }];
    const links = [...testConfig().links, { name: linkName('10.0.0.9'), pingNode: nodeName('10.0.0.9') }];
    const bench = new Bench(testConfig({ nodes, links }));
    const peer = new Peer();
    bench.packetAt(400, peer.status('up'));
    bench.runUntil(8000);
    expect(bench.events().some((event) => event.type === 'node-dead')).toBe(false);
    const reply = [
      field('t', 'NS_st'),
      field('st', 'ping'),
      field('info', 'ping'),
      field('src', '10.0.0.9'),
      field('ts', '1'),
    ];
    bench.packetAt(8000, reply, linkName('10.0.0.9'));
    expect(bench.logs().slice(-2)).toEqual([
      'info: Link 10.0.0.9:10.0.0.9 up.',
      'info: Status update for node 10.0.0.9: status ping',
    ]);
    expect(bench.sent('reqnodes')).toHaveLength(1);
    expect(getString(bench.sent('status').at(-1) ?? [], 'ttl')).toBe('4');
    bench.runUntil(14_000);
    expect(bench.events()).toContainEqual(
      expect.objectContaining({ type: 'node-dead', node: 'node2', limitMs: 6000, decidedMs: 8000 }),
    );
    expect(bench.events()).toContainEqual(
      expect.objectContaining({ type: 'node-dead', node: '10.0.0.9', limitMs: 6000, decidedMs: 14_000 }),
    );
  });

  it('answers reqnodes at once with every normal node', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(300, peer.numbered(message('reqnodes', 'node1')));
    expect(bench.sent()[0]?.slice(0, 5)).toEqual([
      ['dest', 0, 'node2'],
      ['t', 0, 'repnodes'],
      ['nodelist', 0, 'node1 node2 '],
      ['delnodelist', 0, ' '],
      ['destuuid', 1, uuidOf(2)],
    ]);
  });

  it('a peer without `protocol`: no flow control, active at once', () => {
    const bench = new Bench(testConfig());
    bench.packetAt(400, new Peer().status('up', { protocol: false }));
    expect(bench.logs()).toContain('WARN: flow control disabled due to different version heartbeat');
    expect(describe(bench.state, ms(400)).commUp).toBe(true);
    bench.runUntil(1000);
    expect(getString(bench.sent('status').at(-1) ?? [], 'protocol')).toBeUndefined();
  });
});

group('death', () => {
  it('comes at the deadline of the advertised dead time, links with it', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(1000, peer.status('active', { dt: 8000 }), eth0);
    bench.feed({
      type: 'packet',
      link: eth1,
      fields: peer.status('active', { dt: 8000, seq: peer.seq }),
      heardMs: ms(1000),
    });
    bench.clear();
    bench.runUntil(8999.999);
    expect(bench.logs()).toEqual([]);
    bench.runUntil(9000);
    expect(bench.logs()).toEqual([
      'WARN: node node2: is dead',
      'info: Link node2:eth0 dead.',
      'info: Link node2:eth1 dead.',
    ]);
    expect(bench.events()[0]).toEqual({
      type: 'node-dead',
      node: 'node2',
      nodeType: 'normal',
      wasHeard: true,
      silentMs: 8000,
      limitMs: 8000,
      decidedMs: 9000,
    });
  });

  it('is measured from reception, not from processing', () => {
    const { bench, peer } = activeBench();
    bench.runUntil(1500);
    bench.feed({ type: 'packet', link: eth0, fields: peer.status('active'), heardMs: ms(1200) });
    bench.runUntil(20_000);
    expect(bench.events()).toContainEqual(
      expect.objectContaining({ type: 'node-dead', decidedMs: 7200, silentMs: 6000 }),
    );
  });

  it('other messages are no sign of life', () => {
    const { bench, peer } = activeBench();
    for (let atMs = 1000; atMs < 6000; atMs += 1000) bench.packetAt(atMs, peer.numbered(message('resource')));
    bench.runUntil(6200);
    expect(bench.events()).toContainEqual(expect.objectContaining({ type: 'node-dead', decidedMs: 6200 }));
  });

  it('is not decided before the waiting packets were fed', () => {
    const { bench, peer } = activeBench();
    bench.autoDrain = false;
    bench.runUntil(6300);
    expect(bench.record.filter(({ effect }) => effect.type === 'drain').map(({ atMs }) => atMs)).toEqual([6200]);
    bench.feed({ type: 'packet', link: eth0, fields: peer.status('active'), heardMs: ms(6100) });
    bench.feed({ type: 'drained', untilMs: ms(6300) });
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    expect(nextDeadlineMs(bench.state)).toBeLessThanOrEqual(7000);
  });

  it('a drain that does not cover the deadline proves nothing; the next tick asks again', () => {
    const { bench } = activeBench();
    bench.autoDrain = false;
    bench.runUntil(6300);
    bench.feed({ type: 'drained', untilMs: ms(6100) });
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    bench.runUntil(7000);
    expect(bench.record.filter(({ effect }) => effect.type === 'drain').map(({ atMs }) => atMs)).toEqual([6200, 7000]);
    bench.feed({ type: 'drained', untilMs: ms(7000) });
    expect(bench.events()).toContainEqual(expect.objectContaining({ type: 'node-dead', node: 'node2' }));
  });

  it('a newer stamp on the pulse board moves the deadline, of node and link', () => {
    let stampMs: number | null = null;
    const lastHeardMs = () => (stampMs === null ? null : ms(stampMs));
    const { bench } = activeBench({ lastHeardMs, linkHeardMs: lastHeardMs });
    stampMs = 5000;
    bench.runUntil(10_999);
    expect(bench.logs()).toEqual([]);
    bench.runUntil(11_000);
    expect(bench.logs()).toEqual(['WARN: node node2: is dead', 'info: Link node2:eth0 dead.']);
    expect(bench.events()[0]).toMatchObject({ silentMs: 6000, decidedMs: 11_000 });
  });

  it('one link dies alone by the limit of its own node', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(1000, peer.status('active'), eth1);
    for (let atMs = 2000; atMs <= 9000; atMs += 1000) bench.packetAt(atMs, peer.status('active'), eth0);
    const died = bench.record.find(({ effect }) => effect.type === 'log' && effect.text === 'Link node2:eth1 dead.');
    expect(died?.atMs).toBe(7000);
    bench.clear();
    bench.packetAt(9500, peer.status('active'), eth1);
    expect(bench.events()).toEqual([{ type: 'link-status', node: 'node2', link: 'eth1', status: 'up' }]);
  });
});

group('statuses of a peer', () => {
  it('late by more than warntime, and by more than deadtime', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(3200, peer.status('active', { dt: 20_000 }));
    expect(bench.logs()).toEqual([]);
    bench.packetAt(6201, peer.status('active', { dt: 20_000 }));
    bench.packetAt(12_300, peer.status('active', { dt: 20_000 }));
    expect(bench.logs().filter((line) => line.includes('Late'))).toEqual([
      'WARN: Late heartbeat: Node node2: interval 3001 ms',
      'CRIT: Late heartbeat: Node node2: interval 6099 ms (> deadtime)',
    ]);
    expect(describe(bench.state, ms(12_300)).nodes[1]?.counters.late).toBe(2);
  });

  it('restarted within deadtime: no death, numbers start anew, no late heartbeat', () => {
    const { bench, peer } = activeBench();
    const again = new Peer('node2', 201);
    bench.packetAt(4000, again.status('init'));
    expect(bench.logs()).toEqual([
      'info: Heartbeat restart on node node2',
      'info: Status update for node node2: status init',
    ]);
    expect(bench.events()).toMatchObject([
      { type: 'node-restarted', node: 'node2' },
      { type: 'node-status', status: 'init', previous: 'active' },
    ]);
    bench.clear();
    bench.packetAt(4100, peer.status('active'));
    expect(bench.logs()).toEqual([
      'ERROR: should_drop_message: attempted replay attack [node2]? [gen = 200, curgen = 201]',
    ]);
    bench.packetAt(4200, peer.status('active'));
    expect(bench.logs()).toHaveLength(1);
    expect(describe(bench.state, ms(4200)).nodes[1]?.counters.dropped).toEqual({ replay: 2 });
  });

  it('after its death with the same generation: partition healed, no second death, our own restart', () => {
    const { bench, peer } = activeBench();
    bench.runUntil(6200);
    bench.clear();
    bench.packetAt(8000, peer.status('active', { seq: 3 }));
    expect(bench.logs()).toEqual([]);
    bench.packetAt(8200, peer.status('active', { seq: 31 }));
    expect(bench.logs().filter((line) => !line.includes('Local'))).toEqual([
      'CRIT: Cluster node node2 returning after partition.',
      'info: For information on cluster partitions, See URL: http://linux-ha.org/wiki/Split_Brain',
      'WARN: Deadtime value may be too small.',
      'info: See FAQ for information on tuning deadtime.',
      'info: URL: http://linux-ha.org/wiki/FAQ#Heavy_Load',
      'info: Link node2:eth0 up.',
      'CRIT: Late heartbeat: Node node2: interval 8000 ms (> deadtime)',
      'info: Status update for node node2: status active',
    ]);
    expect(bench.record.map(({ effect }) => effect)).toContainEqual({
      type: 'restart',
      reason: 'partition-healed',
      node: 'node2',
      afterMs: 2000,
    });
    expect(bench.record.filter(({ atMs, effect }) => atMs === 8200 && effect.type === 'transmit')).toHaveLength(1);
  });

  it('after its death with a higher generation: no partition', () => {
    const { bench } = activeBench();
    bench.runUntil(6200);
    bench.clear();
    bench.packetAt(8200, new Peer('node2', 201).status('init'));
    expect(bench.logs()).toEqual([
      'info: Heartbeat restart on node node2',
      'info: Link node2:eth0 up.',
      'info: Status update for node node2: status init',
    ]);
    expect(bench.record.some(({ effect }) => effect.type === 'restart')).toBe(false);
  });

  it('an older status that was resent changes nothing', () => {
    const { bench, peer } = activeBench();
    const late = peer.status('up');
    bench.packetAt(1000, peer.status('active'));
    bench.packetAt(1100, late);
    expect(bench.events()).toEqual([]);
    bench.runUntil(10_000);
    expect(bench.events()).toContainEqual(expect.objectContaining({ type: 'node-dead', decidedMs: 7000 }));
  });

  it.each(['', 'dead', 'ping', 'Unknown'])('the word %j is refused', (word) => {
    const { bench, peer } = activeBench();
    bench.packetAt(1000, peer.status(word));
    expect(bench.events()).toEqual([]);
    expect(describe(bench.state, ms(1000)).nodes[1]).toMatchObject({
      status: 'active',
      counters: { dropped: { 'bad-status': 1 } },
    });
  });
});

group('numbered messages', () => {
  it('own ones come to ourselves first, then go out with our number', () => {
    const { bench } = activeBench();
    const effects = bench.feed({ type: 'send', fields: message('resource') });
    expect(effects.map((effect) => (effect.type === 'event' ? effect.event.type : effect.type))).toEqual([
      'message',
      'transmit',
    ]);
    expect(bench.events()).toMatchObject([{ type: 'message', from: 'node1', own: true }]);
    const before = bench.state.history.highest;
    bench.feed({ type: 'send', fields: message('resource') });
    expect(getString(bench.sent().at(-1) ?? [], 'seq')).toBe((before + 1).toString(16));
  });

  it('for another node give no local copy, for ourselves one', () => {
    const { bench } = activeBench();
    bench.feed({ type: 'send', fields: message('x', 'node2') });
    expect(bench.events()).toEqual([]);
    bench.feed({ type: 'send', fields: message('x', 'node1') });
    expect(bench.events()).toHaveLength(1);
  });

  it('own packets that come back are copies, and keep our own links up', () => {
    const { bench } = activeBench();
    const [transmit] = bench.feed({ type: 'send', fields: message('x') }).slice(-1);
    if (transmit?.type !== 'transmit') throw new Error('nothing was sent');
    bench.clear();
    bench.packetAt(300, transmit.fields, eth1);
    expect(bench.logs()).toEqual(['info: Link node1:eth1 up.']);
    expect(bench.events().filter((event) => event.type === 'message')).toEqual([]);
  });

  it('are acknowledged once in ten, our own as well', () => {
    const { bench, peer } = activeBench();
    for (let count = 0; count < 20; count++) bench.packetAt(300 + count, peer.numbered(message('x')));
    const acks = bench.sent('NS_ackmsg').map((fields) => `${getString(fields, 'dest')} ${getString(fields, 'ackseq')}`);
    expect(acks).toEqual(['node2 a', 'node2 14']);
    for (let count = 0; count < 10; count++) bench.feed({ type: 'send', fields: message('x') });
    expect(
      bench
        .sent('NS_ackmsg')
        .map((fields) => getString(fields, 'dest'))
        .slice(2),
    ).toEqual(['node1']);
  });

  it('with a gap are asked for after 50 ms, then every 250 ms, in decimal, until they come', () => {
    const { bench, peer } = activeBench();
    const lost = [peer.numbered(message('a')), peer.numbered(message('b'))];
    bench.packetAt(1000, peer.numbered(message('c')));
    expect(bench.logs()).toEqual([`WARN: 2 lost packet(s) for [node2] [5:8]`]);
    bench.runUntil(1300);
    bench.packetAt(1350, lost[0] ?? []);
    bench.runUntil(1600);
    bench.packetAt(1700, lost[1] ?? []);
    bench.runUntil(3000);
    const asked = bench.record.flatMap(({ atMs, effect }) =>
      effect.type === 'transmit' && effect.messageType === 'NS_rexmit'
        ? [`${atMs} ${getString(effect.fields, 'firstseq')}-${getString(effect.fields, 'lastseq')}`]
        : [],
    );
    expect(asked).toEqual(['1050 6-6', '1050 7-7', '1300 6-6', '1300 7-7', '1550 7-7']);
    expect(bench.logs().slice(1)).toEqual(['info: No pkts missing from node2!']);
    expect(bench.events().flatMap((event) => (event.type === 'message' ? [getString(event.fields, 't')] : []))).toEqual(
      ['c', 'a', 'b'],
    );
  });

  it('of a dead node are not asked for', () => {
    const { bench, peer } = activeBench();
    peer.seq += 1;
    bench.runUntil(6190);
    bench.packetAt(6195, peer.numbered(message('c')));
    bench.runUntil(9000);
    expect(bench.sent('NS_rexmit')).toEqual([]);
  });

  it('more than 250 lost are given up', () => {
    const { bench, peer } = activeBench();
    peer.seq += 251;
    bench.packetAt(1000, peer.numbered(message('c')));
    expect(bench.logs()).toEqual(['WARN: 251 lost packet(s) for [node2] [5:257]', 'ERROR: lost a lot of packets!']);
    bench.runUntil(2000);
    expect(bench.sent('NS_rexmit')).toEqual([]);
  });

  it('that the peer cannot resend are given up', () => {
    const { bench, peer } = activeBench();
    peer.seq += 1;
    bench.packetAt(1000, peer.numbered(message('c')));
    const refusal = [
      field('t', 'NS_nak_rexmit'),
      field('firstseq', '6'),
      field('dest', 'node1'),
      field('info', 'seqno too low'),
    ];
    bench.packetAt(1010, peer.unnumbered(refusal));
    expect(bench.logs().at(-1)).toBe('ERROR: Irretrievably lost packet: node node2 seq 6');
    bench.runUntil(2000);
    expect(bench.sent('NS_rexmit')).toEqual([]);
  });

  it('are resent unchanged when asked for', () => {
    const { bench, peer } = activeBench();
    const [first] = bench.feed({ type: 'send', fields: message('x') }).slice(-1);
    bench.clear();
    const wanted = String(bench.state.history.highest);
    const request = [
      field('t', 'NS_rexmit'),
      field('dest', 'node1'),
      field('firstseq', wanted),
      field('lastseq', wanted),
    ];
    bench.packetAt(700, peer.unnumbered(request));
    expect(bench.record.map(({ effect }) => effect)).toEqual([{ ...first, resent: true }]);
  });

  it.each([
    ['0', '0'],
    ['5', '4'],
    ['x', '1'],
    ['1', ''],
  ])('a request for %j to %j is refused', (first, last) => {
    const { bench, peer } = activeBench();
    const request = [field('t', 'NS_rexmit'), field('dest', 'node1'), field('firstseq', first), field('lastseq', last)];
    bench.packetAt(700, peer.unnumbered(request));
    expect(bench.logs()).toEqual(['ERROR: Invalid rexmit seqnos']);
  });

  it('a join notice waits for what is missing before it', () => {
    const { bench, peer } = activeBench();
    const lost = peer.numbered(message('last-words'));
    bench.packetAt(1000, peer.numbered([field('t', 'hbapi-clstat'), field('st', 'leave')]));
    expect(bench.events()).toEqual([]);
    bench.packetAt(1010, lost);
    expect(bench.events().flatMap((event) => (event.type === 'message' ? [getString(event.fields, 't')] : []))).toEqual(
      ['last-words', 'hbapi-clstat'],
    );
  });
});

group('flow control', () => {
  it('pauses the clients above 250 unacknowledged messages and resumes them below', () => {
    const { bench, peer } = activeBench();
    const first = bench.state.history.highest;
    const beat = () =>
      bench.feed({ type: 'packet', link: eth0, fields: peer.status('active'), heardMs: ms(bench.nowMs) });
    const floor = bench.state.nodes[1]?.ackFloor ?? 0;
    while (bench.state.history.highest - floor <= 250) bench.feed({ type: 'send', fields: message('x') });
    beat();
    expect(bench.record.map(({ effect }) => effect)).toContainEqual({ type: 'flow-control', paused: true });
    expect(bench.logs()).toContain('info: all clients are now paused');
    bench.clear();
    bench.feed({ type: 'packet', link: eth0, fields: peer.unnumbered(ackOf(first + 20)), heardMs: ms(bench.nowMs) });
    expect(bench.record.map(({ effect }) => effect)).toContainEqual({ type: 'flow-control', paused: false });
    expect(describe(bench.state, ms(bench.nowMs)).clientsPaused).toBe(false);
  });

  it('says once each when the history fills up', () => {
    const { bench } = activeBench();
    for (let count = 0; count < 600; count++) bench.feed({ type: 'send', fields: message('x') });
    expect(bench.logs().filter((line) => line.includes('hist queue'))).toEqual([
      'WARN: Message hist queue is filling up (376 messages in queue)',
      'ERROR: Message hist queue is filling up (451 messages in queue)',
    ]);
  });

  it('does not owe a returning node what was sent in its absence', () => {
    const { bench } = activeBench();
    bench.runUntil(6200);
    for (let count = 0; count < 300; count++) bench.feed({ type: 'send', fields: message('x') });
    bench.packetAt(7000, new Peer('node2', 201).status('init'));
    for (let count = 0; count < 10; count++) bench.feed({ type: 'send', fields: message('x') });
    expect(bench.record.filter(({ effect }) => effect.type === 'flow-control')).toEqual([]);
  });

  it('refuses an acknowledgement of what was never sent', () => {
    const { bench, peer } = activeBench();
    const { highest } = bench.state.history;
    bench.packetAt(300, peer.unnumbered(ackOf(highest + 3)));
    expect(bench.logs()).toEqual([
      `ERROR: HBDoMsg_T_ACK: corrupted ackseq current hiseq = ${highest} ackseq =${highest + 3} in this message`,
    ]);
  });
});

group('our own lateness', () => {
  it('late ticks send one status, and the next one is on time', () => {
    const { bench } = activeBench();
    bench.runUntil(1000);
    bench.clear();
    bench.nowMs = 4700;
    bench.feed({ type: 'tick' });
    expect(bench.sent('status')).toHaveLength(1);
    expect(bench.logs()).toEqual([
      'WARN: Own heartbeat late by 2700 ms: this node was stalled',
      'WARN: Late heartbeat: Node node1: interval 3700 ms',
    ]);
    expect(nextDeadlineMs(bench.state)).toBe(5000);
  });

  it('a stall past the deadline of a peer gives the peer one more keepalive time', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(1100, peer.status('active'));
    bench.runUntil(3000);
    bench.nowMs = 7500;
    bench.feed({ type: 'tick' });
    bench.runUntil(8499);
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    bench.packetAt(8499, peer.status('active'));
    bench.runUntil(14_000);
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
  });

  it('a peer that stays silent after the stall dies then', () => {
    const { bench, peer } = activeBench();
    bench.packetAt(1100, peer.status('active'));
    bench.runUntil(3000);
    bench.nowMs = 7500;
    bench.feed({ type: 'tick' });
    bench.runUntil(9000);
    expect(bench.events().filter((event) => event.type === 'node-dead')).toMatchObject([
      { decidedMs: 8500, silentMs: 7400 },
    ]);
  });

  it('a machine that is always late declares deaths all the same, at twice the limit at most', () => {
    const { bench } = activeBench();
    for (let atMs = 1500; atMs < 16_000; atMs += 1000) {
      bench.nowMs = atMs;
      bench.feed({ type: 'tick' });
    }
    const [death] = bench.events().filter((event) => event.type === 'node-dead');
    expect(death).toBeDefined();
    expect(death?.type === 'node-dead' ? death.silentMs : 0).toBeLessThanOrEqual(12_000 + 1000);
  });

  it('stalled for its own dead time, a node asks for its restart, falls silent and judges nobody', () => {
    const { bench } = activeBench();
    bench.runUntil(5500);
    bench.clear();
    bench.nowMs = 12_000;
    bench.feed({ type: 'tick' });
    bench.runUntil(60_000);
    expect(bench.logs()).toEqual([
      'WARN: Own heartbeat late by 6000 ms: this node was stalled',
      'WARN: node node1: is dead',
      'ERROR: No local heartbeat. Forcing restart.',
    ]);
    expect(bench.record.map(({ effect }) => effect)).toContainEqual({
      type: 'restart',
      reason: 'own-heart-stopped',
      node: 'node1',
      afterMs: 0,
    });
    expect(bench.sent('status')).toEqual([]);
  });
});

group('a short stall of our own, longer than our dead time', () => {
  /** Stalls for 90 ms (deadtime 60), while the board gets what the peer has sent meanwhile; `peerSeq` is its newest number then. */
  function stall(beats: number, stallMs = 90, peerDeadMs = 60): { bench: Bench; restarts: number; beats: number } {
    const into = { generation: 200, from: 1, to: 0, heardMs: 0 };
    const board = {
      columns: [eth0],
      read: (_node: NodeName, _column: number, copy: Beats) => {
        Object.assign(copy, into);
        return into.heardMs > 0;
      },
      askForWhole: () => undefined,
    };
    const { bench, peer } = activeBench({
      keepaliveMs: ms(20),
      warntimeMs: ms(40),
      deadtimeMs: ms(60),
      initdeadMs: ms(500),
      beats: board,
      lastHeardMs: () => (into.heardMs > 0 ? ms(into.heardMs) : null),
    });
    for (let round = 0; round < 300; round++)
      bench.packetAt(bench.nowMs + 20, peer.status('active', { dt: peerDeadMs }));
    bench.clear();
    bench.nowMs += stallMs;
    Object.assign(into, { to: peer.seq + beats, from: peer.seq + beats + 1, heardMs: bench.nowMs });
    bench.feed({ type: 'tick' });
    const restarts = bench.record.filter(({ effect }) => effect.type === 'restart').length;
    return { bench, restarts, beats: bench.sent('status').length };
  }

  it('beside a peer that was awake: we are dead to it, and begin anew', () => {
    const { bench, restarts, beats: sent } = stall(3);
    expect([restarts, sent]).toEqual([1, 0]);
    expect(bench.logs()).toContain('ERROR: No local heartbeat. Forcing restart.');
  });

  it.each([0, 1])(
    'beside a peer that stood still as well (%i heartbeats were under way): we go on, and judge nobody',
    (beats) => {
      const { bench, restarts, beats: sent } = stall(beats);
      expect([restarts, sent]).toEqual([0, 1]);
      expect(bench.logs()).toContain('WARN: This node stood still for 90 ms, and so did all others: going on');
      expect(bench.events().filter(({ type }) => type === 'node-dead')).toEqual([]);
    },
  );

  it('beside a peer that beats seldom: it may have taken over without a word in the meantime', () => {
    const { restarts, beats: sent } = stall(0, 90, 300);
    expect([restarts, sent]).toEqual([1, 0]);
  });

  it('of more than a second is our own in any case', () => {
    const { restarts, beats: sent } = stall(0, 1_100);
    expect([restarts, sent]).toEqual([1, 0]);
  });
});

group('strange packets', () => {
  const cases: [string, (peer: Peer) => ReturnType<Peer['status']>, string, string][] = [
    ['without a type', (peer) => peer.status('up').slice(1), 'incomplete', 'missing from/ts/type'],
    [
      'of a stranger',
      () => new Peer('node9').status('up'),
      'unknown-node',
      'process_status_message: bad node [node9] in message',
    ],
  ];
  it.each(cases)('%s are counted and complained about once a second', (_name, make, reason, text) => {
    const { bench, peer } = activeBench();
    bench.packetAt(300, make(peer));
    bench.packetAt(310, make(peer));
    expect(bench.logs()).toEqual([`ERROR: ${text}`]);
    expect(describe(bench.state, ms(310)).droppedStrangers).toEqual({ [reason]: 2 });
  });

  it('in our own name with another uuid are refused', () => {
    const { bench } = activeBench();
    bench.packetAt(300, new Peer('node1', 100, uuidOf(7)).status('up', { seq: 90 }));
    expect(bench.logs()[0]).toMatch(/^ERROR: another node sends in our name node1/);
    expect(bench.events()).toEqual([]);
  });

  it('of a node with a copied uuid are taken by name, and the copy is reported once', () => {
    const bench = new Bench(testConfig());
    const twin = new Peer('node2', 200, uuidOf(1));
    bench.packetAt(300, twin.status('up'));
    bench.packetAt(400, twin.status('up'));
    expect(bench.logs().filter((line) => line.startsWith('ERROR'))).toEqual([
      expect.stringMatching(/both nodes node1 and node2 carry uuid .*: remove hb_uuid on one and restart it/),
    ]);
    expect(describe(bench.state, ms(400)).nodes[1]?.status).toBe('up');
    bench.clear();
    bench.packetAt(500, twin.numbered([...message('x', 'node2'), binaryField('destuuid', uuidOf(1))]));
    expect(bench.events()).toEqual([]);
  });

  it('with a new uuid of a known node change what we address it by', () => {
    const { bench } = activeBench();
    bench.packetAt(300, new Peer('node2', 201, uuidOf(9)).status('init'));
    expect(bench.logs()[0]).toBe('info: node node2 changed its uuid to 095a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a');
    bench.feed({ type: 'send', fields: message('x', 'node2') });
    expect(bench.sent().at(-1)).toContainEqual(['destuuid', 1, uuidOf(9)]);
  });
});

group('leaving', () => {
  it('sends one status at once and beats on', () => {
    const { bench } = activeBench();
    bench.runUntil(6500 - 500);
    bench.clear();
    bench.feed({ type: 'leaving' });
    bench.runUntil(7000);
    expect(statuses(bench)).toEqual(['active 1770', 'active 1770']);
  });

  it('for a restart asks three times for 30 s more', () => {
    const { bench } = activeBench();
    bench.feed({ type: 'leaving', forRestart: true });
    bench.runUntil(6000);
    expect(new Set(statuses(bench))).toEqual(new Set(['active 8ca0']));
    expect(statuses(bench).length).toBeGreaterThan(3);
  });
});
