import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const describeLab = requireLab();

/** Whether one echo request from a host is answered within a second. */
async function answers(from: Host, address: string): Promise<boolean> {
  return (await from.exec(['ping', '-n', '-c1', '-W1', address])).code === 0;
}

/** Sends one UDP datagram to port 694 from a host; the sender's exit code. */
async function send(from: Host, to: Host, text: string): Promise<number | null> {
  return (await from.exec(['socat', '-u', 'STDIN', `UDP-SENDTO:${to.attachment().address}:694`], { stdin: text })).code;
}

/** All namespaces of these kinds that any process of this machine is in. */
function namespacesInUse(): Set<string> {
  const found = new Set<string>();
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    for (const kind of ['net', 'mnt', 'uts', 'pid']) {
      try {
        found.add(readlinkSync(`/proc/${pid}/ns/${kind}`));
      } catch (error) {
        if (!(error instanceof Error && /ENOENT|ESRCH|EACCES/.test(error.message))) throw error; // ended meanwhile, or none of ours
      }
    }
  }
  return found;
}

describeLab('networks', () => {
  test('two hosts and the ping node reach each other on every network, over IPv4 and IPv6', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'] });
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    expect((await node1.run(['uname', '-n'])).trim()).toBe('node1');
    for (const network of lab.networks) {
      const peer = node2.attachment(network.name);
      for (const address of [peer.address, peer.address6, network.pingAddress, network.pingAddress6]) {
        expect(await answers(node1, address), address).toBe(true);
      }
    }
  });

  test('a cut cable stops traffic on its network only, takes the carrier, and can be healed', async () => {
    await using lab = await Lab.create({ networks: ['net0', 'net1'] });
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const carrier = async (): Promise<string> =>
      (await node1.exec(['cat', '/sys/class/net/eth0/carrier'])).stdout.trim();
    await lab.network('net0').cut('node1');
    await eventually(async () => (await carrier()) === '0', { what: 'eth0 without carrier' });
    expect(await answers(node1, node2.attachment('net0').address)).toBe(false);
    expect(await answers(node1, node2.attachment('net1').address)).toBe(true);
    await lab.network('net0').heal('node1');
    await eventually(() => answers(node1, node2.attachment('net0').address), { what: 'an echo over the healed cable' });
    expect(await carrier()).toBe('1');
  });

  test('loss in one direction lets the other one through, unseen by the sender', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const capture = await node2.capture('eth0', { filter: 'udp port 694' });
    await using loss = await lab.network().drop('node1', { direction: 'from', udpPort: 694 });
    expect(await send(node1, node2, 'lost')).toBe(0);
    expect(await send(node2, node1, 'returned')).toBe(0);
    expect(await answers(node1, node2.attachment().address), 'only UDP 694 is lost').toBe(true);
    await loss.lift();
    expect(await send(node1, node2, 'arrived')).toBe(0);
    await capture.stop();
    expect(capture.datagrams.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['returned', 'arrived']);
  });

  test('loss between two hosts leaves a third one alone; half the packets lost means some arrive', async () => {
    await using lab = await Lab.create({ hosts: ['a', 'b', 'c'] });
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    await lab.network().drop('a', { direction: 'from', peer: 'b' });
    expect(await answers(a, b.attachment().address)).toBe(false);
    expect(await answers(a, c.attachment().address)).toBe(true);
    await lab.network().drop('c', { direction: 'to', percent: 50, protocol: 'icmp' });
    const { stdout } = await b.exec(['ping', '-n', '-q', '-c60', '-i0.01', '-W1', c.attachment().address]);
    const received = Number(/(\d+) received/.exec(stdout)?.[1]);
    // 60 trials at one half: outside 6..54 once in 10^10 runs.
    expect(received).toBeGreaterThan(5);
    expect(received).toBeLessThan(55);
  });

  test('duplicated packets arrive exactly twice', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const capture = await node2.capture('eth0');
    await lab.network().duplicate('node2', { udpPort: 694 });
    const address = `UDP-DATAGRAM:10.77.0.255:694,broadcast`;
    await node1.run(['socat', '-u', 'STDIN', address], { stdin: 'beat' });
    await capture.stop();
    expect(capture.datagrams.map(({ payload, source }) => [source, Buffer.from(payload).toString()])).toEqual([
      ['10.77.0.1', 'beat'],
      ['10.77.0.1', 'beat'],
    ]);
  });

  test("a host's own firewall refuses a send where the sender sees it", async () => {
    await using lab = await Lab.create();
    const node1 = lab.host('node1');
    await node1.firewall('table inet own { chain out { type filter hook output priority 0; udp dport 694 drop; }; }');
    const argv = ['socat', '-u', 'STDIN', `UDP-SENDTO:${lab.network().pingAddress}:694`];
    expect((await node1.exec(argv, { stdin: 'x' })).stderr).toContain('Operation not permitted');
    await node1.firewall('');
    expect((await node1.exec(argv, { stdin: 'x' })).code).toBe(0);
  });

  test('a capture in the switch gives the packets live and complete in a file', async () => {
    await using lab = await Lab.create();
    const file = `${lab.directory}/net0.pcap`;
    const capture = await lab.capture(lab.network(), { file });
    const awaited = capture.next(({ payload }) => Buffer.from(payload).includes('third'), 5_000);
    for (const text of ['first', 'second', 'third']) {
      await lab.host('node1').run(['socat', '-u', 'STDIN', 'UDP-DATAGRAM:10.77.0.255:694,broadcast'], { stdin: text });
    }
    expect((await awaited).destination).toBe('10.77.0.255');
    await capture.stop();
    expect(capture.datagrams).toHaveLength(3);
    const recorded = readFileSync(file).toString('latin1');
    for (const text of ['first', 'second', 'third']) expect(recorded).toContain(text);
  });

  test('a null modem joins two hosts until it is cut', async () => {
    await using lab = await Lab.create();
    const modem = await lab.nullModem();
    const reader = lab.host('node2').spawn(['cat', modem.ends[1]]);
    await lab.host('node1').run(['sh', '-c', 'echo beat >"$0"', modem.ends[0]]);
    await eventually(() => reader.stdout.includes('beat'), { what: 'bytes over the null modem' });
    await modem.cut();
    await reader.exited;
  });
});

