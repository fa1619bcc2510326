/**
 * The companion: a small process beside the daemon that starts the programs of `respawn` and `failfast` lines.
 *
 * A fork copies the page tables of the process that forks and halts its threads meanwhile; this process has little to copy and nothing that
 * beats. It knows the daemon by the pipe on its standard input: when that closes without a `bye`, the daemon is dead, and the programs are
 * ended, so that the next daemon does not find two of each. (The original leaves them running.)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { keepFromChildren } from '../../runtime/sys/libc.ts';
import { killGroup } from '../guardian/operation.ts';
import { encodeLine, LineReader } from '../guardian/protocol.ts';
import type { FromCompanion, ProgramSpec, ToCompanion } from './protocol.ts';
import { reboot } from './reboot.ts';

/** How long the programs have to end when the daemon is dead [ms]; SIGKILL then. */
const orphanGraceMs = 5_000;
/** util-linux: changes user with that user's supplementary groups, which libuv's own way drops. */
const setprivPaths = ['/usr/bin/setpriv', '/bin/setpriv'];

// What the daemon's own parent left open is nothing for the programs.
keepFromChildren(3);
const setpriv = setprivPaths.find((path) => existsSync(path));
const running = new Map<number, ChildProcess>();
const reader = new LineReader<ToCompanion>();
let ending = false;

process.title = 'systole: children';
// Stopping is the daemon's business: what a terminal or a service manager sends to all processes must not overtake it.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
// The daemon may be gone while we tell it something: its end of the pipe says so.
process.stdout.on('error', () => undefined);
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  for (const message of reader.take(chunk)) onMessage(message);
});
process.stdin.on('error', daemonDied);
process.stdin.on('end', daemonDied);
say({ type: 'ready' });

function onMessage(message: ToCompanion): void {
  switch (message.type) {
    case 'start':
      start(message.program);
      return;
    case 'signal':
      killGroup(running.get(message.id)?.pid, message.signal);
      return;
    case 'reboot':
      setTimeout(() => {
        void reboot(message.commands).then((reason) => say({ type: 'reboot-failed', reason }));
      }, message.delayMs);
      return;
    case 'bye':
      ending = true;
      process.exit(0);
  }
}

function start(program: ProgramSpec): void {
  const { id, uid, gid, cwd, environment } = program;
  const shell = ['/bin/sh', '-c', `exec ${program.command}`];
  const foreign = uid !== process.geteuid?.();
  const ids = setpriv === undefined ? null : [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--'];
  const [file = '', ...args] = foreign && setpriv !== undefined && ids !== null ? [setpriv, ...ids, ...shell] : shell;
  try {
    const child = spawn(file, args, {
      // A session and process group of its own: it can be stopped with everything it starts.
      detached: true,
      cwd,
      env: environment,
      stdio: 'ignore',
      ...(foreign && setpriv === undefined ? { uid, gid } : {}),
    });
    child.once('error', (error) => {
      if (child.pid === undefined) say({ type: 'not-started', id, reason: error.message });
    });
    if (child.pid === undefined) return;
    const { pid } = child;
    running.set(id, child);
    child.once('exit', (exitCode, signal) => {
      running.delete(id);
      say({ type: 'ended', id, pid, exitCode, signal });
      if (ending && running.size === 0) process.exit(0);
    });
    say({ type: 'started', id, pid });
  } catch (error) {
    say({ type: 'not-started', id, reason: error instanceof Error ? error.message : String(error) });
  }
}

function say(message: FromCompanion): void {
  if (!ending) process.stdout.write(encodeLine(message));
}

function daemonDied(): void {
  if (ending) return;
  ending = true;
  if (running.size === 0) process.exit(0);
  for (const child of running.values()) killGroup(child.pid, 'SIGTERM');
  setTimeout(() => {
    for (const child of running.values()) killGroup(child.pid, 'SIGKILL');
    process.exit(0);
  }, orphanGraceMs);
}
