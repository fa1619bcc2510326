/** A real daemon on loopback as an ordinary user: start, status, reload, stop, in text and JSON, and what they say when things are odd. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';
import { finished, spawnSystole, systole } from './systole.ts';

/** Each test starts daemons: on a busy machine that takes many seconds. */
vi.setConfig({ testTimeout: 120_000 });
afterEach(removeNodeDirs);

const pidOf = (dir: NodeDir): number => Number(readFileSync(join(dir.runDir, 'heartbeat.pid'), 'latin1'));

async function running(...args: Parameters<typeof makeNodeDir>): Promise<{ dir: NodeDir; pid: number }> {
  const dir = await makeNodeDir(...args);
  const { code, out, err } = await dir.start();
  if (code !== 0) throw new Error(`start ended with ${code}: ${out}${err}\n${dir.log()}`);
  return { dir, pid: pidOf(dir) };
}

describe('a life', () => {
  it('starts in the background, answers, stops, and leaves nothing but its identity', async () => {
    const dir = await makeNodeDir();
    const start = await dir.start();
    expect(start).toMatchObject({ code: 0, out: `heartbeat: started [pid ${pidOf(dir)}]\n` });
    expect(readFileSync(join(dir.runDir, 'heartbeat.pid'), 'latin1')).toMatch(/^ *\d+\n$/);
    expect(readFileSync(join(dir.runDir, 'heartbeat.pid')).length).toBe(11);
    expect(statSync(join(dir.runDir, 'systole.sock')).mode & 0o022).toBe(0);

    const text = await dir.run('status');
    expect(text).toMatchObject({ code: 0, err: '' });
    expect(text.out).toMatch(/^alpha is (up|active), holding \w+/);
    expect(text.out).toContain(`pid ${pidOf(dir)}`);
    expect(await dir.status()).toMatchObject({
      node: 'alpha',
      nodes: [
        { name: 'alpha', type: 'normal', links: [{ name: 'lo' }] },
        { name: 'beta', type: 'normal' },
      ],
      resources: { groups: [] },
      process: { pid: pidOf(dir) },
    });

    expect(await dir.run('stop')).toEqual({ code: 0, out: 'Heartbeat stopped: resources are released.\n', err: '' });
    expect(dir.leftovers().toSorted()).toEqual(
      ['fifo', 'hb_generation', 'hb_uuid'].filter((name) => existsSync(join(dir.stateDir, name))),
    );
    expect(dir.processes()).toEqual([]);
    expect(dir.log()).toContain('alpha Heartbeat shutdown complete.');
  });

  it('counts its generation up by one at each start and keeps its uuid', async () => {
    const { dir } = await running();
    const [generation, uuid] = [dir.generation(), readFileSync(join(dir.stateDir, 'hb_uuid'))];
    expect(generation).toMatch(/^ *\d+\n$/);
    await dir.run('stop');
    await dir.start();
    expect(Number(dir.generation())).toBe(Number(generation) + 1);
    expect(readFileSync(join(dir.stateDir, 'hb_uuid'))).toEqual(uuid);
    await dir.run('stop', ['--json']);
  });

  it('lets go of the terminal: the pipes of the starting command end when it does', async () => {
    const { dir } = await running();
    // `start` was awaited until its streams had closed, while the daemon lives on.
    expect(dir.processes()).toContain(pidOf(dir));
    expect(readFileSync(join(dir.runDir, 'heartbeat.stderr'), 'utf8')).toBe('');
  });

  it('in the foreground is one process, which SIGTERM stops with 0', async () => {
    const dir = await makeNodeDir();
    const child = spawnSystole(['start', ...dir.directories, '--foreground']);
    const end = finished(child, 80_000);
    await until(async () => (await dir.run('status')).code === 0, 60_000, 'the node to answer');
    expect(pidOf(dir)).toBe(child.pid);
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
    expect(dir.processes()).toEqual([]);
  });
});