describeLab('power', () => {
  test('power off ends every process at once, silences the host, and keeps its disk but not /run', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    node2.writeFile('/var/lib/heartbeat/kept', 'yes');
    node2.writeFile('/run/lost', 'no');
    // A daemon: in its own session, no longer a child of what was spawned.
    await node2.run(['sh', '-c', 'setsid sleep 1000 </dev/null >/dev/null 2>&1 &']);
    const child = node2.spawn(['sh', '-c', 'trap "" TERM; echo started; while :; do sleep 0.05; done']);
    await eventually(() => child.stdout.includes('started'), { what: 'the program in node2' });
    const pids = node2.processes().map((entry) => entry.pid);
    expect(pids.length).toBeGreaterThanOrEqual(2);

    await node2.powerOff();

    expect(node2.poweredOn).toBe(false);
    expect((await child.exited).signal).toBe('SIGKILL');
    for (const pid of pids) expect(() => process.kill(pid, 0), `pid ${pid}`).toThrow('ESRCH');
    expect(await answers(node1, '10.77.0.2')).toBe(false);
    await expect(node2.exec(['true'])).rejects.toThrow('node2 is off');

    await node2.powerOn();

    // Not at the first try: node1 may still be asking for the address of the dead host, once a second.
    await eventually(() => answers(node1, '10.77.0.2'), { what: 'an echo from the rebooted host' });
    expect((await node2.run(['cat', '/var/lib/heartbeat/kept'])).trim()).toBe('yes');
    expect(await node2.run(['ls', '/run'])).not.toContain('lost');
    expect(node2.processes()).toEqual([]);
  });

  test('a signal reaches the program, and orphans are reaped by the host', async () => {
    await using lab = await Lab.create({ hosts: ['node1'] });
    const node1 = lab.host('node1');
    const child = node1.spawn([
      'sh',
      '-c',
      'trap "echo got it; exit 7" USR1; echo ready; while :; do sleep 0.05; done',
    ]);
    await eventually(() => child.stdout.includes('ready'), { what: 'the program' });
    await child.signal('SIGUSR1');
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(child.stdout).toContain('got it');
    await node1.run(['sh', '-c', 'sleep 0.05 </dev/null >/dev/null 2>&1 & exit 0']);
    const others = async (): Promise<string> =>
      (await node1.run(['ps', '-A', '-o', 'pid=', '-o', 'comm='])).replace(/^\s*1 sleep$/m, '');
    // A corpse would still be listed: as `sleep <defunct>`.
    await eventually(async () => !(await others()).includes('sleep'), { what: 'the orphan to be reaped' });
  });
});

