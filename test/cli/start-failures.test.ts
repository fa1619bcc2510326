/** What the machine can have against a start: directories, disks, ports, logs. One message, the documented code, nothing left behind. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';
import { type Finished, finished, isRoot, ordinaryUser, spawnSystole, systole } from './systole.ts';

afterEach(removeNodeDirs);

/** The configuration's warnings stand above: the last line is the reason. */
const lastLine = ({ err }: Finished): string => err.trimEnd().split('\n').at(-1) ?? '';

/** Starts in the background and in the foreground, and expects the same end of both. */
async function expectFailure(dir: NodeDir, code: number, message: string): Promise<void> {
  for (const args of [[], ['--foreground']]) {
    const end = await dir.start(args);
    expect({ code: end.code, out: end.out }, end.err).toEqual({ code, out: '' });
    expect(lastLine(end)).toBe(message);
    expect(end.err.split('\n').filter((line) => line === message)).toHaveLength(1);
  }
  expect(dir.processes()).toEqual([]);
  expect(dir.generation()).toBeNull();
}

describe('directories', () => {
  it.each(['state', 'run'] as const)('--%s-dir is a file', async (which) => {
    const dir = await makeNodeDir();
    const path = join(dir.root, which);
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    await expectFailure(
      dir,
      exitCode.directory,
      `--${which}-dir ${path} is not a directory: remove what is there, or give another --${which}-dir`,
    );
    expect(dir.leftovers()).toEqual([]);
  });

  it.skipIf(ordinaryUser.uid === undefined).each(['state', 'run'] as const)(
    '--%s-dir is not writable',
    async (which) => {
      const dir = await makeNodeDir();
      const path = join(dir.root, which);
      chownSync(path, 0, 0);
      chmodSync(path, 0o755);
      const end = await dir.start();
      expect({ code: end.code, out: end.out }).toEqual({ code: exitCode.permission, out: '' });
      expect(lastLine(end)).toMatch(
        new RegExp(
          `^--${which}-dir ${path} is not writable for this user \\(.*\\): start as root, or give another --${which}-dir$`,
        ),
      );
      expect(dir.leftovers()).toEqual([]);
    },
  );

  it('are made when missing', async () => {
    const dir = await makeNodeDir();
    for (const path of [dir.stateDir, dir.runDir]) rmSync(path, { recursive: true });
    expect((await dir.start()).code).toBe(0);
    expect((await dir.run('stop')).code).toBe(0);
  });

  it('a run directory whose path no socket can have', async () => {
    const dir = await makeNodeDir();
    const long = join(dir.root, 'r'.repeat(100));
    const args = ['--config-dir', dir.configDir, '--state-dir', dir.stateDir, '--run-dir', long];
    const end = await systole(['start', ...args]);
    expect(end.code).toBe(exitCode.directory);
    expect(lastLine(end)).toMatch(
      /^--run-dir .* is too long by \d+ bytes: sockets cannot have longer paths; give a shorter directory$/,
    );
    const status = await systole(['status', '--run-dir', long]);
    expect(status).toMatchObject({ code: 1, out: '' });
    expect(status.err).toContain('sockets cannot have longer paths');
    expect(dir.leftovers()).toEqual([]);
  });
});

/** Runs `systole start` as root in a mount namespace of its own, with a tmpfs of 64 KiB that `fill` has filled over `path`. */
async function startOnFullDisk(dir: NodeDir, path: string, prepare = ''): Promise<Finished> {
  const script = `set -e
mount -t tmpfs -o size=64k tmpfs "$1"
${prepare}
dd if=/dev/zero of="$1/ballast" bs=4k 2>/dev/null || true
shift
set +e
"$@"
code=$?
ls -A "$0" >&2
exit $code`;
  const { fileURLToPath } = await import('node:url');
  const checkout = fileURLToPath(new URL('../../', import.meta.url));
  const command = [
    `${checkout}node_modules/.bin/node`,
    `${checkout}runtime/bin/systole.ts`,
    'start',
    ...dir.directories,
  ];
  const child = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script, path, path, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  return await finished(child, 25_000);
}

