/**
 * One node runs Systole, the other one the real Heartbeat 3.0.6: a cluster as two of a kind, which is what an upgrade node by node needs.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, takeoverMs, times, twoLinks } from './cluster.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

/** What a 3.0.6 complains about beside its own kind too: this machine, our short times, and what really happens in the scenarios. */
const usual = [
  /Core dumps could be lost/,
  /Consider setting .* for maximum supportability/,
  /Initial dead time \[\d+ ms\] may be too small/,
  /Logging daemon is disabled/,
  /No Previous generation/,
  /Cannot lock ourselves into memory/,
  // The same packet comes over two links, and the second one may be faster.
  /\d+ lost packet\(s\) for/,
  /node \S+: is dead/,
  /No STONITH device configured/,
  /Shared disks are not protected/,
  // A machine with other work.
  /Late heartbeat/,
  /Gmain_timeout_dispatch/,
];

/** Lines of the real one's log that two of its kind would not cause. */
function complaints(cluster: Cluster, real: string): readonly string[] {
  return cluster
    .host(real)
    .log()
    .split('\n')
    .filter((line) => /\b(WARN|ERROR|CRIT):/.test(line) && !usual.some((pattern) => pattern.test(line)));
}

/** Both see both active, over both links: broadcast and unicast. */
async function expectActive(cluster: Cluster, systole: string, real: string): Promise<void> {
  // The real one answers clients a moment after it beats.
  await eventually(async () => (await cluster.host(real).clStatus('nodestatus', systole)).answer === 'active', {
    what: `${systole} active, as ${real} sees it`,
    intervalMs: 100,
  });
  for (const device of ['eth0', 'eth1'])
    expect((await cluster.host(real).clStatus('hblinkstatus', systole, device)).answer, device).toBe('up');
  const peer = (await cluster.status(systole))?.nodes.find(({ name }) => name === real);
  expect(peer?.status).toBe('active');
  expect(peer?.links.map(({ name, status }) => `${name} ${status}`).sort()).toEqual(['eth0 up', 'eth1 up']);
}

/** node1 starts and gets its group back. */
async function returnHome(cluster: Cluster, scenario: string): Promise<void> {
  const sinceMs = Date.now();
  await cluster.start('node1');
  await cluster.expectOwner({ scenario, sinceMs, owner: 'node1', outageMs: handoverMs, withinMs: 45_000 });
  await cluster.steady();
}

/** node2, which holds nothing, goes and comes back. */
async function comeAndGo(cluster: Cluster, scenario: string, go: () => Promise<number>): Promise<void> {
  const sinceMs = await go();
  await cluster.start('node2');
  await cluster.steady();
  await cluster.expectOwner({ scenario, sinceMs, owner: 'node1', outageMs: 0 });
}

