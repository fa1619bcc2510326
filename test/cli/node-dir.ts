/** A node's three directories with a configuration that starts on loopback, and the proof that nothing of it is left behind. */

import { createSocket } from 'node:dgram';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lockFile } from '../../runtime/sys/lock.ts';
import { type Finished, ordinaryUser, type RunOptions, systole } from './systole.ts';

export interface NodeFiles {
  readonly haCf?: string | null;
  readonly authkeys?: string | null;
  readonly haresources?: string | null;
  readonly nodeinfo?: string | null;
  /** Resource scripts by name. */
  readonly scripts?: Readonly<Record<string, string>>;
}

const dirs = new Set<NodeDir>();

/** Ends every daemon that a test has left and removes all directories: for `afterEach`. */
export async function removeNodeDirs(): Promise<void> {
  for (const dir of dirs) await dir.remove();
  dirs.clear();
}

/** A UDP port that nobody uses now. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.once('error', reject);
  socket.bind(0, '0.0.0.0', () => resolve(socket.address().port));
  return await promise.finally(() => socket.close());
}

export async function makeNodeDir(files: NodeFiles = {}): Promise<NodeDir> {
  const dir = new NodeDir(await freeUdpPort());
  dirs.add(dir);
  const haCf = dir.haCf();
  const contents: readonly (readonly [string, string | null, number])[] = [
    ['ha.cf', files.haCf === undefined ? haCf : (files.haCf?.replaceAll('@', haCf) ?? null), 0o644],
    ['authkeys', files.authkeys === undefined ? 'auth 1\n1 sha1 a-word-that-nobody-knows\n' : files.authkeys, 0o600],
    ['haresources', files.haresources === undefined ? '' : files.haresources, 0o644],
    ['nodeinfo', files.nodeinfo === undefined ? 'alpha\n' : files.nodeinfo, 0o644],
    ...Object.entries(files.scripts ?? {}).map(([name, text]) => [`resource.d/${name}`, text, 0o755] as const),
  ];
  for (const [name, text, mode] of contents) if (text !== null) dir.write(name, text, mode);
  return dir;
}

export class NodeDir {
  readonly root: string;
  readonly configDir: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly logFile: string;
  readonly port: number;

  constructor(port: number) {
    this.port = port;
    this.root = mkdtempSync(join(tmpdir(), 'systole-cli-'));
    this.configDir = join(this.root, 'ha.d');
    this.stateDir = join(this.root, 'state');
    this.runDir = join(this.root, 'run');
    this.logFile = join(this.root, 'ha-log');
    for (const dir of [this.configDir, join(this.configDir, 'resource.d'), this.stateDir, this.runDir]) mkdirSync(dir);
    for (const dir of [this.root, this.configDir, join(this.configDir, 'resource.d'), this.stateDir, this.runDir])
      this.own(dir);
  }

  /** Alone in a cluster of two, it is active after a second. */
  haCf(): string {
    return [
      `logfile ${this.logFile}`,
      'keepalive 100ms',
      'warntime 400ms',
      'deadtime 1',
      'initdead 1',
      `udpport ${this.port}`,
      'ucast lo 127.0.0.1',
      'auto_failback on',
      // What these tests do to scripts must never restart the machine that they run on.
      'stop_failure hold',
      'node alpha beta',
      '',
    ].join('\n');
  }

  /** Gives a path to the user that the command runs as. */
  own(path: string): void {
    if (ordinaryUser.uid !== undefined && ordinaryUser.gid !== undefined)
      chownSync(path, ordinaryUser.uid, ordinaryUser.gid);
  }

  write(name: string, text: string, mode = 0o644): void {
    const path = join(this.configDir, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    this.own(path);
  }

  get directories(): readonly string[] {
    return ['--config-dir', this.configDir, '--state-dir', this.stateDir, '--run-dir', this.runDir];
  }

  async start(args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> {
    return await systole(['start', ...this.directories, ...args], options);
  }

  async run(
    command: 'status' | 'stop' | 'reload' | 'standby' | 'takeover',
    args: readonly string[] = [],
  ): Promise<Finished> {
    return await systole([command, '--run-dir', this.runDir, ...args]);
  }

  /** The status as data; fails when the node does not answer. */
  async status(): Promise<Record<string, unknown>> {
    const { code, out, err } = await this.run('status', ['--json']);
    if (code !== 0) throw new Error(`status ended with ${code}: ${out}${err}`);
    const value: unknown = JSON.parse(out);
    return Object.fromEntries(Object.entries(value ?? {}));
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  generation(): string | null {
    const path = join(this.stateDir, 'hb_generation');
    return existsSync(path) ? readFileSync(path, 'latin1') : null;
  }

  /** Processes of this node: their command line names one of its directories, or their lock file does. */
  processes(): readonly number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid && commandLine(pid).includes(this.root));
  }

  /** What an operator would find after a start that failed; empty when it is as if nothing had been. */
  leftovers(): readonly string[] {
    const listed = (dir: string): string[] =>
      statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(dir) : [];
    return [
      ...this.processes().map((pid) => `process ${pid}`),
      ...listed(this.runDir).filter((name) => !name.endsWith('.lock')),
      ...listed(this.stateDir).filter((name) => !name.endsWith('.lock')),
      ...[
        join(this.stateDir, 'systole.lock'),
        join(this.stateDir, 'guardian.lock'),
        join(this.runDir, 'systole-run.lock'),
      ].filter((path) => existsSync(path) && !isFree(path)),
    ];
  }

  async remove(): Promise<void> {
    for (const pid of this.processes()) kill(pid);
    await until(
      () => this.processes().length === 0 && !this.#guardianWorks(),
      20_000,
      'every process of the node to end',
    );
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #guardianWorks(): boolean {
    const path = join(this.stateDir, 'guardian.lock');
    return existsSync(path) && !isFree(path);
  }
}

function isFree(path: string): boolean {
  const lock = lockFile(path);
  if (lock.ok) lock.release();
  return lock.ok;
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Waits for a condition; fails with its name when the deadline passes [ms]. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  what: string,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await delay(20);
  }
}
