/** Ping nodes of Systole and of the real Heartbeat 3.0.6, side by side on one network. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeDatagram } from '../../runtime/message/datagram.ts';
import { readCapture } from '../../runtime/pcap.ts';
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

/** An echo request over IPv4 on the wire. */
interface Request {
  readonly source: string;
  readonly destination: string;
  readonly id: number;
  readonly sequence: number;
  /** What a program cannot choose per packet: type, code, IP header but for addresses, length and identification; and the message's form. */
  readonly form: string;
}

/** The echo requests of a capture, in its order. */
function requestsIn(file: string): readonly Request[] {
  const requests: Request[] = [];
  for (const { bytes } of readCapture(readFileSync(file))) {
    const packet = Buffer.from(bytes).subarray(14);
    const icmp = packet.subarray(4 * ((packet[0] ?? 0) & 0x0f), packet.readUInt16BE(2));
    if (bytes[12] !== 8 || bytes[13] !== 0 || packet[9] !== 1 || icmp[0] !== 8) continue;
    const result = decodeDatagram(icmp.subarray(8), {
      selected: 1,
      keys: [{ index: 1, method: 'sha1', key: 'laboratory' }],
    });
    if (!result.ok) throw new Error(`no message in a request: ${result.reason}`);
    const text = result.fields.map(
      ([name, type, value]) => `(${type})${name}=${name === 'ts' || name === 'auth' ? '' : value}`,
    );
    requests.push({
      source: [...packet.subarray(12, 16)].join('.'),
      destination: [...packet.subarray(16, 20)].join('.'),
      id: icmp.readUInt16LE(4),
      sequence: icmp.readUInt16BE(6),
      form: [
        `version and tos ${packet.readUInt16BE(0).toString(16)} flags ${(packet[6] ?? 0) >> 5} ttl ${packet[8]}`,
        `code ${icmp[1]} checksum ${sum(icmp).toString(16)}`,
        `${result.format} ${result.auth}, ends with ${JSON.stringify(icmp.subarray(-1).toString())}`,
        ...text,
      ].join('\n'),
    });
  }
  return requests;
}

/** RFC 1071: ffff over a packet whose checksum is right. */
function sum(bytes: Buffer): number {
  const padded = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  let total = 0;
  for (let at = 0; at < padded.length; at += 2) total += padded.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

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
  test.concurrent('answer both, are lost and come back on each side for itself', async () => {
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

  test.concurrent('answer without the right to raw sockets, where the system allows datagram ones', async () => {
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

  test.concurrent('are asked by the same packets', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const lines = `bcast eth0\nping ${router}\nping_group routers 10.77.0.1 10.77.0.2`;
    for (const host of lab.hosts) host.configure({ haCf: haCf(lines), haresources: '' });
    const file = join(lab.directory, 'icmp.pcap');
    const capture = await lab.capture(lab.network(), { filter: 'icmp', file });
    const daemon = node1.startSystole();
    await node2.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');
    await quietFor(lab, 'node1', 'node2', router, 20);
    await capture.stop();

    const all = requestsIn(file);
    const [ours, theirs] = ['10.77.0.1', '10.77.0.2'].map((source) => all.filter((one) => one.source === source));
    if (ours === undefined || theirs === undefined) throw new Error('two nodes were asked for');
    for (const requests of [ours, theirs]) {
      expect(new Set(requests.map(({ id }) => id)).size, 'one id for all').toBe(1);
      for (const destination of [router, '10.77.0.1', '10.77.0.2']) {
        const sequences = requests.filter((one) => one.destination === destination).map(({ sequence }) => sequence);
        // A host pings itself without the switch.
        if (sequences.length === 0) continue;
        expect(sequences).toEqual(Array.from(sequences, (_, index) => index));
        expect(sequences.length).toBeGreaterThan(20);
      }
    }
    const forms = (requests: readonly Request[]): readonly string[] =>
      [...new Set(requests.map(({ form }) => form))].toSorted();
    expect(forms(ours)).toEqual(forms(theirs));
    expect(forms(ours)).toHaveLength(2);
    expect(forms(ours)[0]).toContain('checksum ffff');
  });
});
