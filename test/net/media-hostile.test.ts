/**
 * What a third machine on the network can do to a Systole node and a real Heartbeat 3.0.6 without the key: nothing that counts.
 *
 * It may record, repeat, delay, cut, change and make up packets. All of it is counted by reason in `systole status --json`, none of it is
 * believed, and the log stays short.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AuthKeys } from '../../conf/settings.ts';
import { encodeDatagram, encodeNetstring } from '../../runtime/message/datagram.ts';
import { type FieldList, field } from '../../runtime/message/message.ts';
import type { Capture } from './lab/capture.ts';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { bothActive, complaints, nodeOf, slackMs, statusOf } from './media-real.ts';

const deadtimeMs = 4_000;
const haCf = `logfile /var/log/ha-log
logfacility none
keepalive 250ms
warntime 3500ms
deadtime ${deadtimeMs}ms
initdead 60
auto_failback on
bcast eth0
apiauth talker uid=root
node node1
node node2
`;
const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const hostile = fileURLToPath(new URL('../fixtures/net/hostile.ts', import.meta.url));
const talker = fileURLToPath(new URL('../fixtures/net/talker.ts', import.meta.url));
const port = 694;

interface Stage extends AsyncDisposable {
  readonly lab: Lab;
  readonly ours: Host;
  readonly real: Host;
  readonly stranger: Host;
  /** What the stranger hears. */
  readonly capture: Capture;
}

