/**
 * Programs under `respawn` and `failfast`, and ipfail: the original's as our child, and ours beside the original's.
 */
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const describeLab = requireLab();

const startMs = 90_000;
const realIpfail = 'respawn hacluster /usr/libexec/heartbeat/ipfail';
/** Where other packages have it: not on this machine, so ours takes its place. */
const builtInIpfail = 'respawn hacluster /usr/lib/heartbeat/ipfail';

const haCf = (...lines: readonly string[]): string => `debugfile /var/log/ha-debug
logfile /var/log/ha-log
debug 1
keepalive 500ms
deadtime 4
warntime 2
initdead 10
auto_failback on
bcast eth1
ping 10.77.0.254
${lines.join('\n')}
node node1
node node2
`;

interface Plugin {
  readonly command: string;
  readonly status: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly lastExit: string | null;
}

async function plugins(host: Host): Promise<readonly Plugin[]> {
  const { code, stdout } = await host.systole(['status', '--json']);
  return code === 0 ? JSON.parse(stdout).plugins : [];
}

async function plugin(host: Host, command: string, fits: (found: Plugin) => boolean, what: string): Promise<Plugin> {
  return await eventually(
    async () => (await plugins(host)).find((candidate) => candidate.command.includes(command) && fits(candidate)),
    { what: `${command} ${what}`, timeoutMs: startMs, intervalMs: 200 },
  );
}

async function holds(host: Host, set: string): Promise<void> {
  await eventually(async () => (await host.clStatus('rscstatus')).answer === set, {
    what: `${host.name} to hold ${set}`,
    timeoutMs: startMs,
    intervalMs: 200,
  });
}

describeLab('programs of respawn lines', () => {
  test('run as their user, with our environment and nothing else, come back when they die, and are stopped in reverse', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'], hosts: ['node1'] });
    const node1 = lab.host('node1');
    const report = '{ id; env; ls -l /proc/self/fd; } > /var/log/report-$HA_CURHOST 2>&1; exit 100';
    node1.configure({
      haCf: haCf(
        `respawn hacluster /bin/sh -c '${report}'`,
        'respawn nobody /bin/sleep 1000',
        'respawn root /bin/sleep 2000 $UNSET',
        'env PLACE=here',
      ).replace('node node2\n', ''),
      haresources: 'node1 service::web\n',
    });
    await node1.run(['sh', '-c', 'touch /var/log/report-node1; chmod 666 /var/log/report-node1']);
    const systole = node1.startSystole();
    const sleeper = await plugin(node1, '/bin/sleep 1000', ({ pid }) => pid !== null, 'to run');
    await plugin(node1, '/bin/sh', ({ status }) => status === 'down', 'to have ended for good');

    const text = node1.readFile('/var/log/report-node1');
    expect(text).toMatch(/^uid=\d+\(hacluster\) gid=\d+\(haclient\)/);
    expect(text).toMatch(/^HA_PLACE=here$/m);
    expect(text).toMatch(/^HA_keepalive=500ms$/m);
    expect(text).not.toMatch(/NODE_|UV_/);
    const descriptors = [...text.matchAll(/ (\d+) -> (\S+)$/gm)].map((match) => `${match[1]} ${match[2]}`);
    expect(descriptors.filter((entry) => !entry.includes('/proc/'))).toEqual([
      '0 /dev/null',
      '1 /var/log/report-node1',
      '2 /var/log/report-node1',
    ]);

    await node1.run(['kill', '-9', String(sleeper.pid)]);
    const again = await plugin(
      node1,
      '/bin/sleep 1000',
      ({ restarts, pid }) => restarts === 1 && pid !== null,
      'to run again',
    );
    expect(again).toMatchObject({ status: 'running', lastExit: 'signal SIGKILL' });
    expect(again.pid).not.toBe(sleeper.pid);

    // The companion dies: its programs are not left behind, nor doubled.
    node1.signalAll('systole: childr', 'SIGKILL');
    await plugin(
      node1,
      '/bin/sleep 1000',
      ({ restarts, pid }) => restarts === 2 && pid !== null,
      'to run under a new companion',
    );
    expect(node1.processes().filter(({ title }) => title.startsWith('/bin/sleep 1000'))).toHaveLength(1);

    expect((await node1.systole(['stop'], 60_000)).code).toBe(0);
    await systole.exited;
    expect(node1.processes().filter(({ title }) => title.startsWith('/bin/sleep'))).toEqual([]);
    const stops = [...node1.log().matchAll(/killing (\S+ \d+).* process group|client \[(\/bin\/sh).*is not running/g)];
    expect(stops.map((match) => match[1] ?? match[2])).toEqual(['/bin/sleep 2000', '/bin/sleep 1000', '/bin/sh']);
  });

  test('end when the daemon is killed', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'], hosts: ['node1'] });
    const node1 = lab.host('node1');
    node1.configure({
      haCf: haCf('respawn root /bin/sleep 1000').replace('node node2\n', ''),
      haresources: 'node1 service::web\n',
    });
    node1.startSystole();
    await plugin(node1, '/bin/sleep', ({ pid }) => pid !== null, 'to run');
    const daemon = node1.processes().find(({ title }) => title.includes('heartbeatd'));
    if (daemon === undefined) throw new Error('no daemon runs');
    process.kill(daemon.pid, 'SIGKILL');
    await eventually(() => node1.processes().every(({ title }) => !title.startsWith('/bin/sleep')), {
      what: 'the program to end',
      timeoutMs: 20_000,
    });
  });

  test('failfast: the machine goes down when the program dies', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'], hosts: ['node1'] });
    const node1 = lab.host('node1');
    node1.configure({
      haCf: haCf('failfast root /bin/sleep 1000').replace('node node2\n', ''),
      haresources: 'node1 service::web\n',
    });
    node1.startSystole();
    const { pid } = await plugin(node1, '/bin/sleep', (found) => found.pid !== null, 'to run');
    await node1.exec(['kill', '-9', String(pid)]);
    // A restart of a PID namespace is its end: every process of the host is gone.
    await eventually(() => node1.processes().length === 0, { what: 'the host to go down', timeoutMs: 20_000 });
    expect(node1.log()).toMatch(/EMERG: Rebooting system\. {2}Reason: \/bin\/sleep 1000/);
  });
});

