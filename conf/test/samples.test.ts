/** The configurations that users really have are taken as they are: only the machine is made to fit. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { countErrors } from '../diagnostics.ts';
import { readConfiguration } from '../read.ts';
import { type FakeMachine, hostWith, recordedHost } from './fake-system.ts';

const machine: FakeMachine = {
  ...recordedHost,
  interfaces: { lo: '127.0.0.1', eth0: '192.168.60.131', eth1: '10.0.0.1' },
  hosts: { 'ping1.linux-ha.org': '192.168.85.1', 'ping2.linux-ha.org': '192.168.85.2' },
  files: {
    ...recordedHost.files,
    '/dev/ttyS0': { kind: 'character-device' },
    '/etc/init.d/httpd': { mode: 0o755 },
    '/etc/init.d/smb': { mode: 0o755 },
    '/etc/init.d/http': { mode: 0o755 },
    '/etc/ha.d/resource.d/Filesystem': { mode: 0o755 },
  },
};

function read(sample: string, hostname: string, host: FakeMachine = machine) {
  const file = (name: string) => readFileSync(new URL(`../samples/${sample}/${name}`, import.meta.url));
  return readConfiguration({
    configDir: '/etc/ha.d',
    hostname,
    system: hostWith({ haCf: file('ha.cf'), authkeys: file('authkeys'), haresources: file('haresources') }, host),
  });
}

const samples = [
  ['two-node', 'test7', 'test8'],
  ['getting-started', 'linuxha1.linux-ha.org', 'LINUXHA2.linux-ha.org'],
  ['web-and-disk', 'node1', 'node2'],
] as const;

describe.each(samples)('%s', (sample, first, second) => {
  it.each([first, second])('is accepted on %s', (hostname) => {
    const { settings, diagnostics } = read(sample, hostname);
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(settings?.self).toBe(hostname.toLowerCase());
  });

  it('is accepted without the accounts and programs of the package', () => {
    const bare = {
      ...machine,
      users: { root: 0 },
      groups: { root: 0 },
      stonithTypes: null,
      files: Object.fromEntries(Object.entries(machine.files ?? {}).filter(([path]) => !path.startsWith('/usr'))),
    };
    expect(countErrors(read(sample, first, bare).diagnostics)).toBe(0);
  });
});

it('means what its owner wrote: web-and-disk', () => {
  const { settings, authKeys } = read('web-and-disk', 'node1');
  expect(settings).toMatchObject({
    keepaliveMs: 2_000,
    warntimeMs: 10_000,
    deadtimeMs: 30_000,
    initdeadMs: 120_000,
    autoFailback: 'on',
    media: [
      { kind: 'bcast', device: 'eth1' },
      { kind: 'ucast', device: 'eth0', peer: '192.168.60.132' },
      { kind: 'mcast', group: '225.0.0.1', ttl: 1, loop: false },
      { kind: 'ping', host: '192.168.60.1' },
    ],
    groups: [
      {
        key: '192.168.60.200/24/eth0',
        owner: 'node1',
        resources: [{ script: 'IPaddr' }, { script: 'Filesystem', args: ['/dev/sdb5', '/webdata', 'ext3'] }],
      },
    ],
    log: { facility: 'local0', useLogd: false },
  });
  expect(authKeys).toMatchObject({
    selected: 2,
    keys: [{ method: 'crc' }, { method: 'sha1', key: 'HI!' }, { method: 'md5', key: 'Hello!' }],
  });
});
