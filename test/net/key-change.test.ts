/**
 * The keys of authkeys are changed while the cluster runs, node by node: nobody dies, and no message is lost. And our own method, for Systole alone.
 */
import { expect, test } from 'vitest';
import { report } from './cluster.ts';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { nodeOf, slackMs, statusOf } from './media-real.ts';

/** [ms] */
const deadtimeMs = 4_000;
/** Contact, on a machine where everything starts at once, with other work. */
const settledMs = 120_000;
/** Several of these waits [ms]. */
const limitMs = 4 * settledMs;

/** Longer than that the nodes sign with different keys [keepalive times]: a node that is not heard meanwhile is dead. */
const keepaliveMs = 250;
const apartBeats = (1.5 * deadtimeMs) / keepaliveMs;

const haCf = (extra = ''): string => `logfile /var/log/ha-log
logfacility none
keepalive ${keepaliveMs}ms
warntime ${deadtimeMs / 2}ms
deadtime ${deadtimeMs}ms
initdead 60
auto_failback on
${extra}bcast eth0
node node1
node node2
`;

const old = '1 sha1 the-old-key\n';
const young = '2 sha1 the-new-key\n';

/** Notes the number of each message of type `probe` that a node gets. */
const probeScript = '#!/bin/sh\necho "$HA_num" >> /var/log/probes\n';

class Pair {
  readonly lab: Lab;
  readonly #real: string | null;
  readonly #daemons: LabProcess[] = [];
  readonly #probes: string[] = [];
  #reloads = 0;
  /** Length of each log when both were active. */
  readonly #startedAt = new Map<string, number>();

  private constructor(lab: Lab, real: string | null) {
    this.lab = lab;
    this.#real = real;
  }

