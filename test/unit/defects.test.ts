/**
 * What Heartbeat 3.0.6 gets wrong, item by item: for each one that has no test of its own elsewhere, the proof that Systole does not. The
 * others: takeover and split (actors/resources/core.test.ts, simulation.test.ts), scripts (engine.test.ts, plugins/agents/programs.test.ts),
 * addresses (plugins/agents/ipaddr*.test.ts, conflict.test.ts), operators (operator.test.ts), configuration (conf/test), fencing and guardian (theirs).
 */
import { describe, expect, it } from 'vitest';
import { viewResources } from '../../actors/resources/core.ts';
import { parseTakeoverSet } from '../../actors/resources/holdings.ts';
import { CoreBench, group } from '../../actors/resources/test-bench.ts';
import { readConfiguration } from '../../conf/read.ts';
import { hostWith } from '../../conf/test/fake-system.ts';
import { chooseInterface, parseAddress } from '../../plugins/agents/ipaddr.core.ts';
import { parseIpv4 } from '../../runtime/sys/ipv4.ts';
import type { Link } from '../../runtime/sys/netlink.core.ts';

const head = 'logfile /var/log/ha-log\n';
const tail = 'bcast eth0\nnode node1 node2\n';

interface Files {
  readonly haCf: string;
  readonly haresources?: string;
  readonly authkeys?: string;
}

/** The verdict, and every finding as `severity line message`; each one must say what to do. */
function read({ haCf, haresources = '', authkeys = 'auth 1\n1 sha1 secret\n' }: Files): {
  readonly starts: boolean;
  readonly findings: readonly string[];
  readonly original: readonly string[];
  readonly result: ReturnType<typeof readConfiguration>;
} {
  const system = hostWith({ haCf, authkeys, haresources });
  const result = readConfiguration({ configDir: '/etc/ha.d', hostname: 'node1', system });
  for (const finding of result.diagnostics) expect(finding.hint, finding.message).not.toBe('');
  return {
    starts: result.settings !== null,
    findings: result.diagnostics.map(({ severity, line, message }) => `${severity} ${line} ${message}`),
    original: result.originalLog.map((line) => line),
    result,
  };
}

describe('configuration (section 12)', () => {
  it.each([
    ['a fatal error without a text', `${head}keepalive never\n${tail}`, 'error 2 keepalive never is no time'],
    [
      'ucast through an unknown interface',
      `${head}ucast eth7 10.77.0.2\n${tail}`,
      'error 2 there is no interface eth7',
    ],
    ['ucast without arguments crashes', `${head}ucast\n${tail}`, /^error 2 ucast /],
    ['mcast without arguments', `${head}mcast\n${tail}`, /^error 2 mcast /],
    ['env without = reads past the word', `${head}env WORD\n${tail}`, 'error 2 env WORD has no value'],
    ['udpport over 65535 is truncated', `${head}udpport 65536\n${tail}`, /^error 2 udpport 65536 /],
    ['an mcast port over 65535 is truncated', `${head}mcast eth0 225.0.0.1 70000 1 0\n${tail}`, /^error 2 .*70000/],
  ])('%s: refused, with file and line', (_defect, haCf, finding) => {
    const { starts, findings } = read({ haCf });
    expect(starts).toBe(false);
    expect(findings).toContainEqual(typeof finding === 'string' ? finding : expect.stringMatching(finding));
  });

  it.each([1, 5, 64, 255])('mcast ttl %i is taken (the original stops at 4)', (ttl) => {
    const { result } = read({ haCf: `${head}mcast eth0 225.0.0.1 694 ${ttl} 0\n${tail}` });
    expect(result.settings?.media).toContainEqual(expect.objectContaining({ kind: 'mcast', ttl }));
  });

  it.each([
    ['on', 'off'],
    ['off', 'legacy'],
  ])('nice_failback %s means auto_failback %s, whatever auto_failback said before', (word, meaning) => {
    const { result } = read({ haCf: `${head}auto_failback on\nnice_failback ${word}\n${tail}` });
    expect(result.settings?.autoFailback).toBe(meaning);
  });

  it('udpport before its media is no reason for a word; behind one it is', () => {
    const hint = /setting must precede media/;
    expect(read({ haCf: `${head}udpport 7000\n${tail}` }).original.join('\n')).not.toMatch(hint);
    const late = read({ haCf: `${head}${tail}udpport 7000\n` });
    expect(late.starts).toBe(true);
    expect(late.findings.length).toBeGreaterThan(0);
  });

  it('authkeys that cannot be used are an error, with its line', () => {
    const { starts, findings } = read({ haCf: `${head}${tail}`, authkeys: 'auth 2\n1 sha1 secret\n' });
    expect(starts).toBe(false);
    expect(findings.some((finding) => finding.startsWith('error'))).toBe(true);
  });

  it('groups are compared literally, and two with one first resource are refused', () => {
    const haCf = `${head}${tail}`;
    const twice = read({ haCf, haresources: 'node1 10.0.0.1 a\nnode2 10.0.0.1 b\n' });
    expect(twice.starts).toBe(false);
    // As regular expressions, the first would stand for the second.
    const alike = read({ haCf, haresources: 'node1 10.0.0.1/24/eth0 a\nnode2 10x0.0.1/24/eth0 b\n' });
    expect(alike.result.settings?.groups.map(({ key }) => key)).toEqual(['10.0.0.1/24/eth0', '10x0.0.1/24/eth0']);
  });

  it('every stonith_host line is kept, in order', () => {
    const { result } = read({ haCf: `${head}stonith_host node1 null node2\nstonith_host * null node1 node2\n${tail}` });
    expect(result.settings?.stonith.map(({ host }) => host)).toEqual(['node1', '*']);
  });

  it('warns of warntime, scripts and addresses that cannot be meant', () => {
    const { starts, findings } = read({
      haCf: `${head}deadtime 10\nwarntime 10\n${tail}`,
      haresources: 'node1 10.0.0.999 nothing\n',
    });
    expect(starts).toBe(true);
    expect(findings.filter((finding) => finding.startsWith('warning'))).toEqual(
      expect.arrayContaining([
        expect.stringContaining('warntime'),
        expect.stringContaining('10.0.0.999'),
        expect.stringContaining('no resource script nothing'),
      ]),
    );
  });
});

