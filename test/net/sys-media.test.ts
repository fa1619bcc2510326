/** bcast, ucast and mcast between two machines: delivery, device binding, pulled cables, interfaces that vanish. Root only. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatagramSpec } from '../../plugins/media/index.ts';
import { linkName } from '../../runtime/units.ts';
import { type Lab, type LabNode, makeLab, run, until } from './sys-lab.ts';

const place = { file: 'ha.cf', line: 1, column: 1 };
const common = (device: string, port: number) => ({ link: linkName(device), device, port, place });
const bcast = (device: string, port: number): DatagramSpec => ({ kind: 'bcast', ...common(device, port) });
const ucast = (device: string, peer: string, port: number): DatagramSpec => ({
  kind: 'ucast',
  peer,
  bindAddress: null,
  ...common(device, port),
});
const mcast = (device: string, port: number, loop = false): DatagramSpec => ({
  kind: 'mcast',
  group: '225.0.0.1',
  ttl: 1,
  loop,
  ...common(device, port),
});
const mcast6 = (device: string, port: number, loop = false): DatagramSpec => ({
  kind: 'mcast6',
  group: 'ff02::694',
  ttl: 1,
  loop,
  ...common(device, port),
});

const heardBy = (node: LabNode, id: string): string[] =>
  node.events.flatMap((event) => (event.type === 'heard' && event.id === id ? [event.text] : []));
const loggedBy = (node: LabNode, words: string): string[] =>
  node.events.flatMap((event) => (event.type === 'log' && event.text.includes(words) ? [event.text] : []));

/** The kernel reports a new cable to IPv6 at most once a second: only then does the interface take multicasts in. */
async function ipv6Ready({ a, b }: Lab): Promise<void> {
  for (const node of [a, b]) {
    for (const device of ['eth0', 'eth1']) {
      await until(`IPv6 on ${device} of ${node.namespace}`, () =>
        run('ip', '-n', node.namespace, '-6', 'route', 'show', 'table', 'local', 'dev', device).includes(
          'multicast ff00::/8',
        ),
      );
    }
  }
}

