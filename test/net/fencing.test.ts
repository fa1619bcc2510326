/**
 * Fencing with a real power switch: a plugin of cluster-glue's `stonith` command that has the laboratory cut the other host's power.
 */
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { Cluster, handoverMs, slackMs, times, twoLinks } from './cluster.ts';
import { switchFolder as folder, giveSwitch, switchPassword as password, switchLine } from './faults/power-switch.ts';
import type { Host } from './lab/host.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

/** Between two tries of all devices [ms] (actors/fencing). */
const retryMs = 5_000;

const resources = ['10.77.0.100', 'service:web'];

/** Cuts the power of a host as soon as the other one's switch asks for it. @returns when it was off [epoch ms] */
async function obeySwitch(cluster: Cluster, of: string, target: string, timeoutMs: number): Promise<number> {
  const host = cluster.host(of);
  await eventually(() => host.exists(`${folder}/request.${target}`), {
    what: `a reset of ${target} by ${of}`,
    timeoutMs,
  });
  await cluster.host(target).powerOff();
  const atMs = Date.now();
  host.writeFile(`${folder}/done.${target}`, '');
  return atMs;
}

const refuse = (host: Host): void => host.writeFile(`${folder}/refuse`, '');
const calls = (host: Host): readonly string[] => host.readFile(`${folder}/calls`).trim().split('\n').filter(Boolean);

function clusterWith(program?: (host: string) => 'systole' | 'heartbeat'): Promise<Cluster> {
  return Cluster.create({
    ...twoLinks(`auto_failback on\n${switchLine}`),
    ...(program === undefined ? {} : { program }),
  });
}

async function up(program?: (host: string) => 'systole' | 'heartbeat'): Promise<Cluster> {
  const cluster = await clusterWith(program);
  try {
    for (const host of cluster.lab.hosts) await giveSwitch(host);
    await cluster.up();
    return cluster;
  } catch (error) {
    await cluster.lab.close();
    throw error;
  }
}

const statusShape = v.object({
  resources: v.object({
    fencing: v.object({
      devices: v.array(v.object({ device: v.string(), status: v.string() })),
      pending: v.nullable(v.object({ node: v.string(), failures: v.number(), waitsFor: v.string() })),
    }),
  }),
});

async function fencingOf(
  cluster: Cluster,
  name: string,
): Promise<v.InferOutput<typeof statusShape>['resources']['fencing']> {
  const { stdout } = await cluster.host(name).systole(['status', '--json']);
  return v.parse(statusShape, JSON.parse(stdout)).resources.fencing;
}

/** Nobody but the dead node had anything before that moment. */
async function expectNothingTakenBefore(cluster: Cluster, atMs: number, sinceMs: number): Promise<void> {
  const timeline = await cluster.observer.timeline();
  for (const resource of resources) {
    const overlaps = timeline.overlaps({ fromMs: sinceMs, resource });
    expect(overlaps, `${resource}: two owners`).toEqual([]);
  }
  const starts = cluster
    .host('node2')
    .serviceLog()
    .filter((entry) => entry.what === 'call' && entry.action === 'start' && entry.atMs >= sinceMs);
  expect(starts.length, 'the service was started on node2').toBeGreaterThan(0);
  for (const start of starts) expect(start.atMs).toBeGreaterThanOrEqual(atMs - 100);
}

/** The parameters of the device stand in ha.cf, and nowhere else that Systole shows or writes. */
async function expectNoSecret(host: Host): Promise<void> {
  const status = await host.systole(['status', '--json']);
  const check = await host.systole(['check', '--json']);
  expect(status.stdout).toContain('external/lab');
  const titles = host.processes().map((entry) => entry.title);
  expect(`${status.stdout}${check.stdout}${host.log()}${titles.join()}`).not.toContain(password);
}

