/**
 * Programs under `respawn` and `failfast`: how they are run, what they inherit, when they come back, and how they end.
 */
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const describeLab = requireLab();

const startMs = 90_000;

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

  test('find what they find under the original', { timeout: 300_000 }, async () => {
    const report = [
      'id; pwd; umask; echo "args $0 $1"; grep SigBlk /proc/self/status',
      'ls -l /proc/$$/fd | sed "s/.* \\([0-9]* ->\\)/\\1/"; env | sort; echo end',
    ].join('; ');
    const line = `respawn hacluster /bin/sh -c '{ ${report}; } > /var/log/report 2>&1; exit 100' "a  b" $HA_CURHOST`;
    const [theirs = [], ours = []] = await Promise.all(
      (['original', 'systole'] as const).map(async (kind) => {
        await using lab = await Lab.create({ networks: ['net0', 'net1'], hosts: ['node1'] });
        const node1 = lab.host('node1');
        node1.configure({
          haCf: haCf(line, 'env PLACE=here').replace('node node2\n', ''),
          haresources: 'node1 service::web\n',
        });
        await node1.run(['sh', '-c', 'touch /var/log/report; chmod 666 /var/log/report']);
        if (kind === 'original') await node1.startHeartbeat();
        else node1.startSystole();
        const text = await eventually(() => (/^end$/m.test(node1.log('report')) ? node1.log('report') : null), {
          what: `the report of a program of the ${kind}`,
          timeoutMs: startMs,
          intervalMs: 100,
        });
        return text.split('\n');
      }),
    );
    // The original lets one descriptor through.
    expect(theirs.filter((entry) => !ours.includes(entry) && !entry.startsWith('3 -> pipe'))).toEqual([]);
    expect(theirs).toContain('args a  b node1');
    expect(ours.filter((entry) => !theirs.includes(entry) && !/^HA_\w+=/.test(entry))).toEqual([]);
  });

  test('end when the daemon is killed, also those that do not want to', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'], hosts: ['node1'] });
    const node1 = lab.host('node1');
    node1.configure({
      haCf: haCf(
        'respawn root /bin/sleep 1000',
        `respawn root /bin/sh -c 'trap "" TERM; /bin/sleep 2000; /bin/sleep 3000'`,
      ).replace('node node2\n', ''),
      haresources: 'node1 service::web\n',
    });
    node1.startSystole();
    for (const command of ['/bin/sleep 1000', '/bin/sh'])
      await plugin(node1, command, ({ pid }) => pid !== null, 'to run');
    await eventually(() => node1.processes().some(({ title }) => title === '/bin/sleep 2000'), {
      what: 'the stubborn one to have its child',
      timeoutMs: startMs,
    });
    const daemon = node1.processes().find(({ title }) => title.includes('heartbeatd'));
    if (daemon === undefined) throw new Error('no daemon runs');
    process.kill(daemon.pid, 'SIGKILL');
    await eventually(() => node1.processes().every(({ title }) => !/^\/bin\/(sleep|sh)/.test(title)), {
      what: 'the programs and their children to end',
      timeoutMs: startMs,
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
