/**
 * Real programs of Heartbeat against our daemon and against the original, side by side: the same output and exit codes. And our own client
 * against both.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bothClusters, holding, startMs, timeless } from './clients.ts';
import type { Host } from './lab/host.ts';
import type { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually, WaitTimeoutError } from './lab/wait.ts';

const describeLab = requireLab();

const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const sdkReport = fileURLToPath(new URL('../fixtures/api/sdk-report.ts', import.meta.url));
const programs = '/usr/libexec/heartbeat';
const scripts = '/usr/share/heartbeat';
/** The original's own command, its output in files: what it starts keeps what it is given. */
const command = (args: string): readonly string[] => ['sh', '-c', `exec ${programs}/heartbeat ${args}`];

const queries = [
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

/** Scripts that write to the FIFO, and what both nodes hold afterwards; null: as before. */
const orders: readonly (readonly [script: string, held: readonly [string, string] | null])[] = [
  ['hb_standby bogus', null],
  ['hb_standby --help', null],
  ['hb_takeover bogus', null],
  ['hb_setweight', null],
  ['hb_setweight node2', null],
  ['hb_setweight node2 55', null],
  ['hb_setweight node1 junk', null],
  ['hb_setsite', null],
  ["hb_setsite node1 'over there'", null],
  ["hb_setsite NODE2 ''", null],
  ['hb_addnode', null],
  ['hb_delnode', null],
  ['hb_standby all', ['none', 'all']],
  ['hb_takeover local', ['local', 'local']],
  ['hb_standby local', ['none', 'all']],
  ['hb_takeover', ['all', 'none']],
  ['hb_standby failback', ['local', 'local']],
  ['hb_standby', ['none', 'all']],
  ['hb_takeover all', ['all', 'none']],
  ['hb_standby foreign', ['local', 'local']],
];

/** Gives an order until it has had its effect: while resources move, a daemon does not listen. */
async function give(lab: Lab, script: string, held: readonly [string, string]): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const result = await lab.host('node1').exec(['sh', '-c', `${scripts}/${script}`]);
    try {
      await eventually(() => holding(lab, ...held).then(() => true), { what: script, timeoutMs: 20_000 });
      return timeless(result);
    } catch (error) {
      if (attempt === 3 || !(error instanceof WaitTimeoutError)) throw error;
    }
  }
}

async function obey(lab: Lab): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const node1 = lab.host('node1');
  for (const [script, held] of orders) {
    all[script] =
      held === null ? timeless(await node1.exec(['sh', '-c', `${scripts}/${script}`])) : await give(lab, script, held);
  }
  return all;
}

/** Attributes of nodes as both nodes tell them, when the messages have arrived everywhere. */
async function attributes(lab: Lab): Promise<void> {
  const wanted = {
    'nodeweight node2': '55',
    'nodeweight node1': '0',
    'nodesite node1': 'over there',
    'nodesite node2': '',
  };
  await eventually(
    async () => {
      for (const host of lab.hosts)
        for (const [query, answer] of Object.entries(wanted))
          if ((await host.clStatus(...query.split(' '))).answer !== answer) throw new Error(`${host.name}: ${query}`);
      return true;
    },
    { what: 'weights and sites on both nodes', timeoutMs: startMs, intervalMs: 200 },
  );
}

