/** `systole stop` while the daemon begins anew: it has no socket for a moment, and must not come up behind the operator's back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { adminSocketPath, pidFilePath } from '../../runtime/bin/directories.ts';
import { systole } from './systole.ts';

/** Takes the place of a daemon that comes up: a process with its name and pid file, whose socket appears only after a while. */
const comingUp = `
import { createServer } from 'node:net';
const [socketPath, delayMs] = process.argv.slice(2);
setTimeout(() => {
  createServer((socket) => socket.once('data', () => {
    socket.end(JSON.stringify({ id: 1, result: { pid: process.pid, stuck: [] } }) + '\\n', () => process.exit(0));
  })).listen(socketPath);
}, Number(delayMs));
`;

const dirs: string[] = [];
afterEach(async () => {
  await Promise.all(dirs.splice(0).map((dir) => rm(dir, { recursive: true, force: true })));
});

it('asks again until it can be heard, and the process is gone', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'systole-stop-'));
  dirs.push(dir);
  const program = join(dir, 'heartbeatd.mjs');
  writeFileSync(program, comingUp);
  const daemon = spawn(process.execPath, [program, adminSocketPath(dir), '1500'], { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  try {
    writeFileSync(pidFilePath(dir), `${String(daemon.pid).padStart(10)}\n`);
    expect(await systole(['stop', '--run-dir', dir], { asRoot: true })).toEqual({
      code: 0,
      out: 'Heartbeat stopped: resources are released.\n',
      err: '',
    });
    expect(await ended).toEqual([0, null]);
  } finally {
    daemon.kill('SIGKILL');
  }
});
