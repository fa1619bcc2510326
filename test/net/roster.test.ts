/**
 * Nodes that come and go while the cluster runs: hb_addnode and hb_delnode of the real package, on nodes of both kinds, and what each remembers.
 */
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';
import { slackMs, statusOf } from './media-real.ts';

/** [ms] */
const deadtimeMs = 3_000;
/** A start, contact and the real one's half seconds on a machine with other work [ms]. */
const settledMs = 120_000;
/** Several of these waits [ms]. */
const limitMs = 5 * settledMs;

const haCf = (nodes: readonly string[]): string => `logfile /var/log/ha-log
logfacility none
keepalive 250ms
warntime ${deadtimeMs / 2}ms
deadtime ${deadtimeMs}ms
initdead 12
auto_failback on
bcast eth0
${nodes.map((name) => `node ${name}\n`).join('')}`;

const three = ['node1', 'node2', 'node3'];

/** Three hosts; the third one knows all, the others only themselves. @param real which of them run the real Heartbeat */
class Trio {
  readonly lab: Lab;
  readonly #real: ReadonlySet<string>;
  readonly #daemons = new Map<string, LabProcess>();

  constructor(lab: Lab, real: readonly string[]) {
    this.lab = lab;
    this.#real = new Set(real);
    for (const host of lab.hosts)
      host.configure({ haCf: haCf(host.name === 'node3' ? three : three.slice(0, 2)), haresources: '' });
  }

  static async create(...real: readonly string[]): Promise<Trio> {
    return new Trio(await Lab.create({ hosts: three, networks: ['net0'] }), real);
  }

  host(name: string): Host {
    return this.lab.host(name);
  }

