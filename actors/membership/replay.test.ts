/**
 * Captures of the real Heartbeat 3.0.6, replayed: the packets of one real node are played to our core, which stands in for the other,
 * and what the core concludes and says is compared with what the real other node said.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AuthKeys } from '../../conf/settings.ts';
import { Dissector } from '../../runtime/dissect.ts';
import { decodeDatagram } from '../../runtime/message/datagram.ts';
import type { Field, FieldList } from '../../runtime/message/message.ts';
import { getBytes, getHex, getString } from '../../runtime/message/message.ts';
import { readCapture } from '../../runtime/pcap.ts';
import type { LinkName } from '../../runtime/units.ts';
import { ms, nodeName } from '../../runtime/units.ts';
import type { MembershipConfig } from '../membership.core.ts';
import { Bench, eth0, eth1, seededRandom, testConfig } from './test-bench.ts';

interface Captured {
  /** Since the first packet of the capture [ms]. */
  readonly atMs: number;
  readonly link: LinkName;
  readonly from: string;
  readonly type: string;
  readonly fields: FieldList;
}

type Method = AuthKeys['keys'][number]['method'];

/** The messages of one or several captures of the same run, in order of time; every one must authenticate. */
function load(
  files: readonly (readonly [file: string, link: LinkName])[],
  index: number,
  method: Method,
  key: string,
): Captured[] {
  const keys: AuthKeys = { selected: index, keys: [{ index, method, key }] };
  const packets = files.flatMap(([file, link]) => {
    const dissector = new Dissector();
    return [...readCapture(readFileSync(new URL(`../../test/corpus/wire/${file}`, import.meta.url)))].flatMap(
      (frame) => {
        const datagram = dissector.next(frame.bytes, frame.linkType);
        if (datagram === null || datagram === 'unknown-link' || datagram.kind !== 'udp') return [];
        const decoded = decodeDatagram(datagram.payload, keys);
        if (!decoded.ok || decoded.auth !== 'ok') throw new Error(`${file}: a packet cannot be read`);
        return [{ timeS: frame.timeS, link, fields: decoded.fields }];
      },
    );
  });
  packets.sort((a, b) => a.timeS - b.timeS);
  const startS = packets[0]?.timeS ?? 0;
  return packets.map(({ timeS, link, fields }) => {
    const [from, type] = [getString(fields, 'src') ?? '', getString(fields, 't') ?? ''];
    return { atMs: (timeS - startS) * 1000, link, from, type, fields };
  });
}

/** What the core itself says; everything else comes from the resources side and is fed as `send`. */
const coreTypes = new Set(['status', 'reqnodes', 'repnodes', 'starting']);
const isCore = (type: string): boolean => coreTypes.has(type) || type.startsWith('NS_');
const envelope = new Set(['destuuid', 'src', 'srcuuid', 'seq', 'hg', 'ts', 'ld', 'ttl', 'auth']);
const ownFields = (fields: FieldList): readonly Field[] => fields.filter((entry) => !envelope.has(entry[0]));

interface Replay {
  readonly bench: Bench;
  /** What the real node in our place said. */
  readonly real: readonly Captured[];
}

/** Plays the peer's packets (those that `arrives` lets through) to a core in the place of `self`. */
function replay(
  packets: readonly Captured[],
  self: string,
  changes: Partial<MembershipConfig> = {},
  arrives: (packet: Captured) => boolean = () => true,
): Replay {
  const real = packets.filter((packet) => packet.from === self);
  const [first] = real;
  if (first === undefined) throw new Error(`no packet of ${self}`);
  const bench = new Bench(
    testConfig({
      self: nodeName(self),
      uuid: getBytes(first.fields, 'srcuuid') ?? new Uint8Array(16),
      generation: getHex(first.fields, 'hg') ?? 0,
      random: seededRandom(3),
      ...changes,
    }),
  );
  bench.runUntil(0);
  for (const packet of packets) {
    if (packet.from !== self) {
      if (arrives(packet)) bench.packetAt(packet.atMs, packet.fields, packet.link);
    } else if (!isCore(packet.type) && packet.link === eth0) {
      bench.runUntil(packet.atMs);
      bench.feed({ type: 'send', fields: ownFields(packet.fields) });
    }
  }
  bench.runUntil((packets.at(-1)?.atMs ?? 0) + 400);
  return { bench, real };
}

/** Own messages in short: the status word of a status, else the type; repeated ones once. */
function dialogue(messages: readonly FieldList[]): string[] {
  const words = messages.flatMap((fields) => {
    const type = getString(fields, 't') ?? '';
    if (type === 'status') return [getString(fields, 'st') ?? ''];
    return coreTypes.has(type) ? [type] : [];
  });
  return words.filter((word, index) => words.indexOf(word) === index);
}