requireLab()('fencing', () => {
  describe('of a node that fell silent with everything it holds', () => {
    test.concurrent('waits until the device works, and only then takes over', async () => {
      await using cluster = await up();
      const node2 = cluster.host('node2');
      expect(await fencingOf(cluster, 'node2')).toMatchObject({
        devices: [{ device: 'external/lab', status: 'ok' }],
        pending: null,
      });
      // Both lose each other, and both would shoot; the switch of the one that holds everything never works.
      for (const host of cluster.lab.hosts) refuse(host);
      const sinceMs = Date.now();
      await Promise.all(cluster.lab.networks.map((network) => network.cut('node1')));
      await node2.waitForLog(/STONITH of node1 failed[\s\S]*STONITH of node1 failed/, {
        timeoutMs: 3 * retryMs + slackMs,
      });
      expect((await fencingOf(cluster, 'node2')).pending).toMatchObject({ node: 'node1', failures: 2 });
      expect((await node2.systole(['status'])).stdout).toContain('FENCING of node1');
      expect(node2.service('web').running()).toBe(false);
      expect(cluster.host('node1').service('web').running()).toBe(true);
      node2.removeFile(`${folder}/refuse`);
      const offMs = await obeySwitch(cluster, 'node2', 'node1', 2 * retryMs + slackMs);
      await cluster.owned('node2', handoverMs);
      await expectNothingTakenBefore(cluster, offMs, sinceMs);
      expect(calls(node2).length).toBe(3);

      const log = node2.log();
      const lines = [
        'WARN: node node1: is dead',
        'info: Resetting node node1 with [external/lab]',
        'ERROR: Host node1 not reset!',
        'ERROR: STONITH of node1 failed.  Retrying...',
        'info: node node1 now reset.',
        'info: Resources being acquired from node1.',
        'info: mach_down takeover complete.',
      ];
      const places = lines.map((line) => log.indexOf(line));
      expect(places, log).toEqual(places.toSorted((a, b) => a - b));
      expect(places[0]).toBeGreaterThan(0);
      expect(log).toMatch(/info: Managed STONITH-stat process \d+ exited with return code 0\./);
      expect(log).toMatch(/WARN: Managed STONITH node1 process \d+ exited with return code 1\./);
      expect(calls(node2)[0], 'the password arrives').toContain(password);
    });

    test.concurrent('takes the operator at his word when no device works', async () => {
      await using cluster = await up();
      const node2 = cluster.host('node2');
      refuse(node2);
      const early = await node2.systole(['fence-confirm', 'node1', '--yes']);
      expect(early).toMatchObject({ code: 1 });
      expect(early.stderr).toContain('node1 is not being fenced: no fencing is pending');
      await cluster.host('node1').powerOff();
      await node2.waitForLog(/STONITH of node1 failed/, { timeoutMs: times.deadtimeMs + retryMs + slackMs });
      expect(await node2.systole(['fence-confirm', 'node2', '--yes'])).toMatchObject({ code: 1 });
      const unsure = await node2.systole(['fence-confirm', 'node1']);
      expect(unsure).toMatchObject({ code: 2 });
      expect(unsure.stderr).toContain('DATA WILL BE LOST');
      expect(node2.service('web').running()).toBe(false);
      expect(await node2.systole(['fence-confirm', 'node1', '--yes'])).toMatchObject({ code: 0 });
      await cluster.owned('node2', handoverMs);
      await expectNoSecret(node2);
      expect(node2.log()).toContain('The operator has confirmed that node node1 is switched off');
    });
  });

  test.concurrent('is cancelled on both sides when the links are back, and nothing was touched', async () => {
    await using cluster = await up();
    const { lab } = cluster;
    for (const host of lab.hosts) refuse(host);
    const sinceMs = Date.now();
    await Promise.all(lab.networks.map((network) => network.cut('node1')));
    for (const [host, other] of [
      ['node1', 'node2'],
      ['node2', 'node1'],
    ] as const)
      await cluster
        .host(host)
        .waitForLog(new RegExp(`STONITH of ${other} failed`), { timeoutMs: 2 * retryMs + slackMs });
    await Promise.all(lab.networks.map((network) => network.heal('node1')));
    for (const [host, other] of [
      ['node1', 'node2'],
      ['node2', 'node1'],
    ] as const)
      await cluster.host(host).waitForLog(new RegExp(`STONITH of ${other} cancelled: ${other} is heard again`));
    for (const host of lab.hosts) host.removeFile(`${folder}/refuse`);
    await cluster.steady();
    await cluster.expectOwner({ scenario: 'cut and healed before the fencing', sinceMs, owner: 'node1', outageMs: 0 });
    // Nobody shoots any more, although the devices would work now.
    const seen = lab.hosts.map((host) => calls(host).length);
    const again = Date.now() + retryMs + 1_000;
    await eventually(() => Date.now() >= again, { what: 'the time of the next try', timeoutMs: 2 * retryMs });
    expect(lab.hosts.map((host) => calls(host).length)).toEqual(seen);
    for (const host of lab.hosts)
      expect(host.exists(`${folder}/request.node1`) || host.exists(`${folder}/request.node2`)).toBe(false);
  });

  test.concurrent('of a real heartbeat that was killed and left its resources running', async () => {
    await using cluster = await up((host) => (host === 'node1' ? 'heartbeat' : 'systole'));
    const sinceMs = await cluster.kill('node1');
    expect(cluster.host('node1').service('web').running()).toBe(true);
    const offMs = await obeySwitch(cluster, 'node2', 'node1', times.deadtimeMs + 2 * retryMs + slackMs);
    await cluster.owned('node2', handoverMs);
    await expectNothingTakenBefore(cluster, offMs, sinceMs);
  });
});
