/**
 * A service that cannot be stopped, under each policy of `stop_failure`: whatever is done, it never runs on both nodes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Cluster, report, takeoverMs, times, twoLinks } from './cluster.ts';
import { giveSwitch, obeySwitch, switchLine } from './faults/power-switch.ts';
import { requireLab } from './lab/require.ts';
import { within } from './lab/wait.ts';

/** Ten tries with a second between them come before anything is done [ms]. */
const triesMs = 40_000;

/** A cluster whose node1 holds the group, cannot stop its service, and is told to go standby. */
async function stuckCluster(policy: string): Promise<Cluster> {
  const cluster = await Cluster.create(twoLinks(`auto_failback off\n${policy}`));
  return cluster;
}

async function askForStandby(cluster: Cluster): Promise<number> {
  const node1 = cluster.host('node1');
  node1.service('web').fail('stop');
  const sinceMs = Date.now();
  // Its outcome comes much later, if at all.
  await node1.systole(['standby', 'all']);
  return sinceMs;
}

requireLab()('a service that cannot be stopped', () => {
  test.concurrent('stop_failure reboot, the default: the machine restarts, and the other node takes over', async () => {
    await using cluster = await stuckCluster('');
    await cluster.up();
    const node1 = cluster.host('node1');
    const gone = node1.gone();
    const sinceMs = await askForStandby(cluster);
    await within(gone, triesMs, 'node1 to restart');
    await node1.powerOff();
    expect(node1.log()).toMatch(/CRIT: Resource STOP failure\. Reboot required![\s\S]*CRIT: .*restarting this machine/);
    await cluster.expectOwner({ scenario: 'stop_failure reboot', sinceMs, owner: 'node2', outageMs: triesMs });
  });

  test.concurrent('stop_failure hold: it stays where it is, and status and log say what is to be done', async () => {
    await using cluster = await stuckCluster('stop_failure hold');
    await cluster.up();
    const node1 = cluster.host('node1');
    const sinceMs = await askForStandby(cluster);
    await node1.waitForLog(/CRIT: Reboot this machine: 10\.77\.0\.100\S* may still run here/, { timeoutMs: triesMs });
    // Longer than any deadline by which the other node could take it.
    await delay(3 * times.deadtimeMs);
    const timeline = await cluster.observer.timeline();
    expect(timeline.owners('service:web')).toEqual(['node1']);
    expect(timeline.holdings({ fromMs: sinceMs }).filter(({ host }) => host === 'node2')).toEqual([]);
    const { stdout } = await node1.systole(['status']);
    expect(stdout).toContain('REBOOT REQUIRED');
    expect(stdout).toMatch(/service::web +11 failures +stop .* ago: Return code 1/);
    report('stop_failure hold: node1 keeps it, node2 has nothing');
  });

  test.concurrent('stop_failure fence: the node falls silent, and the other one takes over when it has fenced it', async () => {
    await using cluster = await stuckCluster(`stop_failure fence\nguardian off\n${switchLine}`);
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    for (const host of cluster.lab.hosts) await giveSwitch(host);
    await cluster.up();
    const sinceMs = await askForStandby(cluster);
    await node1.waitForLog(/CRIT: .*falls silent, so that the other one fences it/, { timeoutMs: triesMs });
    await obeySwitch(node2, node1, triesMs);
    await cluster.expectOwner({
      scenario: 'stop_failure fence',
      sinceMs,
      owner: 'node2',
      outageMs: triesMs + takeoverMs,
    });
  });
});
