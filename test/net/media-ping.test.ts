/** Ping nodes of Systole and of the real Heartbeat 3.0.6, side by side on one network. */
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { systoleCommand } from './lab/systole-command.ts';
import { eventually, within } from './lab/wait.ts';
import { bothActive, complaints, haCf, nodeOf, quietFor, slackMs, statusOf, times } from './media-real.ts';

const router = '10.77.0.254';
/** node2 itself, so that both families are asked for without a router. */
const router6 = 'fd77:1::2';
const media = `bcast eth0\nping ${router}\nping6 ${router6}\nping_group routers 10.77.0.253 ${router}`;
/** Drops the answers before the program sees them. */
const deaf = `table inet deaf {
  chain input {
    type filter hook input priority 0
    icmp type echo-reply drop
    icmpv6 type echo-reply drop
  }
}`;

const names = [router, router6, 'routers'] as const;

async function realSees(host: Host, status: 'ping' | 'dead'): Promise<void> {
  await eventually(
    async () => {
      const answers = await Promise.all(names.map((name) => host.clStatus('nodestatus', name)));
      return answers.every(({ answer }) => answer === status);
    },
    {
      what: `all ping nodes to be ${status} for the real heartbeat`,
      timeoutMs: times.deadpingMs + slackMs,
      intervalMs: 200,
    },
  );
}

async function systoleSees(host: Host, status: 'ping' | 'dead'): Promise<void> {
  const link = status === 'ping' ? 'up' : 'dead';
  await eventually(
    async () => {
      const seen = await statusOf(host);
      const wanted = names.map((name) => ({ name, type: 'ping', status, links: [{ name, status: link }] }));
      expect(names.map((name) => nodeOf(seen, name))).toMatchObject(wanted);
      return true;
    },
    { what: `all ping nodes to be ${status} for Systole`, timeoutMs: times.deadpingMs + slackMs, intervalMs: 200 },
  );
}

requireLab()('ping nodes beside the real heartbeat', () => {
  test('answer both, are lost and come back on each side for itself', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    for (const host of lab.hosts) host.configure({ haCf: haCf(media), haresources: '' });
    const daemon = node1.startSystole();
    await node2.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');
    await Promise.all([systoleSees(node1, 'ping'), realSees(node2, 'ping')]);
    expect((await node1.systole(['status'])).stdout).toMatch(/^ +10\.77\.0\.254 +ping node +ping +heard \d+ ms ago$/m);
    await quietFor(lab, 'node1', 'node2', router, 40);

    await node1.firewall(deaf);
    await systoleSees(node1, 'dead');
    expect(node1.log()).toContain(`WARN: node ${router}: is dead`);
    expect(node1.log()).toContain(`Link ${router}:${router} dead.`);
    await realSees(node2, 'ping');
    await node1.firewall('');
    await systoleSees(node1, 'ping');
    expect(complaints(node2), "nothing of this is the peer's business").toEqual([]);

    await node2.firewall(deaf);
    await realSees(node2, 'dead');
    await systoleSees(node1, 'ping');
    await node2.firewall('');
    await realSees(node2, 'ping');

    expect(nodeOf(await statusOf(node1), 'node2').status).toBe('active');
    expect(daemon.running).toBe(true);
  });

  test('answer without the right to raw sockets, where the system allows datagram ones', async () => {
    await using lab = await Lab.create({ hosts: ['node1'] });
    const node1 = lab.host('node1');
    const config = haCf(`ucast eth0 ${router}\nping ${router}\nping6 fd77:1::1`).replace('node node2\n', '');
    node1.configure({ haCf: config, haresources: '' });
    const start = () =>
      node1.spawn(
        [
          'setpriv',
          '--bounding-set',
          '-net_raw',
          '--inh-caps',
          '-net_raw',
          ...systoleCommand(['start', '--foreground']),
        ],
        { stdin: '' },
      );

    await node1.run(['sysctl', '-q', '-w', 'net.ipv4.ping_group_range=1 0']);
    const refused = start();
    const { code } = await within(refused.exited, 30_000, 'Systole to give up');
    expect(code).not.toBe(0);
    expect(refused.stderr).toContain('net.ipv4.ping_group_range');

    await node1.run(['sysctl', '-q', '-w', 'net.ipv4.ping_group_range=0 0']);
    start();
    for (const name of [router, 'fd77:1::1'])
      await eventually(async () => nodeOf(await statusOf(node1), name).status === 'ping', {
        what: `${name} to answer`,
        timeoutMs: 20_000,
        intervalMs: 200,
      });
  });
});
