/**
 * The tiebreaker of conf/samples/plugin as its users have it, first in a group: a node that has lost the network with its peer does not take the
 * group over; one that still sees a ping node does.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const startMs = 90_000;
const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
/** As the sample's head says, but that `systole/client` is this checkout's. */
const quorum = `#!/bin/sh
exec ${path('node_modules/.bin/node')} --import ${path('test/fixtures/api/resolve-client.mjs')} ${path('conf/samples/plugin/quorum.mjs')} "$@"
`;
const haCf = `logfile /var/log/ha-log
logfacility none
keepalive 250ms
warntime 1
deadtime 2
initdead 4
auto_failback on
bcast eth1
ping 10.77.0.254
node node1
node node2
`;

requireLab()('the quorum tiebreaker', () => {
  test('refuses a takeover where no ping node answers', { timeout: 400_000 }, async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'] });
    const observer = await lab.observe();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    for (const host of lab.hosts)
      host.configure({ haCf, haresources: 'node1 quorum service::web\n', scripts: { quorum } });
    const pingNodeIs = (status: string): Promise<unknown> =>
      eventually(async () => (await node2.clStatus('nodestatus', '10.77.0.254')).answer === status, {
        what: `node2 to see the ping node as ${status}`,
        timeoutMs: startMs,
        intervalMs: 100,
      });
    for (const host of lab.hosts) host.startSystole();
    await observer.waitForOwners('service:web', ['node1'], startMs);
    await pingNodeIs('ping');

    await node1.powerOff();
    await observer.waitForOwners('service:web', ['node2'], startMs);

    await node1.powerOn();
    node1.startSystole();
    await observer.waitForOwners('service:web', ['node1'], startMs);
    await lab.network('net0').cut('node2');
    await pingNodeIs('dead');
    const beganMs = Date.now();
    const from = node2.log().length;
    await node1.powerOff();
    await node2.waitForLog(/node node1: is dead/, { fromOffset: from, timeoutMs: startMs });
    await node2.waitForLog(/quorum.*(fail|return code 1|exit code 1)/i, { fromOffset: from, timeoutMs: startMs });
    // It has been refused, and what was started of the group is stopped again.
    await eventually(async () => (await node2.clStatus('rscstatus')).answer !== 'transition', {
      what: 'node2 to be done',
      timeoutMs: startMs,
      intervalMs: 100,
    });
    await observer.waitForOwners('service:web', [], startMs);
    const timeline = await observer.timeline();
    const after = timeline.holdings({ resource: 'service:web', fromMs: beganMs }).map(({ host }) => host);
    expect(after.filter((host) => host === 'node2')).toEqual([]);
  });
});
