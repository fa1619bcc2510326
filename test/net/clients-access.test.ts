/**
 * The client socket attacked by real processes of other users: who must not get in does not, nobody speaks for somebody else, the daemon
 * lives, its memory and its log stay small, and its heartbeats go on.
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { report } from './cluster.ts';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const attacker = fileURLToPath(new URL('../fixtures/api/attacker.ts', import.meta.url));
const startMs = 60_000;
const keepaliveMs = 200;
const deadtimeMs = 3_000;
const nobody = 65_534;
const madeUp = 54_321;

const haCf = `logfile /var/log/ha-log
logfacility none
keepalive ${keepaliveMs}ms
warntime ${deadtimeMs / 2}ms
deadtime ${deadtimeMs}ms
initdead 6
auto_failback on
bcast eth0
apiauth rootonly uid=root
node node1
node node2
`;

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
}

function attack(user: User, mode: string, argument = ''): readonly string[] {
  const { uid, gid, groups = [] } = user;
  return [node, attacker, String(uid), String(gid), JSON.stringify(groups), mode, argument];
}

async function numberOf(host: Host, ...command: readonly string[]): Promise<number> {
  return Number((await host.run(command)).trim());
}

/** Resident memory of the daemon [MB]. */
async function residentMb(host: Host): Promise<number> {
  const { stdout } = await host.systole(['status', '--json']);
  return JSON.parse(stdout).process.residentBytes / 1e6;
}

requireLab()('the client socket under attack', () => {
  test('lets nobody in who may not, believes nobody, and outlives everything', { timeout: 180_000 }, async () => {
    await using lab = await Lab.create();
    for (const host of lab.hosts) host.configure({ haCf, haresources: '# nothing\n' });
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    const daemons = lab.hosts.map((host) => host.startSystole());
    await eventually(
      async () => {
        for (const { running, stdout, stderr } of daemons) if (!running) throw new Error(`ended: ${stdout}${stderr}`);
        return (await node1.clStatus('nodestatus', 'node2')).answer === 'active';
      },
      { what: 'node2 to be active', timeoutMs: startMs, intervalMs: 100 },
    );
    const [hacluster, haclient] = [
      await numberOf(node1, 'id', '-u', 'hacluster'),
      await numberOf(node1, 'id', '-g', 'hacluster'),
    ];
    const plugin: User = { uid: hacluster, gid: haclient };
    const run = async (user: User, mode: string, argument = ''): Promise<unknown> =>
      JSON.parse(await node1.run(attack(user, mode, argument), { timeoutMs: 60_000 }));
    const beforeMb = await residentMb(node1);
    const capture = await node1.capture('eth0', { filter: 'udp port 694 and src host 10.77.0.1' });
    const beganMs = Date.now();
    const from = node1.log().length;
    const logged = (pattern: RegExp): number => node1.log().slice(from).match(new RegExp(pattern, 'g'))?.length ?? 0;

    // Strangers do not even reach the socket; those who do by a second group of theirs are judged by their first.
    const shutOut = { casual: 'EACCES', ipfail: 'EACCES', root: 'EACCES', unknown: 'EACCES' };
    for (const stranger of [nobody, madeUp])
      expect(await run({ uid: stranger, gid: stranger }, 'lie')).toMatchObject(shutOut);
    const failed = 'client failed authorization';
    const claims = {
      unknown: 'no default client auth',
      claimsRoot: 'incorrect/false credentials',
      claimsNoProcess: 'bad pid',
      longName: 'no default client auth',
      strangeName: 'no default client auth',
    };
    for (const stranger of [nobody, madeUp])
      expect(await run({ uid: stranger, gid: stranger, groups: [haclient] }, 'lie')).toEqual({
        ...claims,
        casual: failed,
        ipfail: failed,
        root: failed,
        claimsProcess1: failed,
      });
    // The right user for one name is no user for another one.
    expect(await run(plugin, 'lie')).toEqual({
      ...claims,
      casual: null,
      ipfail: null,
      root: failed,
      claimsProcess1: 'pid mismatch',
    });
    expect(logged(/failed authorization \[no default client auth\]/)).toBeGreaterThanOrEqual(3);

    expect(await run(plugin, 'impersonate')).toEqual({
      second: 'duplicate add request',
      answers: 0,
      forged: ['node1', 'ipfail', 'ipfail'],
      filter: 'EPERM',
    });
    expect(logged(/Client mismatch! \(impersonation\?\)/)).toBe(1);

    expect(await run({ uid: 0, gid: 0 }, 'malformed')).toMatchObject({ closed: expect.any(Number) });
    const complaints = logged(/announces \d+ bytes|magic number|no message/);
    expect(complaints).toBeGreaterThan(0);
    expect(complaints, 'the log of 200 broken frames').toBeLessThanOrEqual(20);

    expect(await run(plugin, 'deaf')).toEqual({ thrownOut: true });
    expect(logged(/ipfail.*send failed|sendq length/)).toBeLessThanOrEqual(1);
    expect(await run(plugin, 'flood', '5000')).toEqual({ arrived: 5_000, last: true });
    await node1.exec(attack(plugin, 'half'), { timeoutMs: 60_000 });
    await eventually(async () => (await node1.clStatus('clientstatus', 'node1', 'ipfail')).answer === 'offline', {
      what: 'the dead client to be forgotten',
      timeoutMs: startMs,
      intervalMs: 100,
    });

    // One user fills his share; root comes after him with a thousand, and a thousandth and first program is served.
    const crowds = [
      { user: plugin, open: 512 },
      { user: { uid: 0, gid: 0 }, open: 1_000 },
    ].map(({ user, open }) => ({ open, process: node1.spawn(attack(user, 'crowd', `1000,${open}`)) }));
    for (const { open, process } of crowds) {
      await eventually(() => process.stdout.includes('\n') || !process.running, {
        what: 'the crowd to gather',
        timeoutMs: startMs,
      });
      expect(JSON.parse(process.stdout), process.stderr).toEqual({ open });
    }
    expect(await node1.clStatus('hbstatus')).toEqual({ code: 0, answer: 'Heartbeat is running on this machine.' });
    expect(logged(/has 512 client connections/)).toBeLessThanOrEqual(20);
    for (const { process } of crowds) await process.signal('SIGKILL');
    await Promise.all(crowds.map(({ process }) => process.exited));

    const afterMb = await residentMb(node1);
    const endedMs = Date.now();
    await capture.stop();
    expect(daemons.map((daemon) => daemon.running)).toEqual([true, true]);
    const sent = capture.datagrams.filter(({ payload }) => Buffer.from(payload).includes('t=status'));
    // From the beginning to the end of the attack.
    const beats = [beganMs, ...sent.map(({ atMs }) => atMs), endedMs];
    const gaps = beats.slice(1).map((atMs, index) => atMs - (beats[index] ?? atMs));
    const longestMs = Math.max(...gaps);
    report(
      `under attack for ${Math.round((endedMs - beganMs) / 1_000)} s: ${sent.length} heartbeats, longest interval ${Math.round(longestMs)} ms at keepalive ${keepaliveMs} ms; memory ${Math.round(beforeMb)} → ${Math.round(afterMb)} MB; ${node1.log().length - from} bytes of log`,
    );
    expect(longestMs, 'the longest interval between heartbeats').toBeLessThan(deadtimeMs / 2);
    expect(node2.log()).not.toMatch(/Late heartbeat|is dead/);
    expect(afterMb - beforeMb, 'what the daemon has grown by [MB]').toBeLessThan(100);
    expect(node1.log().length - from, 'bytes of log').toBeLessThan(50_000);
  });
});
