/**
 * Real programs of Heartbeat against our daemon and against the original, side by side: the same output and exit codes. And our own client
 * against both.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const describeLab = requireLab();

const haCf = `debugfile /var/log/ha-debug
logfile /var/log/ha-log
keepalive 500ms
deadtime 4
warntime 2
initdead 10
auto_failback on
bcast eth0 eth1
ping 10.77.0.254
apiauth sdktest uid=root
apiauth dopd uid=hacluster gid=haclient
node node1
node node2
`;
const haresources = 'node1 service::web\nnode2 service::db\n';
const startMs = 90_000;
const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const sdkReport = fileURLToPath(new URL('../fixtures/api/sdk-report.ts', import.meta.url));

/** A cluster whose node2 is the original, and whose node1 is what is tested. */
async function cluster(kind: 'original' | 'systole'): Promise<Lab> {
  const lab = await Lab.create({ networks: ['net0', 'net1'] });
  try {
    for (const host of lab.hosts) host.configure({ haCf, haresources });
    const node1 = lab.host('node1');
    if (kind === 'systole') node1.startSystole();
    else await node1.startHeartbeat();
    await lab.host('node2').startHeartbeat();
    await holding(lab, 'local', 'local');
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

async function bothClusters(): Promise<AsyncDisposable & { readonly original: Lab; readonly ours: Lab }> {
  const made = await Promise.allSettled([cluster('original'), cluster('systole')]);
  const labs = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [original, ours] = labs;
  const close = async (): Promise<void> => {
    await Promise.all(labs.map((lab) => lab.close()));
  };
  if (original !== undefined && ours !== undefined) return { original, ours, [Symbol.asyncDispose]: close };
  await close();
  throw made.find((result) => result.status === 'rejected')?.reason;
}

/** Waits until both nodes hold what they should. */
async function holding(lab: Lab, ...expected: readonly [string, string]): Promise<void> {
  await eventually(
    async () => {
      const held = await Promise.all(lab.hosts.map((host) => host.clStatus('rscstatus')));
      return held.every(({ answer }, index) => answer === expected[index]);
    },
    { what: `node1 to hold ${expected[0]}, node2 ${expected[1]}`, timeoutMs: startMs, intervalMs: 200 },
  );
}

/** Times and process numbers are of the moment. */
function timeless(text: string): string {
  return text.replace(/^\w{3} \d\d \d\d:\d\d:\d\d /gm, '').replace(/\[\d+\]/g, '[PID]');
}

const commands = [
  'hbstatus',
  'hbstatus -m',
  'hbstatus -v',
  'hbstatus -v -m',
  'listnodes',
  'listnodes -m',
  'listnodes -v',
  'listnodes -v -m',
  'listnodes -n',
  'listnodes -p',
  'listnodes -x',
  'nodestatus node1',
  'nodestatus -m node2',
  'nodestatus NODE2',
  'nodestatus 10.77.0.254',
  'nodestatus bogus',
  'nodestatus',
  'nodeweight node1',
  'nodeweight -m node2',
  'nodeweight bogus',
  'nodesite node1',
  'nodesite bogus',
  'nodetype node1',
  'nodetype -m 10.77.0.254',
  'nodetype bogus',
  'listhblinks node2',
  'listhblinks -m node1',
  'listhblinks -v 10.77.0.254',
  'listhblinks bogus',
  'hblinkstatus node2 eth0',
  'hblinkstatus -m node1 eth1',
  'hblinkstatus node2 bogus',
  'hblinkstatus node2',
  'clientstatus node1 ipfail',
  'clientstatus node2 ipfail 5000',
  'clientstatus bogus ipfail',
  'rscstatus',
  'rscstatus -m',
  'hbparameter -p keepalive',
  'hbparameter -m -p deadtime',
  'hbparameter -p initdead',
  'hbparameter -p warntime',
  'hbparameter -p deadping',
  'hbparameter -p udpport',
  'hbparameter -p auto_failback',
  'hbparameter -p msgfmt',
  'hbparameter -p cluster',
  'hbparameter -p logfile',
  'hbparameter -p hbversion',
  'hbparameter -p node',
  'hbparameter -p respawn',
  'hbparameter -p nosuch',
  'hbparameter',
  'test',
  'frobnicate',
];

async function answers(host: Host): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const command of commands) {
    const { code, stdout, stderr } = await host.exec(['cl_status', ...command.split(' ')]);
    all[command] = { code, stdout, stderr: timeless(stderr) };
  }
  return all;
}

