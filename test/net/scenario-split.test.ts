/**
 * Broken networks: one link of two, all links, a device that comes and goes. A lost link moves nothing; a lost partner does, and when the two
 * meet again one of them gives up what both hold.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, slackMs, takeoverMs, times, twoLinks } from './cluster.ts';
import { requireLab } from './lab/require.ts';

/** A link is dead after deadtime, and is noticed then. */
const linkMs = times.deadtimeMs + slackMs;
/** Between the first packet after the cut and the only owner: both report, one gives up [ms]. */
const resolvedMs = 1_000 + slackMs;

async function splitAndHeal(cluster: Cluster, name: string): Promise<void> {
  const { lab, observer } = cluster;
  const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
  const offsets = [node1.log().length, node2.log().length] as const;
  await Promise.all(lab.networks.map((network) => network.cut('node1')));
  // Neither can know better without fencing: each takes what the other may have lost, until they meet again.
  await observer.waitForOwners('service:web', ['node1', 'node2'], takeoverMs);
  await node1.waitForLog(/WARN: node node2: is dead/, { fromOffset: offsets[0] });
  await node2.waitForLog(/WARN: node node1: is dead/, { fromOffset: offsets[1] });

  const healedMs = Date.now();
  await Promise.all(lab.networks.map((network) => network.heal('node1')));
  await cluster.expectOwner({
    scenario: `${name}, healed`,
    sinceMs: healedMs,
    owner: 'node1',
    outageMs: 0,
    overlapMs: resolvedMs,
    withinMs: resolvedMs + slackMs,
  });
  const aloneMs = Date.now();
  await Promise.all(
    [node1, node2].map((host, index) =>
      host.waitForLog(/CRIT: Cluster node node\d returning after partition/, { fromOffset: offsets[index] ?? 0 }),
    ),
  );
  await cluster.steady();
  await cluster.expectOwner({ scenario: `${name}, afterwards`, sinceMs: aloneMs, owner: 'node1', outageMs: 0 });
  expect(cluster.daemon('node1').running && cluster.daemon('node2').running, 'nobody restarted').toBe(true);
}

requireLab()('a broken network', () => {
  test.concurrent('one link of two dies and returns: nothing moves; all links: node2 takes over, and gives up when it heals', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on'));
    const { lab } = cluster;
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    await cluster.up();

    for (const [network, device] of [
      ['net0', 'eth0'],
      ['net1', 'eth1'],
    ] as const) {
      const sinceMs = Date.now();
      const offset = node2.log().length;
      await lab.network(network).cut('node1');
      await node2.waitForLog(new RegExp(`Link node1:${device} dead`), { fromOffset: offset, timeoutMs: linkMs });
      await node1.waitForLog(new RegExp(`Link node2:${device} dead`), { timeoutMs: linkMs });
      const links = (await cluster.status('node2'))?.nodes.find(({ name }) => name === 'node1')?.links;
      expect(links?.map(({ name, status }) => `${name} ${status}`).sort()).toEqual(
        ['eth0', 'eth1'].map((name) => `${name} ${name === device ? 'dead' : 'up'}`),
      );
      await lab.network(network).heal('node1');
      await node2.waitForLog(new RegExp(`Link node1:${device} up`), { fromOffset: offset, timeoutMs: linkMs });
      await cluster.expectOwner({
        scenario: `cable of ${device} cut and put back`,
        sinceMs,
        owner: 'node1',
        outageMs: 0,
      });
      expect(node2.log().slice(offset)).not.toContain('is dead');
    }

    await splitAndHeal(cluster, 'all cables cut, auto_failback on');
  });

  test.concurrent('a device that is removed and added again is used again; nothing moves', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on'));
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    const network = cluster.lab.network('net1');
    await cluster.up();
    const sinceMs = Date.now();
    const offset = node2.log().length;
    await node1.removeDevice(network);
    await node2.waitForLog(/Link node1:eth1 dead/, { fromOffset: offset, timeoutMs: linkMs });
    await node1.addDevice(network);
    await node2.waitForLog(/Link node1:eth1 up/, { fromOffset: offset, timeoutMs: linkMs });
    await node1.waitForLog(/Link node2:eth1 up[\s\S]*Link node2:eth1 dead[\s\S]*Link node2:eth1 up/, {
      timeoutMs: linkMs,
    });
    await cluster.expectOwner({ scenario: 'device removed and added', sinceMs, owner: 'node1', outageMs: 0 });
    expect(cluster.daemon('node1').running).toBe(true);
  });

  test.concurrent('auto_failback off: what node2 held before the split goes to node1, its preferred owner', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback off'));
    await cluster.up();
    const sinceMs = await cluster.stop('node1');
    await cluster.expectOwner({
      scenario: 'stop of node1, auto_failback off',
      sinceMs,
      owner: 'node2',
      outageMs: handoverMs,
    });
    await cluster.start('node1');
    await cluster.steady();
    await splitAndHeal(cluster, 'all cables cut, auto_failback off');
  });
});