/** Both nodes active, and a stranger who listens. */
async function stage(): Promise<Stage> {
  const lab = await Lab.create({ hosts: ['node1', 'node2', 'stranger'] });
  try {
    const [ours, real, stranger] = [lab.host('node1'), lab.host('node2'), lab.host('stranger')];
    for (const host of [ours, real]) host.configure({ haCf, haresources: '' });
    const capture = await stranger.capture('eth0');
    const daemon = ours.startSystole();
    await real.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');
    return { lab, ours, real, stranger, capture, [Symbol.asyncDispose]: () => lab.close() };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** Sends datagrams from the stranger to Systole, and waits until so many more were dropped. */
async function inject({ ours, stranger }: Stage, datagrams: readonly Uint8Array[]): Promise<void> {
  const stdin = datagrams.map((bytes) => Buffer.from(bytes).toString('base64')).join('\n');
  await stranger.run([node, hostile, 'send', ours.attachment().address, String(port)], { stdin, timeoutMs: 60_000 });
}

/** What Systole has dropped so far, by reason: at the medium, of the real one, and of nobody. */
async function dropped(ours: Host): Promise<Record<string, number>> {
  const status = await statusOf(ours);
  const all = [
    nodeOf(status, 'node2').counters.dropped,
    status.droppedStrangers,
    ...status.media.map((m) => m.dropped),
  ];
  const sum: Record<string, number> = {};
  for (const counts of all)
    for (const [reason, count] of Object.entries(counts)) sum[reason] = (sum[reason] ?? 0) + count;
  return sum;
}

/** Waits until these reasons have grown by so much in all. */
async function droppedMore(
  ours: Host,
  before: Record<string, number>,
  reasons: readonly string[],
  more: number,
): Promise<void> {
  const growth = async (): Promise<number> => {
    const now = await dropped(ours);
    return reasons.reduce((sum, reason) => sum + (now[reason] ?? 0) - (before[reason] ?? 0), 0);
  };
  await eventually(async () => (await growth()) >= more, {
    what: `${more} more drops by ${reasons.join(', ')}`,
    timeoutMs: slackMs,
    intervalMs: 100,
  });
}

const fromNode2 = ({ capture, real }: Stage): readonly Uint8Array[] =>
  capture.datagrams.filter(({ source }) => source === real.attachment().address).map(({ payload }) => payload);

const secret = (index: number, key: string): AuthKeys => ({ selected: index, keys: [{ index, method: 'sha1', key }] });
const deadStatus: FieldList = [
  field('t', 'status'),
  field('st', 'active'),
  field('dt', '1'),
  field('protocol', '1'),
  field('src', 'node2'),
  field('seq', 'fffff'),
  field('hg', '7fffffff'),
  field('ts', '6b02caee'),
  field('ttl', '3'),
];

requireLab()('a stranger on the network', () => {
  test.concurrent('sends cut, changed and made-up packets: counted, never believed, told of in few lines', async () => {
    await using all = await stage();
    const { ours, real } = all;
    const [sample] = fromNode2(all).filter((payload) => Buffer.from(payload).includes('(0)t=status,'));
    if (sample === undefined) throw new Error('no status of node2 was captured');
    const generation = nodeOf(await statusOf(ours), 'node2').generation;

    const cut = Array.from(sample, (_, size) => sample.subarray(0, size)).slice(1);
    let before = await dropped(ours);
    await inject(all, cut);
    await droppedMore(ours, before, ['malformed', 'unsigned', 'bad-signature'], cut.length);

    const flipped = Array.from({ length: 8 * sample.length }, (_, bit) => {
      const bytes = Uint8Array.from(sample);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return bytes;
    });
    before = await dropped(ours);
    await inject(all, flipped);
    await droppedMore(ours, before, ['malformed', 'unsigned', 'bad-signature', 'unknown-key'], flipped.length);

    before = await dropped(ours);
    const forged = [
      ...Array.from({ length: 50 }, () =>
        encodeDatagram(deadStatus, { msgfmt: 'netstring', keys: secret(1, 'guess') }),
      ),
      ...Array.from({ length: 30 }, () => encodeDatagram(deadStatus, { msgfmt: 'classic', keys: secret(9, 'guess') })),
      ...Array.from({ length: 20 }, () => encodeNetstring(deadStatus)),
      ...Array.from({ length: 10 }, () => Buffer.from('###\n5:x=y')),
    ];
    await inject(all, forged);
    await droppedMore(ours, before, ['bad-signature'], 50);
    await droppedMore(ours, before, ['unknown-key'], 30);
    await droppedMore(ours, before, ['unsigned'], 20);
    await droppedMore(ours, before, ['malformed'], 10);

    const after = nodeOf(await statusOf(ours), 'node2');
    expect(after).toMatchObject({ status: 'active', generation });
    expect(after.counters.dropped).not.toHaveProperty('replay');
    // One line in ten seconds, whatever comes.
    expect(ours.log().match(/packet on eth0 dropped/g)?.length ?? 0).toBeLessThan(12);
    expect(complaints(real)).toEqual([]);
    await bothActiveStill(all);
  });

  test.concurrent('repeats what it has recorded: a living node is not disturbed, a dead one stays dead, an old life stays past', async () => {
    await using all = await stage();
    const { ours, real } = all;
    await eventually(() => fromNode2(all).length >= 40, { what: '40 packets of node2', timeoutMs: 30_000 });
    const firstLife = fromNode2(all).slice();

    let before = await dropped(ours);
    await inject(all, [...firstLife, ...firstLife]);
    await droppedMore(ours, before, ['old', 'duplicate', 'not-for-us'], firstLife.length);
    expect(nodeOf(await statusOf(ours), 'node2').status).toBe('active');
    expect(ours.log()).not.toMatch(/replay/);

    real.killHeartbeat();
    const wholeLife = fromNode2(all).slice();
    // As if it beat on: all its statuses, over and over, until long after the deadline.
    const died = eventually(async () => nodeOf(await statusOf(ours), 'node2').status === 'dead', {
      what: 'node2 to be dead all the same',
      timeoutMs: deadtimeMs + slackMs,
      intervalMs: 100,
    });
    const endless = (async () => {
      for (let round = 0; round < 8; round++) await inject(all, wholeLife.slice(-100));
    })();
    await Promise.all([died, endless]);
    before = await dropped(ours);
    await inject(all, wholeLife);
    await droppedMore(ours, before, ['old', 'duplicate', 'stale-status', 'not-for-us'], 20);
    expect(nodeOf(await statusOf(ours), 'node2').status).toBe('dead');
    expect(ours.log()).not.toMatch(/returning after partition/);

    const offset = ours.log().length;
    await real.startHeartbeat();
    await eventually(async () => nodeOf(await statusOf(ours), 'node2').status === 'active', {
      what: 'node2 to be back',
      timeoutMs: 40_000,
      intervalMs: 250,
    });
    before = await dropped(ours);
    const numbered = wholeLife.filter((payload) => Buffer.from(payload).includes('(0)seq='));
    await inject(all, numbered);
    await droppedMore(ours, before, ['replay'], numbered.length);
    expect(nodeOf(await statusOf(ours), 'node2').status).toBe('active');
    // At most one line in a second, whatever comes.
    expect(
      ours
        .log()
        .slice(offset)
        .match(/attempted replay attack/g)?.length ?? 0,
    ).toBeLessThan(20);
    await bothActiveStill(all);
  });

  test.concurrent('lets packets arrive twice, late and in another order: every message arrives once', async () => {
    await using all = await stage();
    const { lab, ours, real, stranger } = all;
    const network = lab.network();
    await network.duplicate('node1', { udpPort: port });
    await network.duplicate('node2', { udpPort: port });
    // Nothing goes from node to node any more but what the stranger passes on, late: 300 ms are more than a keepalive.
    const relays = [
      [real, ours],
      [ours, real],
    ].map(([from, to]) =>
      stranger.spawn(
        [node, hostile, 'relay', from?.attachment().address ?? '', to?.attachment().address ?? '', String(port), '300'],
        { stdin: '' },
      ),
    );
    await eventually(() => relays.every(({ stdout }) => stdout.includes('ready')), {
      what: 'the relays',
      timeoutMs: slackMs,
    });
    await network.drop('node1', { direction: 'from', peer: 'node2', udpPort: port });
    await network.drop('node2', { direction: 'from', peer: 'node1', udpPort: port });

    const messages = 100;
    const talk = async (host: Host, peer: string): Promise<readonly number[]> =>
      JSON.parse(
        await host.run([node, talker, peer, String(messages), '40', '30000'], { timeoutMs: 60_000 }),
      ) as number[];
    const [atOurs, atReal] = await Promise.all([talk(ours, 'node2'), talk(real, 'node1')]);
    const each = Array.from({ length: messages }, (_, index) => index + 1);
    expect(atOurs, 'in order').toEqual(each);
    expect(atReal.toSorted((a, b) => a - b)).toEqual(each);
    const { duplicate = 0, old = 0 } = await dropped(ours);
    expect(duplicate + old, 'copies').toBeGreaterThan(messages);
    expect(nodeOf(await statusOf(ours), 'node2').counters.lost, 'gaps that later packets left').toBeGreaterThan(0);
    for (const host of [ours, real]) expect(host.log()).not.toMatch(/is dead|Irretrievably|returning after/);
    await bothActiveStill(all);
  });
});

async function bothActiveStill({ ours, real }: Stage): Promise<void> {
  expect(nodeOf(await statusOf(ours), 'node2').status).toBe('active');
  expect(await real.clStatus('nodestatus', 'node1')).toEqual({ code: 0, answer: 'active' });
}
