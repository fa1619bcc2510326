/** The address agent on a real kernel: labels, announcements on the wire, and the real IPaddr script beside it. Root only. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, makeLab, run, soon } from './sys-lab.ts';

const script = '/etc/ha.d/resource.d/IPaddr';

/** Captures ARP frames that arrive on an interface: `seen` resolves with the lines when so many came. */
async function captureArp(
  namespace: string,
  device: string,
): Promise<{ lines: string[]; seen: (count: number) => Promise<string[]>; end: () => Promise<void> }> {
  const child = spawn('ip', ['netns', 'exec', namespace, 'tcpdump', '-lnne', '-tt', '-i', device, 'arp'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let check: () => void = () => undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    check();
  });
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('listening on')) resolve();
    });
  });
  await soon('tcpdump', ready);
  return {
    lines,
    seen: (count) =>
      soon(
        `${count} ARP frames`,
        new Promise((resolve) => {
          check = () => {
            if (lines.length >= count) resolve(lines.slice());
          };
          check();
        }),
      ),
    end: async () => {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await exit;
    },
  };
}

describe.skipIf(process.getuid?.() !== 0)('addresses on a real kernel', () => {
  let lab: Lab;
  beforeAll(() => {
    lab = makeLab('ipaddr');
  });
  afterAll(() => lab.remove());

  const agent = (action: 'start' | 'stop' | 'status', word: string): Promise<unknown> =>
    lab.a.ask({ type: 'agent', action, word });
  const addresses = async (): Promise<unknown> => lab.a.ask({ type: 'addresses' });
  const static0 = ['lo 127.0.0.1/8', 'eth0 10.77.0.1/24', 'eth1 10.77.1.1/24'];

  test('an address appears as an alias, is announced to the neighbours, and goes', async () => {
    const capture = await captureArp(lab.b.namespace, 'eth0');
    await lab.a.ask({ type: 'monitor' });
    try {
      expect(await agent('status', '10.77.0.200')).toMatchObject({ exitCode: 7 });
      expect(await agent('start', '10.77.0.200')).toMatchObject({ exitCode: 0, output: 'INFO:  Success\n' });
      expect(await addresses()).toEqual([...static0.slice(0, 2), 'eth0:0 10.77.0.200/24', static0[2]]);
      await lab.a.seen(
        'the new address',
        (event) => event.type === 'address-added' && event.address === '10.77.0.200' && event.label === 'eth0:0',
      );
      const mac = run('ip', '-n', lab.a.namespace, '-o', 'link', 'show', 'eth0').match(/ether (\S+)/)?.[1];
      const frames = (await capture.seen(3)).map((line) => line.replace(/^\S+ /, ''));
      expect(frames.slice(0, 2)).toEqual([
        `${mac} > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 10.77.0.200 tell 10.77.0.200, length 28`,
        `${mac} > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Reply 10.77.0.200 is-at ${mac}, length 28`,
      ]);
      const ifconfig = run('ip', 'netns', 'exec', lab.a.namespace, 'ifconfig', 'eth0:0');
      expect(ifconfig).toContain('inet 10.77.0.200  netmask 255.255.255.0  broadcast 10.77.0.255');
      expect(await agent('stop', '10.77.0.200')).toMatchObject({ exitCode: 0 });
      expect(await addresses()).toEqual(static0);
      await lab.a.seen('its end', (event) => event.type === 'address-removed' && event.address === '10.77.0.200');
    } finally {
      await capture.end();
    }
  });

  test('several in one message: each has its own answer, and the one that is refused does not keep those behind it back', async () => {
    const capture = await captureArp(lab.b.namespace, 'eth0');
    try {
      const words = ['10.77.0.210/24/eth0', '10.77.0.211/24/eth0', '10.77.0.212/24/eth0', '10.77.0.213/24/eth0'];
      expect(await lab.a.ask({ type: 'ahead', words, lost: ['10.77.0.211'] })).toEqual([
        [0, 'INFO:  Success\n'],
        [1, expect.stringContaining('cannot add 10.77.0.211/24 to eth0: ENODEV')],
        [0, 'INFO:  Success\n'],
        [0, 'INFO:  Success\n'],
      ]);
      expect(await addresses()).toEqual([
        ...static0.slice(0, 2),
        'eth0:0 10.77.0.210/24',
        'eth0:2 10.77.0.212/24',
        'eth0:3 10.77.0.213/24',
        static0[2],
      ]);
      expect((await capture.seen(3)).map((line) => /who-has (\S+)/.exec(line)?.[1])).toEqual([
        '10.77.0.210',
        '10.77.0.212',
        '10.77.0.213',
      ]);
      // As the last one, where it is the answer that was asked for.
      expect(await lab.a.ask({ type: 'ahead', words: words.slice(0, 2), lost: ['10.77.0.211'] })).toMatchObject([
        [0, expect.anything()],
        [1, expect.anything()],
      ]);
      for (const word of words) await agent('stop', word);
      expect(await addresses()).toEqual(static0);
    } finally {
      await capture.end();
    }
  });

  test('the calculated interface is taken, also when it is not eth0', async () => {
    expect(await agent('start', '10.77.1.200')).toMatchObject({ exitCode: 0 });
    expect(await addresses()).toEqual([...static0, 'eth1:0 10.77.1.200/24']);
    expect(await agent('status', '10.77.1.200/24/eth0')).toMatchObject({ exitCode: 1 });
    await agent('stop', '10.77.1.200');
    expect(await addresses()).toEqual(static0);
  });

  test('the routes are read as the kernel has them: longest prefix, default route only with a mask', async () => {
    expect(await agent('start', '192.0.2.9/24')).toMatchObject({
      exitCode: 1,
      output: 'No interface found.\nERROR:  Generic error\n',
    });
    run('ip', '-n', lab.a.namespace, 'route', 'add', 'default', 'via', '10.77.0.254', 'dev', 'eth0');
    run('ip', '-n', lab.a.namespace, 'route', 'add', '172.16.0.0/16', 'dev', 'eth0');
    run('ip', '-n', lab.a.namespace, 'route', 'add', '172.16.1.0/24', 'dev', 'eth1');
    expect(await agent('start', '192.0.2.9')).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('Cannot use default route w/o netmask [192.0.2.9]'),
    });
    for (const word of ['192.0.2.9/24', '172.16.2.1', '172.16.1.1'])
      expect(await agent('start', word)).toMatchObject({ exitCode: 0 });
    expect(await addresses()).toEqual([
      ...static0.slice(0, 2),
      'eth0:0 192.0.2.9/24',
      'eth0:1 172.16.2.1/16',
      static0[2],
      'eth1:0 172.16.1.1/24',
    ]);
    for (const word of ['192.0.2.9/24', '172.16.2.1/16', '172.16.1.1'])
      expect(await agent('stop', word)).toMatchObject({ exitCode: 0 });
    expect(await addresses()).toEqual(static0);
  });

  test('a stop does not take the other addresses of the subnet with it', async () => {
    for (const word of ['10.77.0.203/28/eth0', '10.77.0.206/28/eth0', '10.77.0.205/28/eth0'])
      await agent('start', word);
    expect(await agent('stop', '10.77.0.203/28/eth0')).toMatchObject({ exitCode: 0 });
    expect(await addresses()).toEqual([
      ...static0.slice(0, 2),
      'eth0:1 10.77.0.206/28',
      'eth0:2 10.77.0.205/28',
      static0[2],
    ]);
    for (const word of ['10.77.0.206/28/eth0', '10.77.0.205/28/eth0']) await agent('stop', word);
    expect(await addresses()).toEqual(static0);
  });

  test.skipIf(!existsSync(script))(
    "Heartbeat's own script sees the address as its own and can stop it, and the other way round",
    async () => {
      /** The script keeps its notes below /run and /var: a namespace of its own hides the machine's. */
      const real = (verb: string): string =>
        run(
          'ip',
          'netns',
          'exec',
          lab.a.namespace,
          'unshare',
          '-m',
          '--propagation',
          'private',
          'sh',
          '-c',
          `mount -t tmpfs none /run && mkdir -p /run/resource-agents /run/heartbeat && HA_LOGFILE=/dev/null ${script} 10.77.0.200/24/eth0 ${verb}; echo rc=$?`,
        );
      await agent('start', '10.77.0.200/24/eth0');
      expect(real('status')).toContain('INFO:  Running OK');
      expect(real('stop')).toContain('rc=0');
      expect(await agent('status', '10.77.0.200/24/eth0')).toMatchObject({ exitCode: 7 });
      expect(real('start')).toContain('rc=0');
      expect(await agent('status', '10.77.0.200/24/eth0')).toMatchObject({
        exitCode: 0,
        output: 'INFO:  Running OK\n',
      });
      expect(await agent('stop', '10.77.0.200/24/eth0')).toMatchObject({ exitCode: 0 });
      expect(real('status')).toContain('INFO:  Resource is stopped');
    },
  );

  test('without privilege: exit code 4 and what to do', async () => {
    const agentFile = new URL('../../plugins/agents/ipaddr.ts', import.meta.url).href;
    const program = `import { AddressAgent } from ${JSON.stringify(agentFile)};
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      console.log(JSON.stringify(new AddressAgent().start(['10.77.0.200/24/eth0'])));`;
    const result: unknown = JSON.parse(
      run('ip', 'netns', 'exec', lab.a.namespace, process.execPath, '--input-type=module', '-e', program),
    );
    expect(result).toMatchObject({ exitCode: 4, output: expect.stringContaining('EPERM: run as root') });
    expect(await addresses()).toEqual(static0);
  });
});
