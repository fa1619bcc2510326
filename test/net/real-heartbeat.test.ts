/**
 * Two nodes of the real Heartbeat 3.0.6 in a lab: proof that the lab carries a cluster and that the referee sees what it must see.
 */

import { expect, test } from 'vitest';
import { Lab } from './lab/lab.ts';
import type { Observer } from './lab/observer.ts';
import { requireLab } from './lab/require.ts';

const describeLab = requireLab();

const deadtimeMs = 2_000;
/** Room for the 250 ms between two checks, the scripts, and a machine with other work. */
const slackMs = 15_000;
/** Contact, then the fixed 10 s of the negotiation (resources.md section 3), then the scripts. */
const startMs = 45_000;

const haCf = `debugfile /var/log/ha-debug
logfile /var/log/ha-log
logfacility none
keepalive 200ms
warntime 1
deadtime ${deadtimeMs}ms
initdead 5
auto_failback on
bcast eth0 eth1
node node1
node node2
`;
const webAddress = '10.77.0.100';
const dbAddress = '10.77.0.101';
const haresources = `node1 ${webAddress}/24/eth0 service::web\nnode2 ${dbAddress}/24/eth0 service::db\n`;
const resources = [webAddress, 'service:web', dbAddress, 'service:db'];

interface Cluster extends AsyncDisposable {
  readonly lab: Lab;
  readonly observer: Observer;
}

/** Two nodes that hold their own group each. */
async function startCluster(): Promise<Cluster> {
  const lab = await Lab.create({ networks: ['net0', 'net1'] });
  try {
    const observer = await lab.observe();
    for (const host of lab.hosts) host.configure({ haCf, haresources });
    await Promise.all(lab.hosts.map((host) => host.startHeartbeat()));
    for (const [resource, owner] of [
      [webAddress, 'node1'],
      ['service:web', 'node1'],
      [dbAddress, 'node2'],
      ['service:db', 'node2'],
    ] as const) {
      await observer.waitForOwners(resource, [owner], startMs);
    }
    return { lab, observer, [Symbol.asyncDispose]: () => lab.close() };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

describeLab('two real heartbeats', () => {
  test.concurrent('a node without power: the other one takes everything after deadtime, and nothing is ever held twice', async () => {
    await using cluster = await startCluster();
    const { lab, observer } = cluster;
    const node2 = lab.host('node2');
    expect(await node2.clStatus('nodestatus', 'node1')).toEqual({ code: 0, answer: 'active' });
    expect(await node2.clStatus('rscstatus')).toEqual({ code: 0, answer: 'local' });

    const cutAtMs = await lab.host('node1').powerOff();
    for (const resource of resources) await observer.waitForOwners(resource, ['node2'], deadtimeMs + slackMs);

    await node2.waitForLog(/WARN: node node1: is dead/);
    const timeline = await observer.timeline();
    expect(timeline.overlaps()).toEqual([]);
    const taken = timeline.holdings({ resource: 'service:web' }).find(({ host }) => host === 'node2');
    const outageMs = (taken?.fromMs ?? 0) - cutAtMs;
    // The silence begins with the last heartbeat, which may be one keepalive before the cut, and more on a busy machine.
    expect(outageMs, 'not before the silence was long enough').toBeGreaterThan(deadtimeMs / 2);
    expect(outageMs).toBeLessThan(deadtimeMs + slackMs);
    expect(timeline.gaps({ resource: 'service:db' }), 'what node2 held it never let go').toEqual([]);

    await node2.stopHeartbeat();
    for (const resource of resources) await observer.waitForOwners(resource, [], slackMs);
  });

  test.concurrent('SIGKILL for all processes leaves the services up, so the takeover holds them twice', async () => {
    await using cluster = await startCluster();
    const { lab, observer } = cluster;
    const node1 = lab.host('node1');
    const killedAtMs = node1.killHeartbeat();
    expect(node1.heartbeatRunning()).toBe(false);
    await observer.waitForOwners('service:web', ['node1', 'node2'], deadtimeMs + slackMs);
    await observer.waitForOwners(webAddress, ['node1', 'node2'], slackMs);

    const timeline = await observer.timeline();
    const overlaps = timeline.overlaps();
    // Resources are not stopped when heartbeat is killed (resources.md 12.2): both of node1's group, and only those, only then.
    expect([...new Set(overlaps.map(({ resource }) => resource))]).toEqual([webAddress, 'service:web']);
    for (const { fromMs } of overlaps) expect(fromMs).toBeGreaterThan(killedAtMs);
    expect(node1.service('web').running()).toBe(true);
    expect(timeline.owners('service:db')).toEqual(['node2']);
  });
});