requireLab()('Systole beside Heartbeat 3.0.6', () => {
  test.concurrent('Systole is node1: its death, its leave and its return; then the real one leaves, dies and returns', async () => {
    await using cluster = await Cluster.create(
      twoLinks('auto_failback on', { program: (host) => (host === 'node2' ? 'heartbeat' : 'systole') }),
    );
    await cluster.up();
    await expectActive(cluster, 'node1', 'node2');
    // As with two real ones (corpus, start-both-on): both say local, whether they have local groups or not.
    expect((await cluster.host('node2').clStatus('rscstatus')).answer).toBe('local');

    let sinceMs = await cluster.kill('node1');
    await cluster.expectOwner({ scenario: 'mixed: SIGKILL of Systole', sinceMs, owner: 'node2', outageMs: takeoverMs });
    await returnHome(cluster, 'mixed: Systole is back');

    const offset = cluster.host('node2').log().length;
    sinceMs = await cluster.stop('node1');
    await cluster.expectOwner({ scenario: 'mixed: Systole stops', sinceMs, owner: 'node2', outageMs: handoverMs });
    await cluster.host('node2').waitForLog(/node node1: is dead/, { fromOffset: offset, timeoutMs: takeoverMs });
    const log = cluster.host('node2').log().slice(offset);
    expect(log.indexOf("Received shutdown notice from 'node1'")).toBeGreaterThanOrEqual(0);
    expect(log.indexOf('Taking over resource group')).toBeLessThan(log.indexOf('node node1: is dead'));
    await returnHome(cluster, 'mixed: Systole is back again');

    await comeAndGo(cluster, 'mixed: the real one stops and returns', () => cluster.stop('node2'));
    await expectActive(cluster, 'node1', 'node2');
    const beforeKill = cluster.host('node1').log().length;
    sinceMs = await cluster.kill('node2');
    await cluster.host('node1').waitForLog(/node node2: is dead/, { fromOffset: beforeKill, timeoutMs: takeoverMs });
    await cluster.expectOwner({ scenario: 'mixed: SIGKILL of the real one', sinceMs, owner: 'node1', outageMs: 0 });
    expect(complaints(cluster, 'node2')).toEqual([]);
  });

  test.concurrent('the real one is node1: Systole takes over when it loses power or leaves, and gives the group back', async () => {
    await using cluster = await Cluster.create(
      twoLinks('auto_failback on', { program: (host) => (host === 'node1' ? 'heartbeat' : 'systole') }),
    );
    await cluster.up();
    await expectActive(cluster, 'node2', 'node1');

    let sinceMs = await cluster.host('node1').powerOff();
    await cluster.expectOwner({
      scenario: 'mixed: power off of the real one',
      sinceMs,
      owner: 'node2',
      outageMs: takeoverMs,
    });
    await cluster.host('node1').powerOn();
    await returnHome(cluster, 'mixed: the real one is back');

    const offset = cluster.host('node2').log().length;
    sinceMs = await cluster.stop('node1');
    await cluster.expectOwner({ scenario: 'mixed: the real one stops', sinceMs, owner: 'node2', outageMs: handoverMs });
    const log = cluster.host('node2').log().slice(offset);
    expect(log).toContain("Received shutdown notice from 'node1'");
    await cluster
      .host('node2')
      .waitForLog(/Dead node node1 gave up resources/, { fromOffset: offset, timeoutMs: takeoverMs });
    await returnHome(cluster, 'mixed: the real one is back again');

    await comeAndGo(cluster, 'mixed: SIGKILL of Systole, which holds nothing', () => cluster.kill('node2'));
    await comeAndGo(cluster, 'mixed: Systole stops and returns', () => cluster.stop('node2'));
    await expectActive(cluster, 'node2', 'node1');
    expect(complaints(cluster, 'node1')).toEqual([]);

    await cluster.stopAll();
  });

  test.concurrent('a third node is added and never comes: what the real one then claims moves nothing', async () => {
    await using cluster = await Cluster.create(
      twoLinks('auto_failback on', { program: (host) => (host === 'node2' ? 'heartbeat' : 'systole') }),
    );
    await cluster.up();
    await expectActive(cluster, 'node1', 'node2');
    const sinceMs = Date.now();
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    const offset = node1.log().length;
    await node2.run(['/usr/share/heartbeat/hb_addnode', 'node3']);
    await node2.waitForLog(/mach_down takeover complete for node node3/, { timeoutMs: 2 * times.initdeadMs });
    await node1.waitForLog(/Both machines own our resources!/, { fromOffset: offset, timeoutMs: takeoverMs });
    await node1.waitForLog(/remote resource transition completed/, { fromOffset: offset, timeoutMs: takeoverMs });
    await eventually(async () => (await node1.clStatus('rscstatus')).answer === 'local', {
      what: 'node1 to hold its own and no more',
      timeoutMs: takeoverMs,
    });
    await cluster.expectOwner({ scenario: 'mixed: a third node never comes', sinceMs, owner: 'node1', outageMs: 0 });
    expect(node1.log().slice(offset)).not.toMatch(/giving them up/);
  });
});
