/**
 * More than two nodes on one wire, and one node too many: a cloned machine.
 */
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';
import { complaints, nodeOf, slackMs, statusOf } from './media-real.ts';

/** [ms] */
const deadtimeMs = 5_000;
/** Eight daemons start on one machine [ms]. */
const settledMs = 180_000;

function haCf(nodes: readonly string[]): string {
  return `logfile /var/log/ha-log
logfacility none
keepalive 500ms
warntime ${deadtimeMs / 2}ms
deadtime ${deadtimeMs}ms
initdead 180
auto_failback on
bcast eth0
${nodes.map((name) => `node ${name}\n`).join('')}`;
}

/** Starts Systole on a host; the configuration names all hosts of the lab. */
function start(lab: Lab, host: Host): LabProcess {
  host.configure({ haCf: haCf(lab.hosts.map(({ name }) => name)), haresources: '' });
  return host.startSystole();
}

/** Waits until this host sees these nodes in these states: `node1 active, node2 dead`. */
async function sees(host: Host, expected: string): Promise<void> {
  await eventually(
    async () => {
      const { nodes } = await statusOf(host);
      const seen = nodes.map(({ name, status }) => `${name} ${status}`).join(', ');
      if (seen !== expected) throw new Error(`${seen}\n${host.log().slice(-1_000)}`);
      return true;
    },
    { what: `${host.name} to see ${expected}`, timeoutMs: settledMs, intervalMs: 500 },
  );
}

/** How often a log says that a node is dead. */
function deaths(host: Host, name: string): number {
  return host.log().split(`node ${name}: is dead`).length - 1;
}

async function everybodyComesGoesAndReturns(size: number): Promise<void> {
  const names = Array.from({ length: size }, (_, index) => `node${index + 1}`);
  await using lab = await Lab.create({ hosts: names, networks: ['net0'] });
  const daemons = new Map<string, LabProcess>();
  // Not all at once: a start is seconds of work for one processor, and has a limit.
  for (const host of lab.hosts) {
    const daemon = start(lab, host);
    daemons.set(host.name, daemon);
    await eventually(
      async () => {
        if (!daemon.running) throw new Error(`it has ended: ${daemon.stderr}${host.log().slice(-1_000)}`);
        return (await statusOf(host)).status !== 'init';
      },
      { what: `${host.name} to beat`, timeoutMs: settledMs, intervalMs: 250 },
    );
  }
  const all = names.map((name) => `${name} active`).join(', ');
  await Promise.all(lab.hosts.map((host) => sees(host, all)));
  for (const host of lab.hosts) expect(host.log(), host.name).not.toContain('is dead');

  const victim = lab.host(`node${size}`);
  const others = lab.hosts.filter((host) => host !== victim);
  const daemon = daemons.get(victim.name);
  await daemon?.signal('SIGKILL');
  if (daemon !== undefined) await within(daemon.exited, slackMs, 'the victim to end');
  const withoutOne = names.map((name) => `${name} ${name === victim.name ? 'dead' : 'active'}`).join(', ');
  await Promise.all(others.map((host) => sees(host, withoutOne)));

  start(lab, victim);
  await Promise.all(lab.hosts.map((host) => sees(host, all)));
  for (const host of others)
    for (const name of names) expect(deaths(host, name), `${name} on ${host.name}`).toBe(name === victim.name ? 1 : 0);
  expect(victim.log()).not.toContain('is dead');
}

/** The second host's uuid file is a copy of the first one's. */
function clone(lab: Lab): void {
  const [first, second] = lab.hosts;
  const uuid = 'cloned-machine-1';
  first?.writeFile('/var/lib/heartbeat/hb_uuid', uuid);
  second?.writeFile('/var/lib/heartbeat/hb_uuid', uuid);
}

const clonedUuid = '636c6f6e-6564-2d6d-6163-68696e652d31';
const cure = `ERROR: both nodes node1 and node2 carry uuid ${clonedUuid} (a copied state directory?): remove hb_uuid on one and restart it`;

/** How often the cure stands in a host's log. */
const curesIn = (host: Host): number => host.log().split(cure).length - 1;

requireLab()('a cluster of Systole nodes', () => {
  // One after the other: a daemon's start is a second of work, and two processors have enough to do with eight of them.
  test.each([2, 3, 8])(
    'of %i: all see all, one dies once for everybody, and returns',
    everybodyComesGoesAndReturns,
    3 * settledMs,
  );
});

requireLab()('a cloned machine', () => {
  test.concurrent('both Systole: each names the problem and the cure, once, and both work; without the copy it is gone', async () => {
    await using lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0'] });
    clone(lab);
    const daemons = lab.hosts.map((host) => start(lab, host));
    await Promise.all(lab.hosts.map((host) => sees(host, 'node1 active, node2 active')));
    for (const host of lab.hosts) {
      expect(curesIn(host), host.name).toBe(1);
      expect(host.log(), host.name).not.toMatch(/replay|changed its uuid|nodename/);
    }
    const [, second] = lab.hosts;
    expect(await second?.systole(['stop'])).toMatchObject({ code: 0 });
    if (daemons[1] !== undefined) await within(daemons[1].exited, slackMs, 'node2 to end');
    second?.removeFile('/var/lib/heartbeat/hb_uuid');
    if (second !== undefined) start(lab, second);
    await Promise.all(lab.hosts.map((host) => sees(host, 'node1 active, node2 active')));
    expect(lab.hosts.map(curesIn)).toEqual([1, 1]);
  });

  test.concurrent('beside Heartbeat 3.0.6: ours names it, does not flood, and goes on hearing it', async () => {
    await using lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0'] });
    clone(lab);
    const [ours, real] = lab.hosts;
    if (ours === undefined || real === undefined) throw new Error('two hosts');
    start(lab, ours);
    real.configure({ haCf: haCf(['node1', 'node2']), haresources: '' });
    await real.startHeartbeat();
    await eventually(() => curesIn(ours) === 1, {
      what: 'the cure in the log of node1',
      timeoutMs: settledMs,
      intervalMs: 250,
    });
    // It speaks under our uuid all the time; nothing more is said of it.
    const packets = async (): Promise<number> => (await statusOf(ours)).media[0]?.received ?? 0;
    // What beats first hears first, before anybody can be asked.
    const before = await eventually(packets, { what: 'a status', timeoutMs: settledMs, intervalMs: 250 });
    await eventually(async () => (await packets()) > before + 20, {
      what: 'twenty packets',
      timeoutMs: settledMs,
      intervalMs: 250,
    });
    expect(curesIn(ours)).toBe(1);
    expect(complaints(ours)).toEqual([expect.stringContaining(cure)]);
    expect(nodeOf(await statusOf(ours), 'node1').status).not.toBe('dead');
  });
});