describeLab('programs of Heartbeat', () => {
  test('cl_status says the same of our daemon as of the original, and so does our own client', async () => {
    await using labs = await bothClusters();
    const { original, ours } = labs;
    expect(await answers(ours.host('node1'))).toEqual(await answers(original.host('node1')));

    const reports = await Promise.all(
      [original, ours].map(async (lab) => JSON.parse(await lab.host('node1').run([node, sdkReport]))),
    );
    expect(reports[1]).toEqual(reports[0]);
    expect(reports[1]).toMatchObject({
      online: true,
      elsewhere: false,
      echo: { from: 'node1', client: 'sdktest', text: 'grüß dich' },
    });
  });

  test('the scripts that write to the FIFO, and the original command on our pid file', async () => {
    await using lab = await cluster('systole');
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const script = (host: Host, name: string, ...args: readonly string[]): Promise<string> =>
      host.run([`/usr/share/heartbeat/${name}`, ...args]);

    await script(node1, 'hb_setweight', 'node2', '55');
    await script(node2, 'hb_setsite', 'node1', 'over there');
    await eventually(
      async () => {
        const [weights, sites] = await Promise.all([
          Promise.all([node1, node2].map((host) => host.clStatus('nodeweight', 'node2'))),
          Promise.all([node1, node2].map((host) => host.clStatus('nodesite', 'node1'))),
        ]);
        return weights.every(({ answer }) => answer === '55') && sites.every(({ answer }) => answer === 'over there');
      },
      { what: 'weight and site on both nodes', timeoutMs: 20_000, intervalMs: 200 },
    );

    await script(node1, 'hb_standby', 'all');
    await holding(lab, 'none', 'all');
    await script(node1, 'hb_takeover', 'local');
    await holding(lab, 'local', 'local');

    const status = await node1.exec(['/usr/libexec/heartbeat/heartbeat', '-s']);
    expect(status.code).toBe(0);
    expect(status.stdout + status.stderr).toMatch(/heartbeat OK \[pid \d+ et al\] is running on node1/);
    await node1.run(['/usr/libexec/heartbeat/heartbeat', '-k'], { timeoutMs: 60_000 });
    await holdingAlone(node2);
  });

  test('api_test, dopd and ccm run', async () => {
    await using lab = await cluster('systole');
    const node1 = lab.host('node1');
    const asUser = (command: string): readonly string[] => [
      'sh',
      '-c',
      `exec timeout 9 setpriv --reuid=hacluster --regid=haclient --init-groups ${command} 2>&1`,
    ];
    const apiTest = await node1.exec(asUser('/usr/libexec/heartbeat/api_test'), { timeoutMs: 30_000 });
    expect(apiTest.stdout).toMatch(/Client node1\/ping now has status \[join\]/);
    expect(apiTest.stdout).toMatch(/Got message 11 of type \[pingreply\] from \[node1\]/);

    const others = [
      node1.spawn(asUser('/usr/libexec/heartbeat/ccm')),
      node1.spawn(asUser('/usr/libexec/heartbeat/dopd')),
    ];
    for (const id of ['ccm', 'dopd'])
      await eventually(async () => (await node1.clStatus('clientstatus', 'node1', id)).answer === 'online', {
        what: `${id} to be signed on`,
        timeoutMs: 15_000,
        intervalMs: 200,
      });
    await Promise.all(others.map((other) => other.exited));
    await eventually(async () => (await node1.clStatus('clientstatus', 'node1', 'ccm')).answer === 'offline', {
      what: 'ccm to be signed off',
      timeoutMs: 15_000,
      intervalMs: 200,
    });
  });
});

/** The other node has left in order: everything is here, without a death. */
async function holdingAlone(host: Host): Promise<void> {
  await eventually(async () => (await host.clStatus('rscstatus')).answer === 'all', {
    what: `${host.name} to hold everything`,
    timeoutMs: 30_000,
    intervalMs: 200,
  });
  expect(host.log()).not.toMatch(/node node1: is dead/);
}
