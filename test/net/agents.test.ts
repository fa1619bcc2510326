/**
 * Agents of every kind in a real cluster: addresses of both families, real OCF agents (own form and Heartbeat's wrapper), the monitor, event
 * scripts, and the operator's commands with their answers; the other node is Systole, or the real 3.0.6.
 */
import { expect, test } from 'vitest';
import { Cluster, type ClusterPlan, slackMs, times } from './cluster.ts';
import type { Host } from './lab/host.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const address = '10.77.0.100';
const address6 = 'fd77:1::100';
/** What a restart or a handover of this group may take: a handful of shell scripts on a busy machine [ms]. */
const patienceMs = 20_000;

interface Plan {
  readonly group: string;
  readonly resources?: readonly string[];
  readonly extra?: string;
  readonly program?: NonNullable<ClusterPlan['program']>;
  readonly eventScripts?: Readonly<Record<string, string>>;
  /** For a node that is alone [ms]; else that of all scenarios. */
  readonly initdeadMs?: number;
}

function plan({
  group,
  resources = [address],
  extra = '',
  program,
  eventScripts,
  initdeadMs = times.initdeadMs,
}: Plan): ClusterPlan {
  return {
    networks: ['net0'],
    configure: () => ({
      haCf: `logfile /var/log/ha-log
debugfile /var/log/ha-debug
logfacility none
keepalive ${times.keepaliveMs}ms
deadtime ${times.deadtimeMs}ms
initdead ${initdeadMs}ms
auto_failback off
${extra}
bcast eth0
node node1
node node2
`,
      haresources: `node1 ${group}\n`,
      ...(eventScripts === undefined ? {} : { eventScripts }),
    }),
    resources,
    ...(program === undefined ? {} : { program }),
  };
}

/** Runs an operator's command; exit code and what it said. */
async function ask(host: Host, ...args: readonly string[]): Promise<{ code: number | null; said: string }> {
  const { code, stdout, stderr } = await host.systole(args, 2 * patienceMs);
  return { code, said: `${stdout}${stderr}`.trim() };
}

const mounted = (host: Host): Promise<string> => host.run(['cat', '/proc/mounts']);

