/** `stonith` and `stonith_host`: which lines count, and what is said of them. */
import { describe, expect, it } from 'vitest';
import { readFenceAgentFile, readFenceAgentLine } from '../fence-agent.ts';
import { readConfiguration } from '../read.ts';
import { hostWith, recordedHost } from './fake-system.ts';

const minimal = 'logfile /var/log/ha-log\nbcast eth0\nnode node1 node2\nauto_failback on\n';
const machine = {
  ...recordedHost,
  files: {
    ...recordedHost.files,
    '/usr/sbin/fence_lab': { mode: 0o755 },
    '/usr/sbin/fence_text': { mode: 0o644 },
    '/opt/fence_own': { mode: 0o755 },
    '/etc/ha.d/lab.conf': { text: '# switch\nip=10.0.0.9\npassword=hunter2\n' },
    '/etc/ha.d/bad.conf': { text: 'hunter2\n' },
  },
};

function read(lines: string): ReturnType<typeof readConfiguration> {
  const system = hostWith({ haCf: minimal + lines, authkeys: 'auth 1\n1 sha1 secret\n', haresources: '' }, machine);
  return readConfiguration({ configDir: '/etc/ha.d', hostname: 'node1', system });
}

const devices = (lines: string) =>
  read(lines).settings?.stonith.map(({ host, type, parameters }) => [host, type, parameters]);
const findings = (lines: string) =>
  read(lines)
    .diagnostics.filter(({ line }) => line > 4)
    .map(({ severity, message }) => `${severity}: ${message}`);

it('keeps every line that this node may use, in their order', () => {
  expect(
    devices(
      'stonith_host * null node1 node2\nstonith_host node2 bogus\nstonith_host Node1 fence_lab ip=10.0.0.9 password="a b"\nstonith /opt/fence_own /etc/ha.d/lab.conf\nstonith_host * external/ssh node1\n',
    ),
  ).toEqual([
    ['*', 'null', 'node1 node2'],
    ['Node1', 'fence_lab', 'ip=10.0.0.9 password="a b"'],
    [null, '/opt/fence_own', '/etc/ha.d/lab.conf'],
    ['*', 'external/ssh', 'node1'],
  ]);
});

describe('a fence agent', () => {
  it.each([
    ['stonith_host node1 fence_gone\n', 'error: there is no fence agent fence_gone'],
    ['stonith_host node1 fence_text\n', 'error: there is no fence agent fence_text'],
    ['stonith_host node1 /opt/fence_gone\n', 'error: there is no fence agent /opt/fence_gone'],
    ['stonith_host node1 fence_lab hunter2\n', 'error: parameter 1 is not NAME=VALUE'],
    ['stonith_host node1 fence_lab a=b hunter2\n', 'error: parameter 2 is not NAME=VALUE'],
    ['stonith_host node1 fence_lab pcmk_delay=hunter2\n', 'error: pcmk_delay is not known here'],
    ['stonith_host node1 fence_lab pcmk_host_map=hunter2\n', 'error: pcmk_host_map is NODE:PLUG;NODE:PLUG…'],
    ['stonith_host node1 fence_lab pcmk_reboot_action=hunter2\n', 'error: pcmk_reboot_action is reboot or off'],
    ['stonith fence_lab /etc/ha.d/bad.conf\n', 'error: parameter file /etc/ha.d/bad.conf: line 1 is not NAME=VALUE'],
  ])('%s', (line, finding) => {
    expect(findings(line)).toEqual([finding]);
    expect(JSON.stringify(read(line).diagnostics)).not.toContain('hunter2');
  });

  it('that every node may use should say whom it resets', () => {
    const warning = /^warning: .*nothing says which nodes it resets/;
    expect(findings('stonith_host * fence_lab ip=10.0.0.9\n')).toEqual([expect.stringMatching(warning)]);
    expect(findings('stonith fence_lab /etc/ha.d/lab.conf\n')).toEqual([expect.stringMatching(warning)]);
    expect(findings('stonith_host * fence_lab ip=10.0.0.9 pcmk_host_list=node2\n')).toEqual([]);
    expect(findings('stonith_host * fence_lab pcmk_host_map=node1:1;node2:2 ip=10.0.0.9\n')).toEqual([]);
    expect(findings('stonith_host node1 fence_lab ip=10.0.0.9\n')).toEqual([]);
    expect(findings('stonith_host * fence_lab\n')).toEqual([]);
  });
});

it('is no directive without effect any more', () => {
  expect(read('stonith_host * null node1\nstonith null /etc/passwd\n').settings?.notActive).toEqual([]);
});

it('reads the parameters of an agent', () => {
  const line = readFenceAgentLine(' a=1  b="x y" c= pcmk_host_list=N1,n2 action=off ');
  expect(line).toEqual({
    ok: true,
    parameters: {
      options: [
        ['a', '1'],
        ['b', 'x y'],
        ['c', ''],
      ],
      hosts: ['n1', 'n2'],
      plugs: new Map(),
      action: 'reboot',
    },
  });
  expect(readFenceAgentFile('\n# no\na=1 2 # 3\r\n b=4\n')).toMatchObject({
    parameters: {
      options: [
        ['a', '1 2 # 3'],
        ['b', '4'],
      ],
    },
  });
});