/** A node is added while the cluster runs, is never heard, and deleted again: what scripts say, and what both nodes list. */
async function roster(lab: Lab): Promise<Record<string, unknown>> {
  const node1 = lab.host('node1');
  const all: Record<string, unknown> = {};
  const run = async (script: string): Promise<void> => {
    all[script] = timeless(await node1.exec(['sh', '-c', `${scripts}/${script}`]));
  };
  const listed = (what: string, fits: (nodes: readonly string[]) => boolean): Promise<unknown> =>
    eventually(
      async () => {
        const lists = await Promise.all(lab.hosts.map((host) => host.clStatus('listnodes', '-n')));
        return lists.every(({ answer }) => fits(answer.split('\n')));
      },
      { what, timeoutMs: startMs, intervalMs: 200 },
    );
  // Known, alive, and unknown: nothing happens.
  for (const script of ['hb_addnode node2', 'hb_delnode node2', 'hb_delnode bogus', 'hb_addnode node3'])
    await run(script);
  await listed('node3 on both nodes', (nodes) => nodes.length === 3 && nodes.includes('node3'));
  await eventually(
    async () => {
      const states = await Promise.all(lab.hosts.map((host) => host.clStatus('nodestatus', 'node3')));
      return states.every(({ answer }) => answer === 'dead');
    },
    { what: 'node3 to be dead', timeoutMs: startMs, intervalMs: 200 },
  );
  all['nodestatus node3'] = await node1.clStatus('nodestatus', 'node3');
  all['nodeweight node3'] = await node1.clStatus('nodeweight', 'node3');
  await run('hb_delnode node3');
  await listed('node3 to be gone', (nodes) => nodes.length === 2 && !nodes.includes('node3'));
  all['nodestatus of nobody'] = await node1.clStatus('nodestatus', 'node3');
  return all;
}

/** The original's command from before the start to after the end of a daemon that it did not start itself. */
async function control(lab: Lab): Promise<Record<string, unknown>> {
  const node1 = lab.host('node1');
  const all: Record<string, unknown> = {};
  const run = async (args: string, file: string): Promise<void> => {
    const { code } = await node1.exec(command(`${args} >/var/log/out 2>/var/log/err`), { timeoutMs: startMs });
    all[file] = timeless({ code, signal: null, stdout: node1.log('out'), stderr: node1.log('err') });
  };
  all.pidFile = node1
    .readFile('/run/heartbeat.pid')
    .replace(/\d/g, 'N')
    .replace(/^ *N+/, (pid) => `${pid.length}`);
  await run('-s', 'running');
  await run('', 'started twice');
  let from = node1.log().length;
  await run('-r', 'nothing changed');
  await node1.waitForLog(/info: Configuration unchanged\./, { fromOffset: from, timeoutMs: startMs });
  // Both keep the first key: the other node need not know of the second.
  from = node1.log().length;
  node1.writeFile('/etc/ha.d/authkeys', 'auth 1\n1 sha1 laboratory\n2 sha1 another\n', 0o600);
  await run('-r', 'new keys');
  await node1.waitForLog(/info: Rereading authentication file\./, { fromOffset: from, timeoutMs: startMs });
  await run('-k', 'stop');
  all.left = node1.processes().map(({ title }) => title);
  await run('-k', 'stopped twice');
  return all;
}

