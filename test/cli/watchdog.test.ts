/** The watchdog of a real daemon, with a plain file in place of the device: what was written, and when. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';

/** Each test starts daemons: on a busy machine that takes many seconds. */
vi.setConfig({ testTimeout: 120_000 });
afterEach(removeNodeDirs);

/** `svc x start|stop|status`: notes in NAME.wd how the device looked at its stop; cannot be stopped when there is a file x.stuck. */
const svc = `#!/bin/sh
here=$(dirname "$0")
case $2 in
start) : >"$here/running" ;;
stop)
  cp "$here/device" "$here/device.at-stop"
  sleep 0.5
  [ -e "$here/x.stuck" ] && exit 1
  rm -f "$here/running" ;;
status) if [ -e "$here/running" ]; then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
`;

const scriptDir = (dir: NodeDir): string => join(dir.configDir, 'resource.d');
const devicePath = (dir: NodeDir): string => join(scriptDir(dir), 'device');
const written = (dir: NodeDir): string => readFileSync(devicePath(dir), 'latin1');

async function withDevice(scripts: Readonly<Record<string, string>> = {}): Promise<NodeDir> {
  const dir = await makeNodeDir({ haresources: 'alpha svc::x\n', scripts: { svc, device: '', ...scripts } });
  writeFileSync(
    join(dir.configDir, 'ha.cf'),
    `${dir.haCf()}deadtime 4\ninitdead 4\nresource_timeout 5\nwatchdog ${devicePath(dir)}\n`,
  );
  return dir;
}

async function armed(dir: NodeDir): Promise<void> {
  expect(await dir.start()).toMatchObject({ code: 0 });
  await until(() => existsSync(join(scriptDir(dir), 'running')), 20_000, 'the group to run');
  await until(() => written(dir).length >= 3, 20_000, 'three kicks');
}

it('is kicked while the node beats, and let go after the last resource is stopped', async () => {
  const dir = await withDevice();
  await armed(dir);
  expect(written(dir)).toMatch(/^\0+$/);
  const { watchdog } = await dir.status();
  expect(watchdog).toMatchObject({ device: devicePath(dir), status: 'armed', problem: null });
  expect((await dir.run('status')).out).toMatch(/watchdog\n {2}\S+device {2}armed +kicked \d+ ms ago/);
  expect((await dir.run('stop')).code).toBe(0);
  const atStop = readFileSync(join(scriptDir(dir), 'device.at-stop'), 'latin1');
  expect(atStop, 'armed while the resource is stopped').toMatch(/^\0+$/);
  expect(written(dir), 'kicked during the stop, and then let go').toMatch(/^\0+V$/);
  expect(written(dir).length).toBeGreaterThan(atStop.length + 1);
  expect(dir.log()).toMatch(/notice: Using watchdog device: /);
  // A plain file has no timeout: said as the original says it, and no reason not to start.
  expect(dir.log()).toContain('ERROR: WDIOC_SETTIMEOUT: Failed to set watchdog timer to 5 seconds.: ');
});

it('stays armed when a daemon is frozen or killed', async () => {
  const dir = await withDevice();
  await armed(dir);
  const pid = Number(readFileSync(join(dir.runDir, 'heartbeat.pid'), 'latin1'));
  process.kill(pid, 'SIGSTOP');
  const frozen = written(dir).length;
  // The guardian takes the frozen daemon's resources: time enough has passed for many kicks.
  await until(() => existsSync(join(scriptDir(dir), 'device.at-stop')), 20_000, 'the guardian to release');
  expect(written(dir).length).toBeLessThanOrEqual(frozen + 1);
  process.kill(pid, 'SIGKILL');
  await until(() => dir.processes().length === 0, 20_000, 'the end');
  expect(written(dir)).toMatch(/^\0+$/);
});

it('stays armed when a resource could not be stopped', async () => {
  const dir = await withDevice({ 'x.stuck': '' });
  await armed(dir);
  const { code, err } = await dir.run('stop', ['--timeout', '60s']);
  expect(code).toBe(1);
  expect(err).toContain('svc::x could not be stopped and may still run');
  expect(written(dir)).toMatch(/^\0+$/);
  expect(dir.log()).toMatch(/CRIT: Watchdog device \S+ stays armed, since not everything is released/);
});

it('that cannot be opened is an error that status shows, and no reason not to start', async () => {
  const dir = await makeNodeDir({ haCf: '@deadtime 10\ninitdead 10\nwatchdog /nonexistent/watchdog\n' });
  expect(await dir.start()).toMatchObject({ code: 0 });
  const failed = 'Cannot open watchdog device: /nonexistent/watchdog: ENOENT: no watchdog driver is loaded';
  await until(() => dir.log().includes(`ERROR: ${failed}`), 20_000, 'the error');
  const shown = /watchdog\n {2}\/nonexistent\/watchdog {2}NOT PROTECTING {2}Cannot open/;
  await until(async () => shown.test((await dir.run('status')).out), 20_000, 'status to show it');
  expect((await dir.status()).watchdog).toMatchObject({ status: 'failed', problem: expect.stringContaining(failed) });
  expect((await dir.run('stop')).code).toBe(0);
  expect(existsSync('/nonexistent/watchdog')).toBe(false);
});