  /** Two nodes that are active. @param real which one runs the real Heartbeat */
  static async start(real: string | null, authkeys: string, haCfExtra = ''): Promise<Pair> {
    const lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0'] });
    const pair = new Pair(lab, real);
    try {
      for (const host of lab.hosts) {
        host.configure({ haCf: haCf(haCfExtra), haresources: '', authkeys, eventScripts: { probe: probeScript } });
        if (host.name === real) await host.startHeartbeat();
        else pair.#daemons.push(host.startSystole());
      }
      for (const host of lab.hosts) await pair.active(host);
      for (const host of lab.hosts) pair.#startedAt.set(host.name, host.log().length);
      return pair;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async active(host: Host): Promise<void> {
    await eventually(
      async () => {
        const { stdout } = await host.exec(['cl_status', 'listnodes', '-v', '-n']);
        if ((stdout.match(/\tactive\t/g) ?? []).length < 2)
          throw new Error(`${stdout}${host.log().slice(-1_500)}${this.#daemons.map(({ stderr }) => stderr).join('')}`);
        return true;
      },
      { what: `both nodes active as ${host.name} sees it`, timeoutMs: settledMs, intervalMs: 250 },
    );
  }

  /** Writes authkeys on a host and has its program read it. */
  async reload(host: Host, authkeys: string): Promise<void> {
    const offset = host.log().length;
    host.configure({ authkeys });
    // The real one looks whether the file's time is another one, in whole seconds.
    this.#reloads += 1;
    await host.run(['touch', '-d', `2001-01-01 00:00:${10 + this.#reloads}`, '/etc/ha.d/authkeys']);
    if (host.name === this.#real) {
      await host.run(['/usr/libexec/heartbeat/heartbeat', '-r']);
      await host.waitForLog(/Rereading authentication file/, { fromOffset: offset, timeoutMs: slackMs });
    } else expect(await host.systole(['reload'])).toMatchObject({ code: 0 });
  }

  /** A numbered message from each node to both. */
  async probe(): Promise<void> {
    for (const host of this.lab.hosts) {
      const number = `${host.name}-${this.#probes.length}`;
      this.#probes.push(number);
      await host.run(['sh', '-c', `printf '>>>\\nt=probe\\nnum=%s\\n<<<\\n' ${number} > /var/lib/heartbeat/fifo`]);
    }
  }

  /** Waits until Systole has heard the other one for so many beats more. */
  async beats(count: number): Promise<void> {
    const host = this.lab.hosts.find(({ name }) => name !== this.#real);
    if (host === undefined) throw new Error('no Systole in this pair');
    const received = async (): Promise<number> => (await statusOf(host)).media[0]?.received ?? 0;
    const before = await received();
    // Its own broadcasts come back to it: two packets a beat.
    await eventually(async () => (await received()) >= before + 2 * count, {
      what: `${count} beats`,
      timeoutMs: 4 * count * keepaliveMs + slackMs,
      intervalMs: 250,
    });
  }

  /** Every message has come to each node exactly once, and nobody ever was dead. */
  async expectNothingLost(): Promise<void> {
    const expected = [...this.#probes].sort();
    for (const host of this.lab.hosts) {
      const arrived = (): string[] =>
        (host.exists('/var/log/probes') ? host.log('probes') : '').split('\n').filter((line) => line !== '');
      await eventually(() => arrived().length >= expected.length, {
        what: `${expected.length} messages on ${host.name}`,
        timeoutMs: slackMs,
        intervalMs: 250,
      }).catch(() => undefined);
      expect(arrived().sort(), host.name).toEqual(expected);
      expect(host.log().slice(this.#startedAt.get(host.name)), host.name).not.toMatch(
        /is dead|Irretrievably lost|lost a lot/,
      );
      await this.active(host);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

/** Both have both keys; the selected one is changed on the first host, much later on the second; then the old key goes. */
async function changeKeys(pair: Pair, order: readonly [string, string]): Promise<void> {
  for (const name of order) {
    await pair.probe();
    await pair.reload(pair.lab.host(name), `auth 2\n${old}${young}`);
    await pair.probe();
    await pair.beats(apartBeats);
    await pair.probe();
  }
  for (const name of order) await pair.reload(pair.lab.host(name), `auth 2\n${young}`);
  await pair.probe();
  await pair.expectNothingLost();
}

requireLab()('a change of keys', () => {
  const both = `auth 1\n${old}${young}`;

  test.concurrent.each([
    ['Systole first, then Heartbeat 3.0.6', 'node2', ['node1', 'node2']],
    ['Heartbeat 3.0.6 first, then Systole', 'node2', ['node2', 'node1']],
  ] as const)(
    '%s',
    async (what, real, order) => {
      await using pair = await Pair.start(real, both);
      await changeKeys(pair, order);
      // It takes packets of the older form with any key; so it has refused no more than what was under way at the changes.
      const log = pair.lab.host(real).log();
      const refused = log.split('netstring authentication failed').length - 1;
      report(`key change, ${what}: ${refused} packets refused by the real one`);
      expect(refused).toBeLessThan(apartBeats / 2);
    },
    limitMs,
  );

  test.concurrent(
    'to our own method and back, between Systole nodes; then a Heartbeat 3.0.6 is told of, and not heard',
    async () => {
      await using pair = await Pair.start(null, both);
      const [node1, node2] = pair.lab.hosts;
      if (node1 === undefined || node2 === undefined) throw new Error('two hosts');
      const own = '3 hmac-sha256 only-for-us\n';
      for (const host of [node1, node2]) await pair.reload(host, `auth 1\n${old}${own}`);
      for (const host of [node1, node2]) {
        await pair.probe();
        await pair.reload(host, `auth 3\n${old}${own}`);
        await pair.beats(apartBeats);
        await pair.probe();
      }
      await pair.expectNothingLost();
      expect((await node1.systole(['check'])).stdout).toContain('only Systole nodes can read what this node sends');

      for (const host of [node1, node2]) await pair.reload(host, `auth 3\n${own}`);
      await node2.systole(['stop']);
      node2.configure({ authkeys: `auth 1\n${old}` });
      const offset = node1.log().length;
      await node2.startHeartbeat();
      await node1.waitForLog(
        /WARN: packet on eth0 dropped: node node2 signs by a method of Heartbeat 3\.0\.6, which cannot read our hmac-sha256: in authkeys, sign with a sha1 key/,
        { fromOffset: offset, timeoutMs: settledMs },
      );
      const { media, nodes } = await eventually(
        async () => {
          const status = await statusOf(node1);
          return nodeOf(status, 'node2').status === 'dead' && status;
        },
        { what: 'node2 to be dead for node1', timeoutMs: settledMs, intervalMs: 250 },
      );
      expect(nodes.find(({ name }) => name === 'node2')?.status).toBe('dead');
      expect(media).toMatchObject([{ dropped: { 'bad-signature': 0 } }]);
      expect((media[0] as unknown as { dropped: Record<string, number> }).dropped['legacy-method']).toBeGreaterThan(0);
    },
    limitMs,
  );
});