describeLab('referee', () => {
  test('addresses and services of both hosts, an overlap, a power cut', async () => {
    await using lab = await Lab.create();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const address = lab.network().serviceAddress(100);
    await node1.run(['ip', 'address', 'add', '10.77.0.101/24', 'dev', 'eth0']);
    const observer = await lab.observe();
    await node1.run(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    await node1.run(['/etc/ha.d/resource.d/service', 'web', 'start']);
    await observer.waitForOwners(address, ['node1'], 5_000);
    await node2.run(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    await node1.run(['ip', 'address', 'del', `${address}/24`, 'dev', 'eth0']);
    await node1.run(['/etc/ha.d/resource.d/service', 'web', 'stop']);
    await node2.run(['/etc/ha.d/resource.d/service', 'web', 'start']);

    const before = await observer.timeline();
    expect(before.resources).toEqual([address, '10.77.0.101', 'service:web']);
    expect(before.owners('10.77.0.101'), 'held before the referee came').toEqual(['node1']);
    expect(before.overlaps().map(({ resource, owners }) => [resource, owners])).toEqual([
      [address, ['node1', 'node2']],
    ]);
    expect(before.gaps().map(({ resource }) => resource)).toEqual(['service:web']);
    expect(before.owners('service:web')).toEqual(['node2']);

    await node2.powerOff();
    const after = await observer.timeline();
    expect(after.owners('service:web')).toEqual([]);
    expect(after.owners(address)).toEqual([]);

    await node2.powerOn();
    await node2.run(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    await observer.waitForOwners(address, ['node2'], 5_000);
    expect((await observer.timeline()).owners('service:web'), 'a reboot starts nothing').toEqual([]);
  });

  test('the stand-in service fails and waits when told to, and logs its calls', async () => {
    await using lab = await Lab.create({ hosts: ['node1'] });
    const node1 = lab.host('node1');
    const script = '/etc/ha.d/resource.d/service';
    const web = node1.service('web');
    web.fail('start');
    expect((await node1.exec([script, 'web', 'start'])).code).toBe(1);
    expect(web.running()).toBe(false);
    web.fail('start', false);
    web.slow('start', 0.2);
    expect((await node1.exec([script, 'web', 'start'])).code).toBe(0);
    expect(web.running()).toBe(true);
    expect(await node1.exec([script, 'web', 'status'])).toMatchObject({ code: 0, stdout: 'running\n' });
    web.fail('stop');
    expect((await node1.exec([script, 'web', 'stop'])).code).toBe(1);
    web.fail('stop', false);
    expect((await node1.exec([script, 'web', 'stop'])).code).toBe(0);
    expect((await node1.exec([script, 'web', 'stop'])).code, 'stopping twice is fine').toBe(0);
    expect(await node1.exec([script, 'web', 'status'])).toMatchObject({ code: 3, stdout: 'stopped\n' });
    const log = node1.serviceLog();
    const exits = log.filter((entry) => entry.what === 'exit').map(({ action, code }) => `${action} ${code}`);
    expect(exits).toEqual(['start 1', 'start 0', 'status 0', 'stop 1', 'stop 0', 'stop 0', 'status 3']);
    const changes = log.filter((entry) => entry.what === 'up' || entry.what === 'down');
    expect(changes.map((entry) => entry.what)).toEqual(['up', 'down']);
    const slowCall = log.filter((entry) => entry.what === 'call')[1];
    expect((changes[0]?.atMs ?? 0) - (slowCall?.atMs ?? 0)).toBeGreaterThanOrEqual(200);
  });
});

describeLab('leaving no trace', () => {
  test('after close there is no namespace, process, mount or file of the lab', async () => {
    const before = namespacesInUse();
    const lab = await Lab.create();
    await lab.observe();
    await lab.capture(lab.network());
    await lab.nullModem();
    await lab.host('node2').capture('eth0');
    await lab.host('node1').run(['sh', '-c', 'setsid sleep 1000 </dev/null >/dev/null 2>&1 &']);
    const during = [...namespacesInUse()].filter((namespace) => !before.has(namespace));
    expect(during.length, 'two hosts of four namespaces and a switch').toBeGreaterThanOrEqual(9);
    const marker = lab.directory;

    await lab.close();

    await eventually(() => namespacesInUse().isDisjointFrom(new Set(during)), {
      what: 'all its namespaces to be gone',
    });
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(marker);
    expect(readdirSync('/tmp').filter((entry) => marker.endsWith(entry))).toEqual([]);
  });

  test('a lab whose program is killed vanishes, and the next lab removes its folder', async () => {
    const before = namespacesInUse();
    const node = process.execPath;
    const module = fileURLToPath(new URL('./lab/lab.ts', import.meta.url));
    const program = `import { Lab } from ${JSON.stringify(module)};
      const lab = await Lab.create();
      await lab.host('node1').run(['sh', '-c', 'setsid sleep 1000 </dev/null >/dev/null 2>&1 &']);
      lab.host('node2').spawn(['sleep', '1000']);
      console.log('directory ' + lab.directory);
      setInterval(() => lab, 1000);`;
    const victim = new LabProcess([node, '--input-type=module-typescript', '-e', program], { stdin: '' });
    const directory = await eventually(() => /^directory (.*)$/m.exec(victim.stdout)?.[1], {
      what: 'the lab of another program',
    });
    const during = [...namespacesInUse()].filter((namespace) => !before.has(namespace));
    expect(during.length).toBeGreaterThanOrEqual(9);

    await victim.signal('SIGKILL');
    await victim.exited;

    await eventually(() => namespacesInUse().isDisjointFrom(new Set(during)), {
      what: 'its namespaces to vanish',
    });
    const name = directory.slice(directory.lastIndexOf('/') + 1);
    await (await Lab.create({ hosts: ['node1'] })).close();
    expect(readdirSync('/tmp')).not.toContain(name);
  });
});