describe('resources (section 14)', () => {
  it('hb_takeover failback asks for what prefers the asker, not for everything', () => {
    expect(['failback', 'local', 'foreign', 'all', 'bogus'].map((word) => parseTakeoverSet(word))).toEqual([
      'local',
      'local',
      'foreign',
      'all',
      undefined,
    ]);
  });

  it('without auto_failback the mode is legacy, and a warning says so', () => {
    const { result, findings, original } = read({ haCf: `${head}${tail}` });
    expect(result.settings?.autoFailback).toBe('legacy');
    expect([...findings, ...original].some((line) => /auto_failback/.test(line))).toBe(true);
  });

  it('a first contact after separate starts leaves every group with one owner', () => {
    const [one, two] = [alone('node1'), alone('node2')];
    const heard = { type: 'node-status', nodeType: 'normal', status: 'active', previous: 'dead' } as const;
    const [n1, n2] = [one.state.config.self, two.state.config.self];
    one.feed({ ...heard, node: n2 });
    two.feed({ ...heard, node: n1 });
    one.hear('resource rsc_hold=all rtype=full isstable=1 seq=10');
    two.hear('resource rsc_hold=all rtype=full isstable=1 seq=10');
    one.finish();
    two.finish();
    const running = (bench: CoreBench): readonly string[] =>
      viewResources(bench.state)
        .groups.filter(({ running: runs }) => runs)
        .map(({ key }) => key);
    expect([...running(one), ...running(two)].toSorted()).toEqual(['db', 'web']);
  });

  it('the address agent takes the calculated interface, not eth0', () => {
    const link = (index: number, name: string): Link => ({
      index,
      name,
      flags: 0x1043,
      hardwareType: 1,
      mac: new Uint8Array(6),
      mtu: 1_500,
    });
    const destination = parseIpv4('10.88.0.0');
    const parsed = parseAddress(['10.88.0.5']);
    if (destination === null || !parsed.ok) throw new Error('the test needs an address');
    const routes = [{ destination, prefixLength: 24, linkIndex: 2, gateway: null, metric: 0 }];
    expect(chooseInterface(routes, [link(1, 'eth0'), link(2, 'eth1')], parsed.spec)).toMatchObject({
      ok: true,
      link: { name: 'eth1' },
    });
  });
});

/** A node that came up without the other one and took everything. */
function alone(name: 'node1' | 'node2'): CoreBench {
  const bench = new CoreBench({ groups: [group('node1 web'), group('node2 db')] });
  const own = name === 'node1' ? bench : new CoreBench({ self: bench.state.other?.name ?? bench.state.config.self });
  own.commUp(own.state.other?.name ?? '');
  own.finish();
  return own;
}