/** The fate of the peer as the core tells it, with times [s, one decimal]. */
function fate(bench: Bench): string[] {
  return bench.record.flatMap(({ atMs, effect }) => {
    if (effect.type !== 'event') return [];
    const { event } = effect;
    const at = (atMs / 1000).toFixed(1);
    if (event.type === 'node-status' && event.node !== bench.state.self.name) return [`${at} ${event.status}`];
    return event.type === 'node-dead' ? [`${at} dead`] : [];
  });
}

/** Own fields of the `repnodes` among the messages. */
const nodeLists = (messages: readonly FieldList[]) =>
  messages.filter((fields) => getString(fields, 't') === 'repnodes').map((fields) => ownFields(fields));

/** Names and types of a message's fields, in order. */
const shape = (fields: FieldList) =>
  fields.filter((entry) => entry[0] !== 'auth').map(([name, type]) => `${name}:${type}`);

describe('A01: both start', () => {
  const packets = load([['A01_startup_steady_crc_classic.pcap', eth0]], 1, 'crc', '');

  it('node1: the same steps to active, the same node list, no complaint', () => {
    const { bench, real } = replay(packets, 'node1');
    expect(dialogue(bench.sent())).toEqual(dialogue(real.map(({ fields }) => fields)));
    expect(fate(bench)).toEqual(['0.4 up', '1.4 active']);
    expect(bench.logs()).toEqual([
      "info: Local status now set to: 'up'",
      'info: Link node2:eth0 up.',
      'info: Status update for node node2: status up',
      'info: Comm_now_up(): updating status to active',
      "info: Local status now set to: 'active'",
      'info: Status update for node node2: status active',
    ]);
    expect(nodeLists(bench.sent())).toEqual(nodeLists(real.map(({ fields }) => fields)));
  });

  it('node1: every message has the fields of the real one, in the same order and form', () => {
    const { bench, real } = replay(packets, 'node1');
    const shapes = new Map(bench.sent().map((fields) => [getString(fields, 't'), shape(fields)]));
    for (const { type, fields } of real.filter((packet) => isCore(packet.type)))
      expect(shapes.get(type)).toEqual(shape(fields));
    const [ours, theirs] = [bench.sent()[0], real[0]?.fields];
    for (const name of ['t', 'st', 'dt', 'protocol', 'src', 'seq', 'hg', 'ttl']) {
      expect(getString(ours ?? [], name)).toBe(getString(theirs ?? [], name));
    }
  });

  it('node2 sees the same from its side', () => {
    const { bench, real } = replay(packets, 'node2');
    expect(dialogue(bench.sent()).toSorted()).toEqual(dialogue(real.map(({ fields }) => fields)).toSorted());
    // node1 tells its `up` before the core (which starts with the capture) has said a word.
    expect(fate(bench)).toEqual(['0.0 up', '1.0 active']);
  });
});

describe('A14: alone', () => {
  it('node1: dead peer and active at initdead', () => {
    const packets = load([['A14_alone_initdead_takeover_crc_netstring.pcap', eth0]], 1, 'crc', '');
    const { bench, real } = replay(packets, 'node1', { initdeadMs: ms(11_000) });
    expect(fate(bench)).toEqual(['11.0 dead']);
    const stonith = real.find((packet) => packet.type === 'stonith');
    // The real one looks every 500 ms only.
    expect(stonith?.atMs).toBeGreaterThan(11_000);
    expect(stonith?.atMs).toBeLessThan(11_600);
    expect(dialogue(bench.sent())).toEqual(dialogue(real.map(({ fields }) => fields)));
  });
});

describe('A03: graceful stop and start of node1, seen by node2', () => {
  it('dead at its deadline, restarted, up, active; node list answered', () => {
    const packets = load([['A03_graceful_stop_rejoin_sha1_classic.pcap', eth0]], 1, 'sha1', 'alpha-key-1');
    const { bench, real } = replay(packets, 'node2');
    expect(fate(bench)).toEqual(['1.0 active', '9.0 dead', '15.2 init', '15.2 up', '16.2 active']);
    const stonith = real.find((packet) => packet.type === 'stonith');
    expect(stonith?.atMs).toBeGreaterThan(8983);
    expect(stonith?.atMs).toBeLessThan(9500);
    expect(bench.sent('repnodes')).toHaveLength(real.filter((packet) => packet.type === 'repnodes').length);
    // node1 sends 13 before 12 (nested loopback); its acknowledgements are for the real node2, whose numbers were higher.
    expect(
      bench.logs().filter((line) => /ERROR|CRIT|WARN|pkts/.test(line) && !line.includes('corrupted ackseq')),
    ).toEqual([
      'WARN: node node1: is dead',
      'WARN: 1 lost packet(s) for [node1] [11:13]',
      'info: No pkts missing from node1!',
    ]);
    expect(bench.sent('NS_rexmit')).toEqual([]);
    expect(bench.logs()).toContain('info: Heartbeat restart on node node1');
    expect(bench.record.some(({ effect }) => effect.type === 'restart')).toBe(false);
  });
});

