/** Scripts that are missing, hang or fail: the group is given up, the node goes on, and status says which group and that it failed. */
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';
import { systole } from './systole.ts';

/** Each test starts daemons: on a busy machine that takes many seconds. */
vi.setConfig({ testTimeout: 120_000 });
afterEach(removeNodeDirs);

/** `svc NAME start|stop|status`: starts by making a file NAME beside it; misbehaves as files NAME.start.fail or NAME.start.hang tell. */
const svc = `#!/bin/sh
here=$(dirname "$0")
state=$here/$1.running
[ -e "$here/$1.$2.hang" ] && exec sleep 1000
[ -e "$here/$1.$2.fail" ] && { echo "$1: no luck with $2"; exit 1; }
case $2 in
start) : >"$state" ;;
stop) rm -f "$state" ;;
status) if [ -e "$state" ]; then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
`;

async function activityOf(dir: NodeDir): Promise<string> {
  const { resources } = await dir.status();
  const groups: unknown = Object(resources).groups;
  const [group]: { activity?: string; running?: boolean }[] = Array.isArray(groups) ? groups : [];
  return `${group?.activity} ${group?.running}`;
}

async function failedGroup(dir: NodeDir, words: string, look?: () => Promise<void>): Promise<void> {
  expect((await dir.start()).code).toBe(0);
  await until(async () => (await activityOf(dir)) === 'failed false', 20_000, 'the group to be given up');
  const { code, out } = await dir.run('status');
  expect(code).toBe(0);
  expect(out).toContain(`${words}  prefers alpha  failed: could not be started here, see the log`);
  expect(dir.log()).toMatch(/CRIT: Giving up resources due to failure of /);
  await look?.();
  expect(await dir.run('stop')).toMatchObject({ code: 0, err: '' });
  expect(dir.processes()).toEqual([]);
}

it('missing: a warning before, a failed group after', async () => {
  const dir = await makeNodeDir({ haresources: 'alpha nosuch::x\n' });
  const check = await systole(['check', '--config-dir', dir.configDir]);
  expect(check.code).toBe(0);
  expect(check.out).toContain('haresources:1:7: warning: there is no resource script nosuch');
  expect(check.out).toContain(`put the script into ${dir.configDir}/resource.d or /etc/init.d`);
  await failedGroup(dir, 'nosuch::x');
  expect(dir.log()).toContain('ERROR: Cannot locate resource script nosuch');
});

it('not executable: the same', async () => {
  const dir = await makeNodeDir({ haresources: 'alpha svc::x\n', scripts: { svc } });
  chmodSync(join(dir.configDir, 'resource.d', 'svc'), 0o644);
  const check = await systole(['check', '--config-dir', dir.configDir]);
  expect(check.out).toContain(`resource script ${dir.configDir}/resource.d/svc is not executable`);
  expect(check.out).toContain(`chmod 755 ${dir.configDir}/resource.d/svc`);
  await failedGroup(dir, 'svc::x');
});

it('fails on start: what was started of its group is stopped again', async () => {
  const dir = await makeNodeDir({
    haresources: 'alpha svc::first svc::second\n',
    scripts: { svc, 'second.start.fail': '' },
  });
  await failedGroup(dir, 'svc::first svc::second', async () => {
    const { out } = await dir.run('status');
    expect(out).toMatch(
      /operations and failures\n {2}svc::second +1 failure +start [\d.]+ m?s ago: Return code 1 from \S+svc\n/,
    );
    expect(Object((await dir.status()).resources).groups[0].records).toMatchObject([
      { resource: 'svc::first', failures: 0, lastFailure: null, operation: null },
      { resource: 'svc::second', failures: 1, lastFailure: { action: 'start' } },
    ]);
  });
  expect(dir.log()).toContain('ERROR: svc::second start: second: no luck with start');
  expect(existsSync(join(dir.configDir, 'resource.d', 'first.running'))).toBe(false);
  expect(dir.log()).toContain('svc second start');
  expect(dir.log()).toContain('svc first stop');
});

it('hangs on start: its time is up, it is killed, the group given up', async () => {
  const dir = await makeNodeDir({
    haCf: '@resource_timeout 1\n',
    haresources: 'alpha svc::x\n',
    scripts: { svc, 'x.start.hang': '' },
  });
  await failedGroup(dir, 'svc::x');
  expect(dir.log()).toMatch(/svc did not finish within 1\d\d\d ms and was killed/);
});

/** A node whose group runs and will hang when it is stopped. */
async function hangingStop(): Promise<NodeDir> {
  const dir = await makeNodeDir({
    haCf: '@resource_timeout 3\n',
    haresources: 'alpha svc::x\n',
    scripts: { svc, 'x.stop.hang': '' },
  });
  await dir.start();
  await until(async () => (await activityOf(dir)) === 'held true', 20_000, 'the group to run');
  return dir;
}

it('hangs on stop: the node stops all the same, after its tries, and says what may still run', async () => {
  const dir = await hangingStop();
  expect((await dir.run('status')).out).toContain('svc::x  prefers alpha  running here');
  const stopping = dir.run('stop');
  await until(
    async () => / stop +stop runs for \d/.test((await dir.run('status')).out),
    20_000,
    'the hanging stop to show',
  );
  const { code, out, err } = await stopping;
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toBe(
    'systole stop: Heartbeat has ended, but svc::x could not be stopped and may still run: stop it by hand, or reboot this machine. The other node was not told to take it.\n',
  );
  expect(dir.log()).toContain('CRIT: Resource STOP failure. Reboot required!');
  expect(dir.processes()).toEqual([]);
});

it('a stop that loses the daemon on the way says so', async () => {
  const dir = await hangingStop();
  const stopping = dir.run('stop');
  await until(() => dir.log().includes('svc x stop'), 20_000, 'the stop to begin');
  process.kill(Number(readFileSync(join(dir.runDir, 'heartbeat.pid'), 'latin1')), 'SIGKILL');
  expect(await stopping).toEqual({
    code: 1,
    out: '',
    err: expect.stringMatching(
      /^systole stop: the connection to the daemon ended before it answered: .* It is gone; its guardian/,
    ),
  });
});
