/** The own forms of haresources and the directive `monitor`. */
import { describe, expect, it } from 'vitest';
import { address6Problem } from '../address.ts';
import { agentProblem, isOwnForm } from '../agents.ts';
import { readResource } from '../haresources.ts';
import { readConfiguration } from '../read.ts';
import { fakeSystem, hostWith } from './fake-system.ts';

const minimal = 'logfile /var/log/ha-log\nbcast eth0\nnode node1 node2\nauto_failback on\n';

function read(haCf: string, haresources = '') {
  const system = hostWith({ haCf: `${minimal}${haCf}`, authkeys: 'auth 1\n1 sha1 secret\n', haresources });
  return readConfiguration({ configDir: '/etc/ha.d', hostname: 'node1', system });
}

describe('monitor', () => {
  it('is off by default', () => {
    expect(read('').settings?.monitor).toBeNull();
  });

  it.each([
    ['monitor 10', 10_000, 3],
    ['monitor 10s', 10_000, 3],
    ['monitor 500ms failures 1', 500, 1],
    ['monitor 1.5 failures 1000', 1_500, 1_000],
    ['monitor 10\nmonitor 20 failures 5', 20_000, 5],
  ])('%s', (line, intervalMs, failures) => {
    expect(read(`${line}\n`).settings?.monitor).toEqual({ intervalMs, failures });
  });

  it.each([
    ['monitor', 'monitor has no interval'],
    ['monitor often', 'monitor often is no time'],
    ['monitor 0', 'monitor 0 is shorter than 100 ms'],
    ['monitor 50ms', 'monitor 50ms is shorter than 100 ms'],
    ['monitor 10 failure 3', 'monitor does not know failure'],
    ['monitor 10 failures', 'failures is a number from 1 to 1000'],
    ['monitor 10 failures 0', 'failures is a number from 1 to 1000'],
    ['monitor 10 failures 3 times', 'monitor does not know times'],
  ])('refuses %s', (line, message) => {
    const { settings, diagnostics } = read(`${line}\n`);
    expect(settings).toBeNull();
    expect(diagnostics.map((finding) => finding.message)).toContain(message);
    expect(diagnostics.find((finding) => finding.message === message)?.line).toBe(5);
  });
});

describe('resources that Heartbeat does not know', () => {
  it.each([
    ['fd77:1::1', 'IPv6addr', ['fd77:1::1']],
    ['fd77:1::1/64/eth0', 'IPv6addr', ['fd77:1::1/64/eth0']],
    ['db::1', 'db', ['1']],
    ['db::1/64', 'db', ['1/64']],
    ['10.0.0.1/24', 'IPaddr', ['10.0.0.1/24']],
    ['ocf:heartbeat:Dummy::a=1::b=2', 'ocf:heartbeat:Dummy', ['a=1', 'b=2']],
    ['systemd:nginx', 'systemd:nginx', []],
    ['abc::de', 'abc', ['de']],
  ])('%s', (word, script, args) => {
    expect(readResource(word)).toEqual({ word, script, args });
  });

  it('are known by their prefix', () => {
    expect(['ocf:a:b', 'systemd:x', 'OCF', 'web'].map(isOwnForm)).toEqual([true, true, false, false]);
  });

  const bare = fakeSystem({});
  const full = fakeSystem({
    files: {
      '/usr/lib/ocf/resource.d/heartbeat/Dummy': { mode: 0o755 },
      '/run/systemd/system': { kind: 'other' },
      '/usr/bin/systemctl': { mode: 0o755 },
    },
  });

  it.each([
    ['ocf:heartbeat:Dummy', bare, 'there is no executable /usr/lib/ocf/resource.d/heartbeat/Dummy'],
    ['ocf:heartbeat:Dummy', full, null],
    ['ocf:heartbeat:Dummy::x', full, 'x is no parameter: write ::name=value'],
    ['systemd:nginx', bare, 'systemd:nginx cannot be started: systemd does not run this machine'],
    ['systemd:nginx', full, null],
    ['systemd:nginx::now', full, 'systemd:nginx::now is no systemd unit'],
    ['systemd:-x', full, 'systemd:-x is no systemd unit'],
  ])('%s: %#', (word, system, message) => {
    expect(agentProblem(readResource(word), system)?.message ?? null).toBe(message);
  });

  it('are warned of where they cannot run, at their place', () => {
    const { settings, diagnostics } = read('', 'node1 10.77.0.200 systemd:nginx fe80:0::1\n');
    expect(settings?.groups).toHaveLength(1);
    expect(
      diagnostics.map(({ severity, line, column, message }) => `${severity} ${line}:${column} ${message}`),
    ).toEqual([
      'warning 1:19 systemd:nginx cannot be started: systemd does not run this machine',
      'warning 1:33 fe80:0::1 is link-local and needs an interface',
    ]);
  });
});

it.each([
  ['fd77::1', null],
  ['fd77::1/64/eth0', null],
  ['', 'the address is missing'],
  ['10.0.0.1', '10.0.0.1 is no IPv6 address'],
  ['fd77::1/0', '0 is no prefix length of 1 to 128 bits'],
  ['fd77::1/129', '129 is no prefix length of 1 to 128 bits'],
  ['fd77::1/64/eth9', 'there is no interface eth9 on this machine'],
  ['fd77::1/64/eth0/x', 'fd77::1/64/eth0/x has too many parts'],
  ['fe80::1/64', 'fe80::1 is link-local and needs an interface'],
])('IPv6addr::%s', (text, message) => {
  expect(address6Problem(text, (name) => name === 'eth0')?.message ?? null).toBe(message);
});