describe('start', () => {
  it('refuses a second daemon on the same state directory and leaves the first alone', async () => {
    const { dir, pid } = await running();
    const generation = dir.generation();
    for (const args of [[], ['--foreground']]) {
      const { code, out, err } = await dir.start(args);
      expect({ code, out }).toEqual({ code: exitCode.alreadyRunning, out: '' });
      expect(err).toContain(`already running [pid ${pid}] on the state directory ${dir.stateDir}: stop it first`);
    }
    const other = await makeNodeDir();
    const sameRun = await systole([
      'start',
      '--config-dir',
      other.configDir,
      '--state-dir',
      other.stateDir,
      '--run-dir',
      dir.runDir,
    ]);
    expect(sameRun.code).toBe(exitCode.alreadyRunning);
    expect(sameRun.err).toContain(`already running [pid ${pid}] on the run directory ${dir.runDir}`);
    expect(other.leftovers()).toEqual([]);
    expect(dir.generation()).toBe(generation);
    expect((await dir.status()).process).toMatchObject({ pid });
  });

  it('takes over from a daemon that was killed', async () => {
    const { dir, pid } = await running();
    process.kill(pid, 'SIGKILL');
    await until(() => !dir.processes().includes(pid), 5_000, 'the daemon to be gone');
    expect(await dir.run('status')).toEqual({
      code: exitCode.notRunning,
      out: 'heartbeat is stopped. No process\n',
      err: '',
    });
    expect((await dir.start()).code).toBe(0);
    expect(pidOf(dir)).not.toBe(pid);
  });

  it('waits for the guardian of a killed daemon, which is still stopping what that one held', async () => {
    const dir = await makeNodeDir({
      haresources: 'alpha slow\n',
      scripts: {
        // Its stop ends when the test says so.
        slow: '#!/bin/sh\ncase $1 in status) echo stopped; exit 3;; stop) until [ -e "$0.go" ]; do sleep 0.05; done;; esac\n',
      },
    });
    await dir.start();
    await until(async () => (await dir.run('status')).out.includes('running here'), 10_000, 'the group to run');
    process.kill(pidOf(dir), 'SIGKILL');
    const starting = dir.start();
    await until(
      () => dir.log().includes('is still stopping resources: waiting for it'),
      20_000,
      'the new daemon to wait',
    );
    dir.write('resource.d/slow.go', '');
    const { code, err } = await starting;
    expect(code).toBe(0);
    expect(err).toContain('is still stopping resources: waiting for it');
    expect(dir.log().indexOf('All HA resources relinquished.')).toBeLessThan(
      dir.log().lastIndexOf('heartbeat: version'),
    );
  });

  it('writes its log as JSON when asked', async () => {
    const dir = await makeNodeDir();
    expect((await dir.start(['--log-format', 'json'])).code).toBe(0);
    await dir.run('stop');
    const lines = dir
      .log()
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines)
      expect(line).toMatchObject({ level: expect.any(String), time: expect.any(Number), msg: expect.any(String) });
    expect(lines.at(-1)).toMatchObject({
      level: 'info',
      severity: 'info',
      event: 'stopped',
      msg: 'alpha Heartbeat shutdown complete.',
    });
  });

  it('prints the warnings of the configuration, and starts', async () => {
    const dir = await makeNodeDir({ haresources: 'alpha nosuch\n' });
    const { code, err } = await dir.start();
    expect(code).toBe(0);
    expect(err).toContain('haresources:1:7: warning: there is no resource script nosuch');
  });
});

