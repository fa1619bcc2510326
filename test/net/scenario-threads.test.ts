/**
 * Threads that throw, hang or end. The node gives up as a whole, and what it holds is released before the other node takes over; with
 * `media_failure restart` a medium is only opened again.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Cluster, report, slackMs, takeoverMs, times, twoLinks } from './cluster.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';

/** See the file: an order in /run/sabotage is obeyed by one thread. */
const saboteur = {
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('../fixtures/saboteur.mjs', import.meta.url))}`,
};
/** The exit code of an emergency shutdown (README, exit codes). */
const emergencyCode = 100;
/** A thread's death is found in 0.7 s at the latest, and the process is gone within a second; with room for a busy machine [ms]. */
const goneMs = 1_000 + slackMs;

/** Longer than a busy machine takes to find a hung thread and to release: so nothing may ever be held twice [ms]. */
const deadtimeMs = 3_000;
/** The end has to come at some time [ms]. */
const deadlineMs = 10_000;

requireLab()('a fault in a thread', () => {
  test.concurrent('a thread that throws, hangs or ends is an emergency: the process is gone within a second, node2 takes over', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on', { deadtimeMs }));
    const node1 = cluster.host('node1');
    await cluster.up(saboteur);
    const cases = [
      {
        order: 'membership spin',
        reason: /Emergency Shutdown: membership died: .*hung/,
        end: { code: emergencyCode, signal: null },
      },
      {
        order: 'medium throw',
        reason: /Emergency Shutdown: medium:\S+ died: .*sabotage/,
        end: { code: emergencyCode, signal: null },
      },
      {
        order: 'resources exit',
        reason: /Emergency Shutdown: resources died/,
        end: { code: emergencyCode, signal: null },
      },
      // The main thread is what a process ends itself with; without it only a signal is left.
      { order: 'main spin', reason: null, end: { code: null, signal: 'SIGKILL' as const } },
    ];
    for (const { order, reason, end } of cases) {
      const sinceMs = Date.now();
      const beganMs = performance.now();
      node1.writeFile('/run/sabotage', order);
      expect(await within(cluster.daemon('node1').exited, deadlineMs, `${order}: the end`)).toEqual(end);
      const tookMs = performance.now() - beganMs;
      report(`${order}: process gone after ${Math.round(tookMs)} ms`);
      if (reason !== null) {
        expect(node1.log()).toMatch(reason);
        expect(tookMs, order).toBeLessThan(goneMs);
      }
      await cluster.expectOwner({ scenario: order, sinceMs, owner: 'node2', outageMs: deadtimeMs + takeoverMs });
      await cluster.start('node1', saboteur);
      await cluster.owned('node1', 30_000);
      await cluster.steady();
    }
  });

  test.concurrent('media_failure restart: a medium that crashes or hangs is opened again, and nothing moves', async () => {
    await using cluster = await Cluster.create(twoLinks('auto_failback on\nmedia_failure restart'));
    const node1 = cluster.host('node1');
    await cluster.up(saboteur);
    for (const deed of ['throw', 'spin', 'exit']) {
      const sinceMs = Date.now();
      const offset = node1.log().length;
      node1.writeFile('/run/sabotage', `medium ${deed}`);
      await node1.waitForLog(/ERROR: medium:\S+ died\. Restarting it[\s\S]*started on port/, { fromOffset: offset });
      await eventually(
        async () => {
          const links = (await cluster.status('node1'))?.nodes.find(({ name }) => name === 'node2')?.links;
          return links?.length === 2 && links.every(({ status }) => status === 'up');
        },
        { what: 'both links up', timeoutMs: times.deadtimeMs + slackMs },
      );
      await cluster.expectOwner({ scenario: `media_failure restart, ${deed}`, sinceMs, owner: 'node1', outageMs: 0 });
      expect(cluster.daemon('node1').running).toBe(true);
    }
  });
});