describeLab('programs of Heartbeat', () => {
  test('cl_status says the same of our daemon as of the original, and so does our own client', {
    timeout: 300_000,
  }, async () => {
    await using labs = await bothClusters();
    const hosts = [labs.original, labs.ours].map((lab) => lab.host('node1'));
    for (const query of queries) {
      // The original is slow to answer, and cl_status gives up after five seconds: what counts is what both say when they come to speak.
      await eventually(
        async () => {
          const [original, ours] = await Promise.all(
            hosts.map(async (host) => timeless(await host.exec(['cl_status', ...query.split(' ')]))),
          );
          expect({ query, ...ours }).toEqual({ query, ...original });
          return true;
        },
        { what: `the same answer to cl_status ${query}`, timeoutMs: 30_000, intervalMs: 200 },
      );
    }
    const reports = await Promise.all(
      hosts.map(async (host) => JSON.parse(await host.run([node, sdkReport], { timeoutMs: 60_000 }))),
    );
    expect(reports[1]).toEqual(reports[0]);
    expect(reports[1]).toMatchObject({
      online: true,
      elsewhere: false,
      echo: { from: 'node1', client: 'sdktest', text: 'grüß dich' },
    });
  });

  test('the scripts that write to the FIFO, and the original command on our pid file', {
    timeout: 300_000,
  }, async () => {
    await using labs = await bothClusters();
    const { original, ours } = labs;
    const before = ours.host('node2').log().length;
    const [theirs, our] = await Promise.all([original, ours].map(obey));
    expect(our).toEqual(theirs);
    await Promise.all([original, ours].map(attributes));

    const [theirControl, ourControl] = await Promise.all([original, ours].map(control));
    expect(ourControl).toEqual(theirControl);
    await holdingAlone(ours.host('node2'), before);
    const status = await ours.host('node1').exec(command('-s'));
    // Ours takes its pid file away; there the original says 1, a dead process.
    expect(status).toMatchObject({ code: 3, stdout: 'heartbeat is stopped. No process\n' });
  });

  test('api_test, dopd, ccm and ccm_testclient run; nodes are added and deleted', { timeout: 300_000 }, async () => {
    await using labs = await bothClusters();
    const { original, ours: lab } = labs;
    const node1 = lab.host('node1');
    const start = (host: Host, name: string): LabProcess =>
      host.spawn(['setpriv', '--reuid=hacluster', '--regid=haclient', '--init-groups', `${programs}/${name}`]);

    await eventually(
      async () => {
        // It allows 100 ms for an answer and gets out of step when it comes later: then it is started again.
        const apiTest = start(node1, 'api_test');
        try {
          const pattern = /Got message 11 of type \[pingreply\] from \[node1\]/;
          await eventually(() => pattern.test(apiTest.stderr) || !apiTest.running, {
            what: 'its last message',
            timeoutMs: 30_000,
          });
          expect(apiTest.stderr).toMatch(/Client node1\/ping now has status \[join\]/);
          expect(apiTest.stderr).toMatch(pattern);
          return true;
        } finally {
          await apiTest.signal('SIGKILL');
          await apiTest.exited;
        }
      },
      { what: 'api_test to say everything', timeoutMs: startMs },
    );

    const online = (id: string, answer: string): Promise<unknown> =>
      eventually(async () => (await node1.clStatus('clientstatus', 'node1', id)).answer === answer, {
        what: `${id} to be ${answer}`,
        timeoutMs: startMs,
        intervalMs: 200,
      });
    const ccms = lab.hosts.map((host) => start(host, 'ccm'));
    const dopd = start(node1, 'dopd');
    await Promise.all(['ccm', 'dopd'].map((id) => online(id, 'online')));
    await eventually(async () => (await node1.exec(['cl_status', 'hbstatus', '-v'])).stdout.includes('members 2'), {
      what: 'a membership of two',
      timeoutMs: startMs,
      intervalMs: 500,
    });
    const member = start(node1, 'ccm_testclient');
    await eventually(() => member.stderr.includes('MY NODE IS A MEMBER OF THE MEMBERSHIP LIST'), {
      what: `ccm_testclient to see its membership: ${member.stderr}`,
      timeoutMs: startMs,
    });
    expect(member.stderr).toMatch(/# ttl members=2,/);
    for (const process of [member, dopd, ...ccms]) await process.signal('SIGKILL');
    await Promise.all(['ccm', 'dopd'].map((id) => online(id, 'offline')));

    // Last: the death of a node that was never there makes the original believe that it holds everything.
    const [theirRoster, ourRoster] = await Promise.all([original, lab].map(roster));
    expect(ourRoster).toEqual(theirRoster);
  });
});

/** The other node has left in order: everything is here, without a death. */
async function holdingAlone(host: Host, fromOffset: number): Promise<void> {
  await eventually(async () => (await host.clStatus('rscstatus')).answer === 'all', {
    what: `${host.name} to hold everything`,
    timeoutMs: startMs,
    intervalMs: 200,
  });
  expect(host.log().slice(fromOffset)).not.toMatch(/node node1: is dead/);
}