requireLab()('agents', () => {
  test('OCF agents, the built-in addresses and a wrapper script start in order, are watched, restarted, and moved', async () => {
    const group = [
      `${address}/24/eth0`,
      `${address6}/64/eth0`,
      'ocf:heartbeat:Filesystem::device=tmpfs::directory=/run/data::fstype=tmpfs::options=size=1m',
      'Filesystem::tmpfs::/run/more::tmpfs',
      'ocf:heartbeat:Dummy::state=/run/data/dummy%2Bstate',
    ].join(' ');
    await using cluster = await Cluster.create(
      plan({ group, resources: [address, address6], extra: 'monitor 300ms failures 2' }),
    );
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    for (const host of [node1, node2]) {
      await host.run(['mkdir', '-p', '/run/data', '/run/more']);
      // The agent wants to load the file system's module; not every machine of a laboratory has the program.
      host.writeFile('/run/bin/modprobe', '#!/bin/sh\nexit 0\n', 0o755);
    }
    await cluster.up({ PATH: `/run/bin:${process.env.PATH}` });
    await node1.waitForLog(/Running \/usr\/lib\/ocf\/resource\.d\/heartbeat\/Dummy start \(Dummy_/, {
      timeoutMs: patienceMs,
    });
    const status = { what: 'the group to run on node1', timeoutMs: patienceMs };
    await eventually(async () => (await mounted(node1)).includes('tmpfs /run/more tmpfs') || null, status);
    expect(await mounted(node1)).toContain('tmpfs /run/data tmpfs');
    await eventually(
      async () => (await node1.exec(['test', '-f', '/run/data/dummy+state'])).code === 0 || null,
      status,
    );

    // One failure: put right in place. What lies below is not touched.
    const before = node1.log().length;
    await node1.run(['rm', '/run/data/dummy+state']);
    await node1.waitForLog(/Restarting in resource group: node1 ocf:heartbeat:Dummy/, {
      fromOffset: before,
      timeoutMs: patienceMs,
    });
    await eventually(async () => (await node1.exec(['test', '-f', '/run/data/dummy+state'])).code === 0 || null, {
      what: 'Dummy to be started again',
      timeoutMs: patienceMs,
    });
    expect(node1.log().slice(before)).not.toMatch(/Filesystem.* stop/);

    // The second one: the other node's turn.
    const sinceMs = Date.now();
    await eventually(async () => (await cluster.status('node1'))?.resources.rscstatus === 'local' || null, {
      what: 'node1 to be settled',
      timeoutMs: patienceMs,
    });
    await node1.run(['rm', '/run/data/dummy+state']);
    await cluster.expectOwner({
      scenario: 'a resource that fails twice: to the other node',
      sinceMs,
      owner: 'node2',
      outageMs: patienceMs,
    });
    await eventually(async () => (await node2.exec(['test', '-f', '/run/data/dummy+state'])).code === 0 || null, {
      what: 'Dummy to run on node2',
      timeoutMs: patienceMs,
    });
    expect(await mounted(node1)).not.toMatch(/\/run\/(?:data|more)/);
    expect(node1.log()).toContain('has failed 2 times here: giving it up for node2');
  });

  test('standby and takeover say what became of them', async () => {
    await using cluster = await Cluster.create(
      plan({ group: `${address} service::web`, resources: [address, 'service:web'] }),
    );
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    expect(await ask(node1, 'standby')).toMatchObject({ code: 3 });
    await cluster.up();

    expect(await ask(node1, 'standby', 'all', '--wait')).toEqual({ code: 0, said: 'node2 has taken all resources' });
    await cluster.owned('node2', slackMs);
    expect(await ask(node1, 'takeover', 'failback', '--wait', '--json')).toEqual({
      code: 0,
      said: '{"outcome":"done","set":"failback","text":"local resources run here"}',
    });
    await cluster.owned('node1', slackMs);
    expect(await ask(node1, 'takeover', 'local')).toEqual({ code: 0, said: 'local resources run here already' });
    expect(await ask(node2, 'takeover')).toEqual({
      code: 0,
      said: 'node1 is asked for all resources (--wait waits until it is done)',
    });
    await cluster.owned('node2', patienceMs);
    await cluster.steady();

    // What cannot be started is said, and comes back.
    node1.service('web').fail('start');
    const failed = await ask(node1, 'takeover', '--wait');
    expect(failed.code).toBe(1);
    expect(failed.said).toMatch(/^systole takeover: not done: not running here: 10\.77\.0\.100/);
    await cluster.owned('node2', 2 * patienceMs);
    await cluster.steady();

    await cluster.kill('node1');
    await node2.waitForLog(/node node1: is dead/, { timeoutMs: slackMs + times.deadtimeMs });
    expect(await ask(node2, 'standby', '--wait')).toEqual({
      code: 1,
      said: 'systole standby: refused: node1 is dead: there is nobody to take resources',
    });
  });

  test('with a real 3.0.6: handed over both ways, and scripts of its package are heard', async () => {
    await using cluster = await Cluster.create(
      plan({
        group: `${address}/24/eth0 service::web`,
        resources: [address, 'service:web'],
        program: (host) => (host === 'node2' ? 'heartbeat' : 'systole'),
      }),
    );
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    await cluster.up();
    expect(await ask(node1, 'standby', '--wait')).toEqual({ code: 0, said: 'node2 has taken all resources' });
    await cluster.owned('node2', slackMs);
    await eventually(async () => (await ask(node1, 'takeover', '--wait')).code === 0 || null, {
      what: 'the real one to be ready for a takeover',
      timeoutMs: 2 * patienceMs,
    });
    await cluster.owned('node1', slackMs);

    // A group that could not be started gets its second try from a script.
    await eventually(async () => (await cluster.status('node1'))?.resources.rscstatus !== 'transition' || null, {
      what: 'node1 to be settled',
      timeoutMs: patienceMs,
    });
    const offset = node1.log().length;
    await node1.run(['/usr/share/heartbeat/req_resource', `${address}/24/eth0`]);
    await node1.run(['/usr/share/heartbeat/hb_standby', 'all']);
    await cluster.owned('node2', patienceMs);
    expect(node1.log().slice(offset)).toContain('node1 wants to go standby [all]');
    expect(node2.log()).toContain('standby: acquire [all] resources from node1');
  });

  test('event scripts get the original’s environment, and do not hold up a takeover', async () => {
    const write = (name: string): string => `#!/bin/sh
{ echo "=== ${name} $*"; env | grep -E '^(HA_|OCF_)' | sort; } >>/var/log/hooks
`;
    await using cluster = await Cluster.create(
      plan({
        group: `${address}/24/eth0 service::web`,
        resources: [address, 'service:web'],
        extra: 'env FOO=bar',
        eventScripts: {
          status: write('status'),
          mymsg: write('mymsg'),
          ifstat: write('ifstat'),
          'status.d/10-note': write('status.d'),
          'status.d/20-sleeper': '#!/bin/sh\nsleep 60\n',
        },
      }),
    );
    const node2 = cluster.host('node2');
    await cluster.up();
    const seen = (host: Host, name: string): readonly string[] =>
      host
        .log('hooks')
        .split(/^(?==== )/m)
        .filter((part) => part.startsWith(`=== ${name} `));
    await eventually(() => seen(node2, 'status.d').length > 0 || null, {
      what: 'the first event script',
      timeoutMs: patienceMs,
    });
    const sinceMs = await cluster.kill('node1');
    await cluster.expectOwner({
      scenario: 'a hanging event script',
      sinceMs,
      owner: 'node2',
      outageMs: times.deadtimeMs + 4_000,
    });
    expect(seen(node2, 'status')).toEqual([]);
    expect(seen(node2, 'status.d')).toHaveLength(1);
    expect(seen(node2, 'status.d')[0]).toMatch(/^=== status\.d status\n/);
    expect(seen(node2, 'status.d')[0]).toMatch(/^HA_FOO=bar$/m);
    expect(seen(node2, 'ifstat')[0]).toMatch(/^HA_ifname=eth0\n/m);
    expect(node2.log()).toMatch(/harc\(default\)\[\d+\]: {4}info: Running \/etc\/ha\.d\/\/rc\.d\/ifstat ifstat/);
  });

  test('own messages reach the scripts of both nodes, with their fields', async () => {
    const script = `#!/bin/sh\n{ echo "=== $*"; env | grep ^HA_ | sort; } >>/var/log/hooks\n`;
    await using cluster = await Cluster.create(plan({ group: `${address}/24/eth0`, eventScripts: { mymsg: script } }));
    await cluster.up();
    await cluster
      .host('node1')
      .run([
        'sh',
        '-c',
        String.raw`printf '>>>\nt=mymsg\nfoo=bar $(touch /run/x)\nFUNCS=/run/evil\n<<<\n' >/var/lib/heartbeat/fifo`,
      ]);
    for (const host of cluster.lab.hosts) {
      const text = await eventually(() => (host.log('hooks').includes('HA_ttl') ? host.log('hooks') : null), {
        what: `the script on ${host.name}`,
        timeoutMs: patienceMs,
      });
      expect(text).toMatch(/^=== mymsg$/m);
      expect(text).toMatch(/^HA_foo=bar \$\(touch \/run\/x\)$/m);
      expect(text).toMatch(/^HA_src=node1$/m);
      expect(text).toMatch(/^HA_OSTATUS=active$/m);
      expect(text).toMatch(/^HA_NICEFAILBACK=yes$/m);
      for (const name of ['hg', 'ld', 'seq', 'ts', 'ttl']) expect(text).toMatch(new RegExp(`^HA_${name}=.+$`, 'm'));
      expect(text).toMatch(/^HA_FUNCS=\/etc\/ha\.d\/\/shellfuncs$/m);
      expect(text).not.toContain('evil');
      expect(host.exists('/run/x')).toBe(false);
    }
  });

  test('an address that another machine has too is told, for both families', async () => {
    await using cluster = await Cluster.create(
      plan({ group: `${address}/24/eth0 ${address6}/64/eth0\nnode1 systemd:nginx`, resources: [], initdeadMs: 3_000 }),
    );
    const [node1, node2] = [cluster.host('node1'), cluster.host('node2')];
    // A stranger with both addresses: node2 is configured, but its cluster program does not run.
    await node2.run(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    await node2.run(['ip', 'address', 'add', `${address6}/64`, 'dev', 'eth0', 'nodad']);
    const mac = (await node2.run(['cat', '/sys/class/net/eth0/address'])).trim();
    await cluster.start('node1');
    for (const text of [address, address6])
      await node1.waitForLog(
        new RegExp(`CRIT: Address ${text} on eth0 is in use on the machine with hardware address ${mac} too`),
        {
          timeoutMs: patienceMs,
        },
      );
    // There is no systemd in a lab's host.
    await node1.waitForLog(/ERROR: systemd does not run this machine/, { timeoutMs: patienceMs });
  });
});
