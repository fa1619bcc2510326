/** Three Systole nodes joined by three null-modem cables and nothing else: every message reaches everybody, also when one cable is cut. */
import { expect, test } from 'vitest';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { nodeOf, slackMs, statusOf } from './media-real.ts';

const names = ['node1', 'node2', 'node3'] as const;
const deadtimeMs = 6_000;

function haCf(ports: readonly string[]): string {
  return `logfile /var/log/ha-log
logfacility none
keepalive 500ms
warntime 5
deadtime ${deadtimeMs}ms
initdead 60
auto_failback on
baud 38400
${ports.map((port) => `serial ${port}`).join('\n')}
${names.map((name) => `node ${name}`).join('\n')}
`;
}

requireLab()('a ring of serial lines', () => {
  test('joins three nodes, and is a chain when it is cut', async () => {
    await using lab = await Lab.create({ hosts: names });
    const modems = await Promise.all([lab.nullModem(), lab.nullModem(), lab.nullModem()]);
    // Cable n joins node n and the next one.
    for (const [index, host] of lab.hosts.entries()) {
      const ports = [modems[index]?.ends[0] ?? '', modems[(index + 2) % 3]?.ends[1] ?? ''];
      host.configure({ haCf: haCf(ports), haresources: '' });
    }
    for (const host of lab.hosts) host.startSystole();
    const allActive = async (): Promise<boolean> => {
      const views = await Promise.all(lab.hosts.map((host) => statusOf(host)));
      const seen = views.map((view) => names.map((name) => nodeOf(view, name).status).join(' '));
      if (seen.some((line) => line !== 'active active active')) throw new Error(seen.join(', '));
      return true;
    };
    await eventually(allActive, { what: 'three active nodes', timeoutMs: 90_000, intervalMs: 250 });
    // Each hears each other one over both ports: from one side directly, from the other side through the third node.
    await eventually(
      async () => {
        const views = await Promise.all(lab.hosts.map((host) => statusOf(host)));
        return views.every((view) => view.nodes.every(({ links }) => links.every(({ status }) => status === 'up')));
      },
      { what: 'all links to be up', timeoutMs: slackMs + deadtimeMs, intervalMs: 250 },
    );

    const offsets = lab.hosts.map((host) => host.log().length);
    await modems[0]?.cut();
    for (const name of ['node1', 'node2'] as const)
      await lab.host(name).waitForLog(/the port was lost/, { timeoutMs: slackMs });
    // The links over the port that is lost die at the dead time; a node that was heard over them alone would have died as well.
    for (const name of ['node1', 'node2'] as const)
      await lab.host(name).waitForLog(/Link node\d:\S+ dead/, { timeoutMs: deadtimeMs + slackMs });
    await allActive();
    for (const [index, host] of lab.hosts.entries())
      expect(host.log().slice(offsets[index])).not.toMatch(/node node\d: is dead|Irretrievably/);

    // The chain breaks: node1 is alone.
    await modems[2]?.cut();
    for (const [host, dead] of [
      ['node1', 'node2'],
      ['node1', 'node3'],
      ['node2', 'node1'],
      ['node3', 'node1'],
    ] as const)
      await lab.host(host).waitForLog(new RegExp(`node ${dead}: is dead`), { timeoutMs: deadtimeMs + slackMs });
    expect(nodeOf(await statusOf(lab.host('node2')), 'node3').status).toBe('active');
  });
});