describe('without a daemon', () => {
  it('status, reload and stop say so', async () => {
    const dir = await makeNodeDir();
    const text = 'heartbeat is stopped. No process';
    expect(await dir.run('status')).toEqual({ code: exitCode.notRunning, out: `${text}\n`, err: '' });
    expect(await dir.run('status', ['--json'])).toEqual({
      code: exitCode.notRunning,
      out: `${JSON.stringify({ status: 'stopped', text })}\n`,
      err: '',
    });
    expect(await dir.run('reload')).toEqual({ code: exitCode.notRunning, out: '', err: `systole reload: ${text}\n` });
    expect(await dir.run('reload', ['--json'])).toEqual({
      code: exitCode.notRunning,
      out: `${JSON.stringify({ reloaded: false, text })}\n`,
      err: '',
    });
    expect(await dir.run('stop')).toEqual({ code: 0, out: 'Heartbeat already stopped.\n', err: '' });
    expect(await dir.run('stop', ['--json'])).toEqual({
      code: 0,
      out: `${JSON.stringify({ stopped: true, text: 'Heartbeat already stopped.' })}\n`,
      err: '',
    });
    expect((await systole(['status', '--run-dir', join(dir.root, 'nowhere')])).code).toBe(exitCode.notRunning);
  });

  it('a socket that answers nonsense is no status', async () => {
    const dir = await makeNodeDir();
    const path = join(dir.runDir, 'systole.sock');
    const server = createServer((socket) => socket.end('hello\n'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    dir.own(path);
    const { code, err } = await dir.run('status');
    expect({ code, err }).toEqual({ code: 1, err: 'systole status: the daemon sent an answer that cannot be read\n' });
    server.close();
  });
});

describe('a daemon that hangs', () => {
  it('is told apart from one that is stopped, with the way out', async () => {
    const { dir, pid } = await running();
    process.kill(pid, 'SIGSTOP');
    try {
      const words = `has not answered within 5 s: it hangs, or the machine is overloaded; kill -9 ${pid} ends it`;
      const [text, json, stop, reload] = await Promise.all([
        dir.run('status'),
        dir.run('status', ['--json']),
        dir.run('stop', ['--timeout', '500ms']),
        dir.run('reload', ['--timeout', '500ms', '--json']),
      ]);
      expect(text).toMatchObject({ code: exitCode.general, out: '' });
      expect(text.err).toContain(words);
      expect(json).toMatchObject({ code: exitCode.general, err: '' });
      expect(JSON.parse(json.out)).toMatchObject({ status: 'no-answer', text: expect.stringContaining(words) });
      expect(stop).toMatchObject({ code: exitCode.general, out: '' });
      expect(stop.err).toContain('the node has not stopped within 0.5 s');
      expect(reload.code).toBe(exitCode.general);
      expect(JSON.parse(reload.out)).toMatchObject({ reloaded: false, text: expect.stringContaining('0.5 s') });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

describe('reload', () => {
  it('takes new keys, tells what waits for the next start, and keeps what is broken out', async () => {
    const { dir } = await running();
    expect(await dir.run('reload')).toEqual({ code: 0, out: 'Configuration unchanged.\n', err: '' });
    dir.write('authkeys', 'auth 2\n1 sha1 a-word-that-nobody-knows\n2 sha1 another\n', 0o600);
    const keys = await dir.run('reload', ['--json']);
    expect(keys).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(keys.out)).toEqual({ reloaded: true, text: 'Rereading authentication file.' });
    dir.write('ha.cf', `${dir.haCf()}warntime 300ms\n`);
    expect((await dir.run('reload')).out).toBe(
      'Keys unchanged. ha.cf or haresources has changed: that takes effect at the next start.\n',
    );
    dir.write('ha.cf', `${dir.haCf()}keepalife 2\n`);
    const broken = await dir.run('reload');
    expect(broken).toMatchObject({ code: 1, out: '' });
    expect(broken.err).toContain(`keeps running as it was: ${dir.configDir}/ha.cf:11: there is no directive keepalife`);
    expect((await dir.run('status')).code).toBe(0);
    // The same by a plain signal, where 3.0.6 is gone afterwards; and with authkeys that cannot be used, where it loops until it crashes.
    for (const [file, text] of [
      ['ha.cf', `${dir.haCf()}keepalife 2\n`],
      ['authkeys', 'auth 3\n'],
    ] as const) {
      dir.write(file, text, 0o600);
      const offset = dir.log().length;
      process.kill(pidOf(dir), 'SIGHUP');
      await until(
        () => /ERROR: Config errors: Heartbeat keeps running as it was/.test(dir.log().slice(offset)),
        20_000,
        'the refusal in the log',
      );
      expect((await dir.run('status')).code).toBe(0);
      dir.write('ha.cf', dir.haCf());
    }
  });
});

describe('status --watch', () => {
  it('goes on until the node is gone, and then says so', async () => {
    const { dir } = await running();
    const child = spawnSystole(['status', '--run-dir', dir.runDir, '--watch', '--json']);
    let reports = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      reports += chunk.toString().split('\n').length - 1;
    });
    const end = finished(child, 20_000);
    await until(() => reports >= 2, 10_000, 'two reports');
    await dir.run('stop');
    const { code, out } = await end;
    expect(code).toBe(exitCode.notRunning);
    expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ status: 'stopped' });
  });

  it('ends quietly when nobody reads it any more', async () => {
    const { dir } = await running();
    const child = spawnSystole(['status', '--run-dir', dir.runDir, '--watch']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const end = finished(child, 20_000);
    child.stdout?.destroy();
    const { code, err } = await end;
    expect({ code, err }, dir.log()).toEqual({ code: 0, err: '' });
  });
});
