/**
 * Processes that freeze or die: the whole daemon, and the guardian beside it.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, report, slackMs, takeoverMs, times, twoLinks } from './cluster.ts';
import type { Host } from './lab/host.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';

/** The exit code of an emergency shutdown (README, exit codes). */
const emergencyCode = 100;
/** The eighth of it that is kept for the release has to be enough on a busy machine too [ms]. */
const frozenDeadtimeMs = 3_000;

/** The address and the service were gone from node1 before node2 took them; prints by how much. */
async function expectOrder(cluster: Cluster, scenario: string, sinceMs: number): Promise<void> {
  const timeline = await cluster.observer.timeline();
  for (const resource of cluster.plan.resources) {
    const holdings = timeline.holdings({ fromMs: sinceMs, resource });
    const releasedMs = holdings.find(({ host }) => host === 'node1')?.toMs ?? Number.NaN;
    const takenMs = holdings.find(({ host }) => host === 'node2')?.fromMs ?? Number.NaN;
    report(
      `${scenario}: ${resource} released after ${Math.round(releasedMs - sinceMs)} ms, ${Math.round(takenMs - releasedMs)} ms before node2 took it`,
    );
    expect(releasedMs, `${scenario}: ${resource}`).toBeLessThanOrEqual(takenMs);
  }
}

function guardianPid(host: Host): number | undefined {
  return host.processes().find(({ title }) => title.startsWith('systole: guardian'))?.pid;
}

/** More deaths of guardians than that within a minute, and the node gives up (actors/guardian/client.ts). */
const guardianDeaths = 5 + 1;

async function killGuardian(host: Host): Promise<number> {
  const pid = await eventually(() => guardianPid(host), { what: `a guardian on ${host.name}` });
  process.kill(pid, 'SIGKILL');
  return pid;
}

requireLab()('a fault inside a node', () => {
  test.concurrent('frozen for longer than deadtime: the guardian lets go before the other node takes; awake, the node begins anew', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on', { deadtimeMs: frozenDeadtimeMs }));
    const node1 = cluster.host('node1');
    await cluster.up();
    const daemon = cluster.daemon('node1');
    const frozenMs = Date.now();
    await daemon.signal('SIGSTOP');
    await cluster.expectOwner({
      scenario: 'SIGSTOP longer than deadtime',
      sinceMs: frozenMs,
      owner: 'node2',
      outageMs: takeoverMs + frozenDeadtimeMs,
    });
    await expectOrder(cluster, `SIGSTOP, deadtime ${frozenDeadtimeMs} ms`, frozenMs);
    expect(node1.log()).toMatch(/CRIT: The daemon has not beaten for \d+ ms/);
    const wokenMs = Date.now();
    const offset = node1.log().length;
    await daemon.signal('SIGCONT');
    await node1.waitForLog(/Restarting heartbeat/, { fromOffset: offset, timeoutMs: 30_000 });
    await cluster.expectOwner({
      scenario: 'after SIGCONT, before it joins',
      sinceMs: wokenMs,
      owner: 'node2',
      outageMs: 0,
      withinMs: slackMs,
    });
    const aloneMs = Date.now();
    await node1.waitForLog(/Restarting heartbeat[\s\S]*Comm_now_up/, { fromOffset: offset, timeoutMs: 30_000 });
    await cluster.expectOwner({
      scenario: 'SIGSTOP, rejoined',
      sinceMs: aloneMs,
      owner: 'node1',
      outageMs: handoverMs,
      withinMs: 30_000,
    });
    expect(daemon.running, 'the same process').toBe(true);
  });

  test.concurrent('the guardian is replaced when it dies, and nothing moves; where none can live, the node gives up', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on'));
    const node1 = cluster.host('node1');
    await cluster.up();
    let sinceMs = Date.now();
    const first = await killGuardian(node1);
    await eventually(() => [undefined, first].indexOf(guardianPid(node1)) < 0, { what: 'a new guardian' });
    await node1.waitForLog(/The guardian died \(SIGKILL\)/);
    await cluster.steady();
    await cluster.expectOwner({ scenario: 'SIGKILL of the guardian', sinceMs, owner: 'node1', outageMs: 0 });

    // The new one knows what is held: it releases it when the daemon dies.
    sinceMs = await cluster.kill('node1');
    await cluster.expectOwner({
      scenario: 'then SIGKILL of the daemon',
      sinceMs,
      owner: 'node2',
      outageMs: takeoverMs,
    });
    await expectOrder(cluster, `SIGKILL of the daemon, deadtime ${times.deadtimeMs} ms`, sinceMs);

    await cluster.start('node1');
    await cluster.owned('node1', 30_000);
    await cluster.steady();
    sinceMs = Date.now();
    const daemon = cluster.daemon('node1');
    const killed = new Set<number | undefined>([undefined]);
    while (killed.size <= guardianDeaths) {
      const pid = await eventually(
        () => {
          const found = guardianPid(node1);
          return killed.has(found) ? undefined : found;
        },
        { what: `guardian number ${killed.size} on node1` },
      );
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
    }
    expect((await within(daemon.exited, 10_000, 'the end of node1')).signal).toBeNull();
    expect(await daemon.exited).toEqual({ code: emergencyCode, signal: null });
    await cluster.expectOwner({ scenario: 'no guardian can live', sinceMs, owner: 'node2', outageMs: takeoverMs });
  });
});
