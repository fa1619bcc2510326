/**
 * Nodes that leave and come back in good order: the group is handed over by agreement, so nobody waits for a deadline and nothing is ever
 * held twice.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, takeoverMs, twoLinks } from './cluster.ts';
import { requireLab } from './lab/require.ts';

/** node2 has started the group before it declared node1 dead: it did not wait for the silence. */
async function expectAtOnce(cluster: Cluster, offset: number): Promise<void> {
  const node2 = cluster.host('node2');
  await node2.waitForLog(/node node1: is dead/, { fromOffset: offset, timeoutMs: takeoverMs });
  const log = node2.log().slice(offset);
  const started = log.indexOf('/etc/ha.d/resource.d/service web start');
  expect(started).toBeGreaterThan(log.indexOf("Received shutdown notice from 'node1'"));
  expect(started).toBeLessThan(log.indexOf('node node1: is dead'));
}

requireLab()('leaving and coming back', () => {
  test.concurrent('auto_failback on: node1 stops, node2 takes over at once; node1 returns and gets the group back; both stop', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on'));
    const node2 = cluster.host('node2');
    await cluster.up();

    const offset = node2.log().length;
    let sinceMs = await cluster.stop('node1');
    await cluster.expectOwner({ scenario: 'graceful stop of node1', sinceMs, owner: 'node2', outageMs: handoverMs });
    await expectAtOnce(cluster, offset);

    sinceMs = Date.now();
    await cluster.start('node1');
    await cluster.expectOwner({
      scenario: 'auto_failback on: home',
      sinceMs,
      owner: 'node1',
      outageMs: handoverMs,
      withinMs: 30_000,
    });
    await cluster.steady();

    sinceMs = await cluster.stop('node2');
    await cluster.host('node1').waitForLog(/Dead node node2 gave up resources/, { timeoutMs: takeoverMs });
    await cluster.expectOwner({
      scenario: 'graceful stop of node2, which holds nothing',
      sinceMs,
      owner: 'node1',
      outageMs: 0,
    });
    await cluster.start('node2');
    await cluster.steady();
    await cluster.expectOwner({ scenario: 'node2 is back', sinceMs, owner: 'node1', outageMs: 0 });

    await cluster.stopAll();
  });

  test.concurrent('auto_failback off: the group stays where it is, until that node leaves', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback off'));
    await cluster.up();

    let sinceMs = await cluster.kill('node1');
    await cluster.expectOwner({
      scenario: 'auto_failback off: SIGKILL of node1',
      sinceMs,
      owner: 'node2',
      outageMs: takeoverMs,
    });

    sinceMs = Date.now();
    await cluster.start('node1');
    await cluster
      .host('node1')
      .waitForLog(/status active[\s\S]*Initial resource acquisition complete/, { timeoutMs: 30_000 });
    await cluster.steady();
    await cluster.expectOwner({ scenario: 'auto_failback off: stays', sinceMs, owner: 'node2', outageMs: 0 });

    sinceMs = await cluster.stop('node2');
    await cluster.expectOwner({ scenario: 'graceful stop of node2', sinceMs, owner: 'node1', outageMs: handoverMs });
    await cluster.start('node2');
    await cluster.steady();
    await cluster.stopAll();
  });

  test.concurrent('auto_failback legacy: node2 takes over, and node1 asks for its group when it is back', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback legacy'));
    await cluster.up();

    let sinceMs = await cluster.kill('node1');
    await cluster.expectOwner({ scenario: 'legacy: SIGKILL of node1', sinceMs, owner: 'node2', outageMs: takeoverMs });

    sinceMs = Date.now();
    await cluster.start('node1');
    await cluster.expectOwner({
      scenario: 'legacy: node1 is back',
      sinceMs,
      owner: 'node1',
      outageMs: handoverMs,
      withinMs: 30_000,
    });
    await cluster.steady();

    sinceMs = await cluster.stop('node1');
    await cluster.expectOwner({
      scenario: 'legacy: graceful stop of node1',
      sinceMs,
      owner: 'node2',
      outageMs: handoverMs,
    });
    await cluster.start('node1');
    await cluster.expectOwner({
      scenario: 'legacy: back again',
      sinceMs,
      owner: 'node1',
      outageMs: handoverMs,
      withinMs: 30_000,
    });
    await cluster.steady();
    await cluster.stopAll();
  });
});