describeLab('ipfail: the cable of the public network is pulled', () => {
  test.each([
    ['the original as our child', realIpfail],
    ['ours', builtInIpfail],
  ])('%s on node1, the original on node2: everything moves once, and back', async (_what, line) => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'] });
    const observer = await lab.observe();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const haresources = 'node1 service::web\nnode2 service::db\n';
    node1.configure({ haCf: haCf(line), haresources });
    node2.configure({ haCf: haCf(realIpfail), haresources });
    node1.startSystole();
    await node2.startHeartbeat();
    await holds(node1, 'local');
    await holds(node2, 'local');
    await eventually(
      async () => (await node1.clStatus('clientstatus', 'node2', 'ipfail', '5000')).answer === 'online',
      {
        what: 'both to be signed on',
        timeoutMs: startMs,
      },
    );

    await lab.network('net0').cut('node1');
    await observer.waitForOwners('service:web', ['node2'], startMs);
    await holds(node1, 'none');
    expect(stepsIn(node1.log())).toEqual([
      'node 10.77.0.254: is dead',
      'Link 10.77.0.254:10.77.0.254 dead.',
      'node1 wants to go standby [all]',
      'standby: node2 can take our all resources',
      'give up all HA resources (standby).',
      'all HA resource release completed (standby).',
      'Local standby process completed [all].',
      'Other node completed standby takeover of all resources.',
    ]);

    await lab.network('net0').heal('node1');
    await observer.waitForOwners('service:web', ['node1'], startMs);
    await holds(node1, 'local');
    await holds(node2, 'local');
    const timeline = await observer.timeline();
    expect(timeline.overlaps()).toEqual([]);
    expect(timeline.holdings({ resource: 'service:web' }).map(({ host }) => host)).toEqual(['node1', 'node2', 'node1']);
    expect(timeline.holdings({ resource: 'service:db' }).map(({ host }) => host)).toEqual(['node2']);
  });
});

/**
 * The daemon's steps from the loss of the ping node on, as the original's recordings have them (test/corpus/logs/ipfail-cut-public). At the
 * start the two may have balanced what each holds of the other's (nothing): that exchange may still be under way.
 */
function stepsIn(log: string): string[] {
  const wanted = /heartbeat: \[\d+\]: \w+: (.*(?:is dead|dead\.|standby|Local standby).*)$/gm;
  const steps = [...log.matchAll(wanted)].map((match) => match[1] ?? '').filter((text) => !text.includes('foreign'));
  return steps.slice(steps.findIndex((text) => text.endsWith('is dead')));
}