  async start(name: string): Promise<void> {
    if (this.#real.has(name)) await this.host(name).startHeartbeat();
    else this.#daemons.set(name, this.host(name).startSystole());
  }

  async kill(name: string): Promise<void> {
    if (this.#real.has(name)) {
      this.host(name).killHeartbeat();
      return;
    }
    const daemon = this.#daemons.get(name);
    await daemon?.signal('SIGKILL');
    if (daemon !== undefined) await within(daemon.exited, slackMs, `${name} to end`);
  }

  async stop(name: string): Promise<void> {
    if (this.#real.has(name)) await this.host(name).stopHeartbeat();
    else expect(await this.host(name).systole(['stop'])).toMatchObject({ code: 0 });
    const daemon = this.#daemons.get(name);
    if (daemon !== undefined) await within(daemon.exited, slackMs, `${name} to end`);
  }

  /** What a client hears on a host: `node1 active, node2 dead`, in the order of the names. */
  async seen(name: string): Promise<string> {
    const { stdout } = await this.host(name).exec(['cl_status', 'listnodes', '-v', '-n']);
    const nodes = [...stdout.matchAll(/^(\S+)\t(\w+)\t\(nodetype: normal\)/gm)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    return nodes.sort().join(', ');
  }

  /** Waits until all of these hosts tell their clients the same. */
  async agree(names: readonly string[], expected: string): Promise<void> {
    let last: readonly string[] = [];
    await eventually(
      async () => {
        last = await Promise.all(names.map((name) => this.seen(name)));
        if (last.some((text) => text !== expected))
          throw new Error(names.map((name, at) => `${name}: ${last[at]}\n${this.#tail(name)}`).join('\n'));
        return true;
      },
      { what: `${names.join(', ')} to see ${expected}`, timeoutMs: settledMs, intervalMs: 250 },
    );
  }

  #tail(name: string): string {
    const lines = `${this.host(name).log()}${this.#daemons.get(name)?.stderr ?? ''}`;
    return lines.split('\n').slice(-12).join('\n');
  }

  /** Runs hb_addnode or hb_delnode on a host. */
  async order(name: string, tool: 'hb_addnode' | 'hb_delnode', ...nodes: readonly string[]): Promise<void> {
    await this.host(name).run([`/usr/share/heartbeat/${tool}`, ...nodes]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

const allActive = 'node1 active, node2 active, node3 active';
const twoActive = 'node1 active, node2 active';
const thirdDead = 'node1 active, node2 active, node3 dead';

requireLab()('nodes that come and go', () => {
  test.concurrent(
    'two Systole and one Heartbeat 3.0.6: added by ours, remembered, deleted by the real one, refused',
    async () => {
      await using trio = await Trio.create('node2');
      const [node1, node2] = [trio.host('node1'), trio.host('node2')];
      await Promise.all([trio.start('node1'), trio.start('node2')]);
      await trio.agree(['node1', 'node2'], twoActive);

      await trio.order('node1', 'hb_addnode', 'node3');
      for (const host of [node1, node2])
        await host.waitForLog(/info: hb_add_one_node: Adding new node\[node3\] to configuration\./);
      await trio.start('node3');
      await trio.agree(three, allActive);
      const uuid = (await statusOf(node1)).nodes.find(({ name }) => name === 'node3');
      expect(uuid?.links).toMatchObject([{ name: 'eth0', status: 'up' }]);

      // It knows only two by its ha.cf, and is back with three.
      await trio.stop('node1');
      expect(node1.readFile('/var/lib/heartbeat/hostcache')).toMatch(/^node3\t[0-9a-f-]{36}\t100\t\n$/);
      await trio.start('node1');
      await trio.agree(three, allActive);
      expect(node1.log()).toContain('node node3 was added at run time (hostcache)');

      // Nobody who lives is deleted.
      await trio.order('node1', 'hb_delnode', 'node3');
      for (const host of [node1, node2]) await host.waitForLog(/WARN: deletion failed: node node3 is not dead/);
      await trio.kill('node3');
      await trio.agree(['node1', 'node2'], thirdDead);
      await trio.order('node2', 'hb_delnode', 'node3');
      await trio.agree(['node1', 'node2'], twoActive);
      for (const host of [node1, node2]) await host.waitForLog(/info: Removing node \[node3\] from configuration\./);
      await eventually(() => node1.readFile('/var/lib/heartbeat/delhostcache') !== '', {
        what: 'delhostcache on node1',
        timeoutMs: slackMs,
      });
      // The very same line as the real one's.
      expect(node1.readFile('/var/lib/heartbeat/delhostcache')).toBe(node2.readFile('/var/lib/heartbeat/delhostcache'));
      expect(node1.readFile('/var/lib/heartbeat/hostcache')).toBe('');

      // It speaks all the same: one word of what to do, no flood, and it is no node.
      const offset = node1.log().length;
      await trio.start('node3');
      await node1.waitForLog(
        /ERROR: node node3 was deleted from this cluster and speaks: run hb_addnode node3, or stop it/,
        {
          fromOffset: offset,
          timeoutMs: settledMs,
        },
      );
      expect(await trio.seen('node1')).toBe(twoActive);
      await trio.stop('node1');
      await trio.start('node1');
      await trio.agree(['node1', 'node2'], twoActive);
      await trio.order('node1', 'hb_addnode', 'node3');
      await trio.agree(three, allActive);
    },
    limitMs,
  );

  test.concurrent(
    'two Heartbeat 3.0.6 and one Systole, which comes and goes',
    async () => {
      await using trio = await Trio.create('node1', 'node2');
      await Promise.all([trio.start('node1'), trio.start('node2')]);
      await trio.agree(['node1', 'node2'], twoActive);
      await trio.order('node1', 'hb_addnode', 'node3');
      await trio.start('node3');
      await trio.agree(three, allActive);
      // By a client of ours, to nodes that are both real.
      await trio.order('node3', 'hb_addnode', 'node4');
      await trio.agree(three, `${allActive}, node4 dead`);
      await trio.order('node3', 'hb_delnode', 'node4');
      await trio.agree(three, allActive);
      await trio.kill('node3');
      await trio.agree(['node1', 'node2'], thirdDead);
      await trio.order('node1', 'hb_delnode', 'node3');
      await trio.agree(['node1', 'node2'], twoActive);
    },
    limitMs,
  );

  test.concurrent(
    'autojoin: nobody is declared, and all find each other, Systole and Heartbeat 3.0.6, again after a restart',
    async () => {
      await using trio = await Trio.create('node2');
      for (const host of trio.lab.hosts) {
        // ccm alone: the resources are somebody else's.
        const join = `autojoin ${host.name === 'node1' ? 'other\nnode node1' : 'any'}\n`;
        host.configure({ haCf: `${haCf([])}crm ccm-only\n${join}` });
      }
      for (const name of three) await trio.start(name);
      await trio.agree(three, allActive);
      const cacheOf = (name: string): readonly string[] =>
        trio
          .host(name)
          .readFile('/var/lib/heartbeat/hostcache')
          .split('\n')
          .filter((line) => line !== '')
          .sort();
      await eventually(() => new Set(three.map((name) => cacheOf(name).join('\n'))).size === 1, {
        what: 'the same hostcache everywhere',
        timeoutMs: slackMs,
        intervalMs: 250,
      });
      expect(cacheOf('node1').map((line) => line.split('\t')[0])).toEqual(three);

      // It knows the others before it hears them.
      await trio.kill('node3');
      await trio.stop('node1');
      await trio.start('node1');
      await trio.agree(['node1', 'node2'], thirdDead);
    },
    limitMs,
  );

  test.concurrent(
    'a node that runs a service alone gets a partner, which takes over when it dies',
    async () => {
      await using lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0'] });
      const [node1, node2] = lab.hosts;
      if (node1 === undefined || node2 === undefined) throw new Error('two hosts');
      const haresources = 'node1 service::web\n';
      node1.configure({ haCf: haCf(['node1']), haresources });
      node2.configure({ haCf: haCf(['node1', 'node2']), haresources });
      const observer = await lab.observe();
      const first = node1.startSystole();
      await observer.waitForOwners('service:web', ['node1'], settledMs);
      // It serves before its doors for programs are open.
      await eventually(async () => (await node1.clStatus('nodestatus', 'node1')).answer === 'active', {
        what: 'node1 to answer clients',
        timeoutMs: settledMs,
        intervalMs: 100,
      });
      await node1.run(['/usr/share/heartbeat/hb_addnode', 'node2']);
      await node1.waitForLog(/Adding new node\[node2\]/);
      node2.startSystole();
      const bothActive = async (host: Host): Promise<boolean> =>
        (await statusOf(host)).nodes.every(({ status }) => status === 'active');
      for (const host of lab.hosts)
        await eventually(() => bothActive(host), { what: 'both active', timeoutMs: settledMs, intervalMs: 250 });
      await node1.waitForLog(/remote resource transition completed/, { timeoutMs: settledMs });
      expect((await node2.clStatus('rscstatus')).answer).not.toBe('transition');
      expect((await observer.timeline()).overlaps()).toEqual([]);

      await first.signal('SIGKILL');
      await within(first.exited, slackMs, 'node1 to end');
      await observer.waitForOwners('service:web', ['node2'], deadtimeMs + slackMs);
      expect((await observer.timeline()).overlaps()).toEqual([]);
    },
    limitMs,
  );
});
