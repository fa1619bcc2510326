/** Scripts that are missing, hang or fail: the group is given up, the node goes on, and status says which group and that it failed. */
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';
import { systole } from './systole.ts';

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

async function failedGroup(dir: NodeDir, words: string): Promise<void> {
  expect((await dir.start()).code).toBe(0);
  await until(async () => (await activityOf(dir)) === 'failed false', 20_000, 'the group to be given up');
  const { code, out } = await dir.run('status');
  expect(code).toBe(0);
  expect(out).toContain(`${words}  prefers alpha  failed: could not be started here, see the log`);
  expect(dir.log()).toMatch(/CRIT: Giving up resources due to failure of /);
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
  await failedGroup(dir, 'svc::first svc::second');
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

it('hangs on stop: the node stops all the same, after its tries', async () => {
  const dir = await makeNodeDir({
    haCf: '@resource_timeout 500ms\n',
    haresources: 'alpha svc::x\n',
    scripts: { svc, 'x.stop.hang': '' },
  });
  await dir.start();
  await until(async () => (await activityOf(dir)) === 'held true', 20_000, 'the group to run');
  expect((await dir.run('status')).out).toContain('svc::x  prefers alpha  running here');
  expect((await dir.run('stop')).code).toBe(0);
  expect(dir.log()).toContain('CRIT: Resource STOP failure. Reboot required!');
  expect(dir.processes()).toEqual([]);
});
