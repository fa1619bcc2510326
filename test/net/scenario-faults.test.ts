/**
 * Processes that freeze or die: the whole daemon, and the guardian beside it.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, slackMs, takeoverMs, twoLinks } from './cluster.ts';
import type { Host } from './lab/host.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';

/** The exit code of an emergency shutdown (README, exit codes). */
const emergencyCode = 100;
/** A frozen process that goes on notices at its next timer that it was away, and gives up what it holds [ms]. */
const noticedMs = 1_000 + slackMs;

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
  test.concurrent('frozen for longer than deadtime: on waking it gives up what the other took, and begins anew', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on'));
    const node1 = cluster.host('node1');
    await cluster.up();
    const daemon = cluster.daemon('node1');
    await daemon.signal('SIGSTOP');
    // Nothing can make a frozen node let go but fencing: until it wakes both own the group.
    await cluster.observer.waitForOwners('service:web', ['node1', 'node2'], takeoverMs);
    const wokenMs = Date.now();
    await daemon.signal('SIGCONT');
    await cluster.expectOwner({
      scenario: 'SIGSTOP longer than deadtime, after SIGCONT',
      sinceMs: wokenMs,
      owner: 'node2',
      outageMs: 0,
      overlapMs: noticedMs,
      withinMs: noticedMs + slackMs,
    });
    const aloneMs = Date.now();
    await node1.waitForLog(/Restarting heartbeat[\s\S]*Comm_now_up/, { timeoutMs: 30_000 });
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