describe('A04: kill -9 of node1, seen by node2', () => {
  it('dead 6 s after its last beat, then restarted', () => {
    const packets = load([['A04_kill9_takeover_md5_classic.pcap', eth0]], 1, 'md5', 'kilo9');
    const { bench, real } = replay(packets, 'node2');
    expect(fate(bench)).toEqual(['0.0 active', '7.0 dead', '15.5 init', '15.5 up', '17.0 active']);
    const [death] = bench.events().filter((event) => event.type === 'node-dead');
    expect(death).toMatchObject({ wasHeard: true, silentMs: expect.closeTo(6000, 6), limitMs: 6000 });
    expect(real.find((packet) => packet.type === 'stonith')?.atMs).toBeGreaterThan(7000);
    expect(bench.sent('repnodes')).toHaveLength(1);
  });
});

describe('A05: 30 % of node2 lost on the way to node1', () => {
  const packets = load([['A05_rexmit_loss_sha1_netstring.pcap', eth0]], 5, 'sha1', 'lossy-link');
  /** Requests of the real node1: number → time of the last one. */
  const requested = new Map<number, number>();
  for (const packet of packets) {
    if (packet.type !== 'NS_rexmit' || packet.from !== 'node1') continue;
    requested.set(Number(getString(packet.fields, 'firstseq')), packet.atMs);
  }

  /** The rule dropped packets after the capture point: a copy that was asked for again later had not arrived. */
  function arrived(packet: Captured): boolean {
    const askedMs = requested.get(getHex(packet.fields, 'seq') ?? 0);
    return askedMs === undefined || packet.atMs > askedMs;
  }

  it('node1 asks for the same numbers, gets every one, and loses nobody', () => {
    const { bench } = replay(packets, 'node1', { keepaliveMs: ms(500), deadtimeMs: ms(10_000) }, arrived);
    const asked = new Set(bench.sent('NS_rexmit').map((fields) => Number(getString(fields, 'firstseq'))));
    expect(requested.size).toBeGreaterThan(20);
    expect([...asked].sort((a, b) => a - b)).toEqual([...requested.keys()].sort((a, b) => a - b));
    expect(bench.state.byName.get('node2')?.track.missing.size).toBe(0);
    expect(bench.logs().at(-1)).toBe('info: No pkts missing from node2!');
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    expect(bench.logs().filter((line) => line.startsWith('ERROR'))).toEqual([]);
  });
});

describe('A09: two links, eth1 of node2 cut for 14 s', () => {
  it('node1: that link dead 6 s after its last packet and up again; the node lives on', () => {
    const packets = load(
      [
        ['A09_two_links_one_cut_crc_netstring_eth0.pcap', eth0],
        ['A09_two_links_one_cut_crc_netstring_eth1.pcap', eth1],
      ],
      1,
      'crc',
      '',
    );
    const { bench } = replay(packets, 'node1');
    const onEth1 = packets.filter((packet) => packet.from === 'node2' && packet.link === eth1);
    const gap = onEth1.findIndex((packet, index) => index > 0 && packet.atMs - (onEth1[index - 1]?.atMs ?? 0) > 10_000);
    const changes = bench.record.flatMap(({ atMs, effect }) =>
      effect.type === 'event' && effect.event.type === 'link-status' ? [{ atMs, ...effect.event }] : [],
    );
    expect(changes).toMatchObject([
      { link: 'eth0', status: 'up' },
      { link: 'eth1', status: 'up' },
      { link: 'eth1', status: 'dead', atMs: (onEth1[gap - 1]?.atMs ?? 0) + 6000 },
      { link: 'eth1', status: 'up', atMs: onEth1[gap]?.atMs },
    ]);
    expect(bench.events().filter((event) => event.type === 'node-dead')).toEqual([]);
    expect(bench.events().filter((event) => event.type === 'message')).toEqual([]);
  });
});

describe('A12: hb_addnode and hb_delnode of a node that never comes, on node1, seen by node2', () => {
  it('added, dead after its deadline, deleted; the same nodes are counted as by the real node', () => {
    const packets = load([['A12_api_query_addnode_setweight_sha1_classic.pcap', eth0]], 1, 'sha1', 'apikey');
    const { bench, real } = replay(packets, 'node2', { initdeadMs: ms(6000) });
    expect(bench.logs().filter((line) => /node3/.test(line))).toEqual([
      'info: hb_add_one_node: Adding new node[node3] to configuration.',
      'WARN: node node3: is dead',
      'info: Removing node [node3] from configuration.',
    ]);
    expect(bench.state.nodes.map(({ name }) => name)).toEqual(['node1', 'node2']);
    const ttls = (messages: readonly FieldList[]): readonly string[] => [
      ...new Set(messages.map((fields) => getString(fields, 'ttl') ?? '')),
    ];
    expect(ttls(bench.sent('status')).toSorted()).toEqual(ttls(real.map(({ fields }) => fields)).toSorted());
  });
});
