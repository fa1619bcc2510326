/** haresources: groups as the scripts read them, and what is said about them. */
import { describe, expect, it } from 'vitest';
import { addressProblem } from '../address.ts';
import { readHaresources, readResource } from '../haresources.ts';
import { fakeSystem, recordedHost } from './fake-system.ts';

const system = fakeSystem({
  ...recordedHost,
  files: {
    '/etc/ha.d/resource.d/svc': { mode: 0o755 },
    '/etc/init.d/web': { mode: 0o755 },
    '/etc/init.d/plain': { mode: 0o644 },
  },
});

function read(text: string) {
  return readHaresources({
    file: 'haresources',
    originalFile: '/etc/ha.d//haresources',
    content: { ok: true, bytes: new TextEncoder().encode(text) },
    configDir: '/etc/ha.d',
    system,
    nodes: new Set(['node1', 'node2']),
  });
}

const groupsOf = (text: string) =>
  read(text).groups.map(({ owner, resources }) => [owner, ...resources.map(({ word }) => word)]);
const found = (text: string) =>
  read(text).report.diagnostics.map(
    ({ severity, line, column, message }) => `${severity} ${line}:${column} ${message}`,
  );

describe('groups', () => {
  it('have an owner, a key and resources in order', () => {
    expect(read('# c\n\nNODE1\t10.77.0.200 svc::a::b web # rest\n').groups).toEqual([
      {
        key: '10.77.0.200',
        owner: 'node1',
        resources: [
          { word: '10.77.0.200', script: 'IPaddr', args: ['10.77.0.200'] },
          { word: 'svc::a::b', script: 'svc', args: ['a', 'b'] },
          { word: 'web', script: 'web', args: [] },
        ],
        place: { file: 'haresources', line: 3, column: 1 },
      },
    ]);
  });

  it('go on after a backslash, without a blank of their own', () => {
    expect(groupsOf('node1 svc::y\\\nz \\\n  web\nnode2 svc\n')).toEqual([
      ['node1', 'svc::yz', 'web'],
      ['node2', 'svc'],
    ]);
    expect(groupsOf('node1 svc\\\n# c\nnode2 web\n')).toEqual([
      ['node1', 'svc'],
      ['node2', 'web'],
    ]);
    expect(groupsOf('node1 svc \\')).toEqual([['node1', 'svc', '\\']]);
  });

  it('end at a comment, even when it ends in a backslash', () => {
    expect(groupsOf('node1 svc # c \\\nnode2 web\n')).toEqual([
      ['node1', 'svc'],
      ['node2', 'web'],
    ]);
  });

  it('may have CR LF', () => {
    expect(groupsOf('node1 svc\r\nnode2 web\r\n')).toEqual([
      ['node1', 'svc'],
      ['node2', 'web'],
    ]);
    expect(groupsOf('\r\n# x\r\n')).toEqual([]);
  });
});

it.each([
  ['1.2.3.4', 'IPaddr', ['1.2.3.4']],
  ['1.2.3.4/24/eth0', 'IPaddr', ['1.2.3.4/24/eth0']],
  ['IPaddr2::1.2.3.4', 'IPaddr2', ['1.2.3.4']],
  ['Filesystem::/dev/sdb5::/webdata::ext3', 'Filesystem', ['/dev/sdb5', '/webdata', 'ext3']],
  ['1.2.3', '1.2.3', []],
  ['svc::', 'svc', ['']],
])('resource word %s', (word, script, args) => {
  expect(readResource(word)).toEqual({ word, script, args });
});

describe('findings', () => {
  it('refuse undeclared nodes, all of them, and two groups with one key', () => {
    expect(found('node3 svc\nnode1 web\nnode4 IPaddr::1.2.3.4\nnode2 web\n')).toEqual([
      'error 1:1 node3 is no node of ha.cf',
      'error 3:1 node4 is no node of ha.cf',
      'error 4:7 two groups start with web (the other one in line 2): a group is named by its first resource',
    ]);
  });

  it('warn about scripts, addresses and lines that do nothing', () => {
    expect(
      found(
        'node1 nosuch plain svc\nnode2 1.2.3.400 IPaddr::1.2.3.4/33 IPaddr2::1.2.3.4/24/eth9:1\nnode1\nnode1 web svc\n',
      ),
    ).toEqual([
      'warning 3:1 node node1 has no resources on this line: the line means nothing',
      'warning 4:11 resource svc is written twice (before in line 1)',
      'warning 1:7 there is no resource script nosuch',
      'warning 1:14 resource script /etc/init.d/plain is not executable',
      'warning 2:7 1.2.3.400 is no IPv4 address',
      'warning 2:17 33 is no netmask of 1 to 32 bits',
      'warning 2:36 there is no interface eth9 on this machine',
    ]);
  });

  it('see a line that only the daemon takes for a continuation', () => {
    expect(found('node1 svc # c \\\nnode3 web\n')).toEqual([
      'warning 2:1 node3 is no node of ha.cf: nobody starts this group',
    ]);
  });

  it('point to the middle of overlong lines', () => {
    const [first] = found(`node1${' svc'.repeat(1300)}\n`);
    expect(first).toBe('error 1:5119 the line is longer than 5118 bytes: from here on it is read as a new line');
  });
});

it.each([
  ['10.0.0.1', null],
  ['10.0.0.1/24', null],
  ['10.0.0.1/255.255.255.0', null],
  ['10.0.0.1/24/eth0', null],
  ['10.0.0.1/24/10.0.0.255', null],
  ['10.0.0.1/24/eth0/10.0.0.255', null],
  ['', 'the address is missing'],
  ['10.0.0', '10.0.0 is no IPv4 address'],
  ['10.0.0.1/0', '0 is no netmask of 1 to 32 bits'],
  ['10.0.0.1/255.0.255.0', '255.0.255.0 is no netmask of 1 to 32 bits'],
  ['10.0.0.1/24/10.0.0.999', '10.0.0.999 is no broadcast address'],
  ['10.0.0.1/24/eth0/x', 'x is no broadcast address'],
  ['10.0.0.1/24/10.0.0.255/eth0', '10.0.0.1/24/10.0.0.255/eth0 has the interface in the wrong place'],
  ['10.0.0.1/24/eth0:0', 'there is no interface eth0:0 on this machine'],
  ['10.0.0.1/24/a/1.2.3.4/5', '10.0.0.1/24/a/1.2.3.4/5 has too many parts'],
])('address %s: %s', (text, message) => {
  expect(addressProblem(text, false, (name) => name === 'eth0')?.message ?? null).toBe(message);
});

it('lets IPaddr2 have a label', () => {
  expect(addressProblem('10.0.0.1/24/eth0:web', true, (name) => name === 'eth0')).toBeNull();
});