describe.skipIf(process.getuid?.() !== 0)('media between two machines', () => {
  let lab: Lab;
  beforeAll(() => {
    lab = makeLab('media');
  });
  afterAll(() => lab.remove());

  test('bcast reaches the peer and ourselves, on its own interface only', async () => {
    const { a, b } = lab;
    expect(await a.ask({ type: 'open', id: 'bcast', spec: bcast('eth0', 6_001) })).toBe(
      'bcast eth0 to 10.77.0.255 port 6001',
    );
    await b.ask({ type: 'open', id: 'bcast', spec: bcast('eth0', 6_001) });
    await b.ask({ type: 'open', id: 'other', spec: bcast('eth1', 6_001) });
    await a.ask({ type: 'send', id: 'bcast', text: 'b1' });
    await Promise.all([a.heard('b1'), b.heard('b1')]);
    // What goes over the other cable comes after it: then silence of the other medium is no accident.
    await a.ask({ type: 'open', id: 'other', spec: bcast('eth1', 6_001) });
    await a.ask({ type: 'send', id: 'other', text: 'b2' });
    await b.heard('b2');
    expect(heardBy(b, 'bcast')).toEqual(['b1']);
    expect(heardBy(b, 'other')).toEqual(['b2']);
    expect(loggedBy(a, 'UDP Broadcast heartbeat started')).toContain(
      'info: UDP Broadcast heartbeat started on port 6001 (6001) interface eth0',
    );
  });

  test('ucast goes to the peer only', async () => {
    const { a, b } = lab;
    await a.ask({ type: 'open', id: 'ucast', spec: ucast('eth0', '10.77.0.2', 6_002) });
    await b.ask({ type: 'open', id: 'ucast', spec: ucast('eth0', '10.77.0.1', 6_002) });
    await a.ask({ type: 'send', id: 'ucast', text: 'u1' });
    await b.ask({ type: 'send', id: 'ucast', text: 'u2' });
    await Promise.all([b.heard('u1'), a.heard('u2')]);
    expect([heardBy(a, 'ucast'), heardBy(b, 'ucast')]).toEqual([['u2'], ['u1']]);
  });

  /** Opens a group on both interfaces of both machines and checks who hears what. */
  async function reachesMembers(kind: string, spec: (device: string) => DatagramSpec): Promise<void> {
    const { a, b } = lab;
    for (const node of [a, b]) {
      await node.ask({ type: 'open', id: `${kind}-eth0`, spec: spec('eth0') });
      await node.ask({ type: 'open', id: `${kind}-eth1`, spec: spec('eth1') });
    }
    await a.ask({ type: 'send', id: `${kind}-eth0`, text: `${kind} on eth0` });
    await b.heard(`${kind} on eth0`);
    await a.ask({ type: 'send', id: `${kind}-eth1`, text: `${kind} on eth1` });
    await b.heard(`${kind} on eth1`);
    expect(heardBy(b, `${kind}-eth0`)).toEqual([`${kind} on eth0`]);
    expect(heardBy(b, `${kind}-eth1`)).toEqual([`${kind} on eth1`]);
    expect(heardBy(a, `${kind}-eth0`)).toEqual([]);
  }

  test('mcast reaches the members of that interface, not ourselves', () =>
    reachesMembers('mcast', (device) => mcast(device, 6_003)));

  test('mcast6 reaches the members of that interface, not ourselves', async () => {
    await ipv6Ready(lab);
    await reachesMembers('mcast6', (device) => mcast6(device, 6_004));
  });

  test.each<[string, DatagramSpec]>([
    ['mcast', mcast('eth0', 6_005, true)],
    ['mcast6', mcast6('eth0', 6_006, true)],
  ])('%s with loop comes back', async (kind, spec) => {
    const { a } = lab;
    await a.ask({ type: 'open', id: `${kind}-loop`, spec });
    await a.ask({ type: 'open', id: `${kind}-loop-eth1`, spec: { ...spec, link: linkName('eth1'), device: 'eth1' } });
    await a.ask({ type: 'send', id: `${kind}-loop`, text: `${kind} echo` });
    await a.heard(`${kind} echo`);
    expect(heardBy(a, `${kind}-loop`)).toEqual([`${kind} echo`]);
    expect(heardBy(a, `${kind}-loop-eth1`)).toEqual([]);
  });

  test.each(['bcast', 'ucast', 'mcast-eth0'])(
    '%s goes on when the cable was pulled and is back, without being opened again',
    async (id) => {
      const { a, b } = lab;
      run('ip', '-n', b.namespace, 'link', 'set', 'eth0', 'down');
      run('ip', '-n', a.namespace, 'link', 'set', 'eth0', 'down');
      const counters = await a.ask({ type: 'send', id, text: `${id} lost` });
      expect(counters).toMatchObject({
        sendErrors: 1,
        sendState: { ok: false, errno: expect.stringMatching(/^ENET/) },
      });
      await a.ask({ type: 'send', id, text: `${id} lost` });
      run('ip', '-n', a.namespace, 'link', 'set', 'eth0', 'up');
      run('ip', '-n', b.namespace, 'link', 'set', 'eth0', 'up');
      expect(await a.ask({ type: 'send', id, text: `${id} again` })).toMatchObject({
        sendErrors: 2,
        sendState: { ok: true },
      });
      await b.heard(`${id} again`);
      const title = `${id.replace('-eth0', '')} eth0`;
      expect(loggedBy(a, `Unable to send ${title} packet`).length).toBe(1);
      expect(loggedBy(a, `${title}: sending works again; 2 packets were lost`).length).toBe(1);
    },
  );

  test('an interface that was removed and made anew is found again', async () => {
    const { a, b } = lab;
    run('ip', '-n', a.namespace, 'link', 'delete', 'eth1');
    expect(await a.ask({ type: 'send', id: 'other', text: 'nowhere' })).toMatchObject({
      sendState: { ok: false, errno: 'ENODEV' },
    });
    run('ip', '-n', a.namespace, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth1', 'netns', b.namespace);
    for (const [host, node] of [a, b].entries()) {
      run('ip', '-n', node.namespace, 'address', 'add', `10.77.1.${host + 1}/24`, 'broadcast', '+', 'dev', 'eth1');
      run('ip', '-n', node.namespace, 'link', 'set', 'eth1', 'up');
    }
    // Both ends look for it when they send, as a node does with every keepalive.
    await until('the datagram "found"', async () => {
      await b.ask({ type: 'send', id: 'other', text: 'looking' });
      await a.ask({ type: 'send', id: 'other', text: 'found' });
      return heardBy(b, 'other').includes('found');
    });
    expect(heardBy(b, 'other')).toContain('found');
    expect(await a.ask({ type: 'counters', id: 'other' })).toMatchObject({ reattached: 1, sendState: { ok: true } });
    await a.ask({ type: 'close', id: 'other' });
  });

  test('a firewall that refuses is counted, not thrown', async () => {
    const { a } = lab;
    run(
      'ip',
      'netns',
      'exec',
      a.namespace,
      'nft',
      'add table ip t; add chain ip t o { type filter hook output priority 0; }; add rule ip t o udp dport 6002 drop',
    );
    expect(await a.ask({ type: 'send', id: 'ucast', text: 'refused' })).toMatchObject({
      sendState: { ok: false, errno: 'EPERM' },
    });
    run('ip', 'netns', 'exec', a.namespace, 'nft', 'delete table ip t');
    expect(await a.ask({ type: 'send', id: 'ucast', text: 'allowed' })).toMatchObject({ sendState: { ok: true } });
    await lab.b.heard('allowed');
  });
});