describe.skipIf(!isRoot)('a full disk', () => {
  it('under the state directory', async () => {
    const dir = await makeNodeDir();
    const { code, out, err } = await startOnFullDisk(dir, dir.stateDir);
    expect({ code, out }).toEqual({ code: exitCode.directory, out: '' });
    expect(err).toContain(`--state-dir ${dir.stateDir}: the disk is full (ENOSPC): make room and start again`);
    expect(err).toMatch(/\nballast\n$/);
    expect(dir.processes()).toEqual([]);
  });

  it('under the run directory', async () => {
    const dir = await makeNodeDir();
    const { code, err } = await startOnFullDisk(dir, dir.runDir);
    expect(code).toBe(exitCode.directory);
    expect(err).toContain(`--run-dir ${dir.runDir}: the disk is full (ENOSPC)`);
    expect(err).toMatch(/\nballast\n$/);
    expect(dir.generation()).toBeNull();
  });

  it('under the log file keeps nobody from starting, but is said', async () => {
    const dir = await makeNodeDir();
    const logs = join(dir.root, 'logs');
    mkdirSync(logs);
    dir.write('ha.cf', dir.haCf().replace(dir.logFile, join(logs, 'ha-log')));
    const { code, out } = await startOnFullDisk(dir, logs);
    expect(code).toBe(0);
    expect(out).toContain('heartbeat: started');
    expect((await systole(['stop', '--run-dir', dir.runDir], { asRoot: true })).code).toBe(0);
  });
});

describe('a log file that cannot be written', () => {
  it.each([
    ['/nonexistent/ha-log', 'ENOENT', 'make its directory'],
    ['/dev', 'EISDIR', 'name a file, not a directory'],
  ])('%s: the node starts, and says so', async (path, errno, advice) => {
    const dir = await makeNodeDir();
    dir.write('ha.cf', dir.haCf().replace(dir.logFile, path));
    const { code, err } = await dir.start();
    expect(code).toBe(0);
    expect(err).toContain(`WARN: logfile ${path} cannot be written (${errno}): ${advice}`);
    expect((await dir.run('stop')).code).toBe(0);
  });

  it('makes standard error the log of a foreground start: a node is never mute', async () => {
    const dir = await makeNodeDir({ haCf: '@logfile /nonexistent/ha-log\n' });
    const child = spawnSystole(['start', ...dir.directories, '--foreground']);
    const end = finished(child, 25_000);
    await until(async () => (await dir.run('status')).code === 0, 15_000, 'the node to answer');
    child.kill('SIGTERM');
    const { code, err } = await end;
    expect(code).toBe(0);
    expect(err).toContain('info: Heartbeat generation: ');
    expect(err).toContain('alpha Heartbeat shutdown complete.');
  });
});

describe('a port in use', () => {
  it('is waited for, and the start goes on when it is free', async () => {
    const dir = await makeNodeDir();
    const squatter = createSocket('udp4');
    await new Promise<void>((resolve) => squatter.bind(dir.port, '0.0.0.0', () => resolve()));
    const starting = dir.start();
    await until(() => dir.log().includes(`port ${dir.port} is in use`), 10_000, 'the port to be found in use');
    squatter.close();
    const { code, err } = await starting;
    expect(code).toBe(0);
    expect(err).toContain(`WARN: ucast lo: port ${dir.port} is in use: trying 10 times`);
  });

  it('for ten tries is the end: nothing was started, no generation used', { timeout: 60_000 }, async () => {
    const dir = await makeNodeDir();
    const squatter = createSocket('udp4');
    await new Promise<void>((resolve) => squatter.bind(dir.port, '0.0.0.0', () => resolve()));
    try {
      const { code, out, err } = await dir.start();
      expect({ code, out }).toEqual({ code: exitCode.medium, out: '' });
      expect(err).toContain(`WARN: ucast lo: port ${dir.port} is in use: trying 10 times`);
      expect(err.trimEnd().split('\n').at(-1)).toContain(`cannot bind to 0.0.0.0 port ${dir.port}`);
      expect(dir.leftovers()).toEqual([]);
      expect(dir.log()).toContain(`ERROR: ucast lo: cannot bind to 0.0.0.0 port ${dir.port}`);
    } finally {
      squatter.close();
    }
  });
});

it('a peer whose name nobody knows', async () => {
  const dir = await makeNodeDir();
  dir.write('ha.cf', dir.haCf().replace('ucast lo 127.0.0.1', 'ucast lo no-such-host.invalid'));
  const { code, err } = await dir.start();
  expect([exitCode.medium, exitCode.notConfigured]).toContain(code);
  expect(err).toContain('no-such-host.invalid');
  expect(dir.leftovers()).toEqual([]);
});
