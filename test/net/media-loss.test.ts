/**
 * Lost packets between Systole and the real Heartbeat 3.0.6, in both directions at once.
 *
 * A node is dead when 20 beats in a row are missing. At a loss of p that happens by chance with p^20 for each beat: 3.5e-11 at 30 %. Half as
 * many beats would still be enough for 10 % (1e-10); the usual five would kill a node every few minutes at 30 % (2e-3).
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { bothActive, nodeOf, statusOf } from './media-real.ts';

const haCf = `logfile /var/log/ha-log
logfacility none
keepalive 500ms
warntime 8
deadtime 10
initdead 60
auto_failback on
bcast eth0
apiauth talker uid=root
node node1
node node2
`;
const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const talker = fileURLToPath(new URL('../fixtures/net/talker.ts', import.meta.url));
/** Messages each way, one every so many ms: about as many beats as fit beside them. */
const messages = 120;
const everyMs = 50;
/** A real one asks and answers at its ticks of 500 ms, and each question and answer may be lost again. */
const patienceMs = 45_000;

async function talk(host: Host, peer: string): Promise<readonly number[]> {
  const argv = [node, talker, peer, messages, everyMs, patienceMs].map(String);
  return JSON.parse(await host.run(argv, { timeoutMs: 2 * patienceMs })) as number[];
}

requireLab()('lost packets', () => {
  test.concurrent.for([1, 10, 30])('%d %: no false death, and every message arrives once', async (percent) => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    for (const host of lab.hosts) host.configure({ haCf, haresources: '' });
    const daemon = node1.startSystole();
    await node2.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');

    const network = lab.network();
    for (const direction of ['from', 'to'] as const) await network.drop('node1', { direction, percent, udpPort: 694 });
    const [atNode1, atNode2] = await Promise.all([talk(node1, 'node2'), talk(node2, 'node1')]);
    const all = Array.from({ length: messages }, (_, index) => index + 1);
    expect(atNode1, 'at Systole, in order').toEqual(all);
    expect(
      atNode2.toSorted((a, b) => a - b),
      'at the real one, which leaves the order to its clients',
    ).toEqual(all);

    await network.liftAll();
    await eventually(async () => nodeOf(await statusOf(node1), 'node2').missing === 0, {
      what: 'nothing to be missing any more',
      timeoutMs: 30_000,
      intervalMs: 250,
    });
    for (const host of lab.hosts) {
      expect(host.log(), host.name).not.toMatch(/is dead|returning after partition|Irretrievably lost/);
    }
    const { lost, rexmitAsked, rexmitAnswered } = nodeOf(await statusOf(node1), 'node2').counters;
    process.stdout.write(
      `loss ${percent} %: ${lost} found missing, ${rexmitAsked} asked for, ${rexmitAnswered} resent\n`,
    );
    if (percent >= 10) {
      expect(lost).toBeGreaterThan(0);
      expect(rexmitAnswered).toBeGreaterThan(0);
    }
    await bothActive(lab, daemon, 'node1', 'node2');
  });
});
