import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const fixtures = fileURLToPath(new URL('../fixtures/guardian/', import.meta.url));
const DEADLINE_MS = 15_000;

/** A daemon with its guardian, in processes of their own. */
class Daemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'guardian-'));
  readonly process: ChildProcess;
  guardian = 0;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(mode = 'release') {
    this.process = spawn(
      process.execPath,
      [join(fixtures, 'parent.ts'), mode, join(fixtures, 'service.sh'), this.calls, this.log],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, NODE_COMPILE_CACHE: join(this.directory, 'cache') },
      },
    );
    const { stdout } = this.process;
    if (stdout === null) throw new Error('no standard output');
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  get calls(): string {
    return join(this.directory, 'calls');
  }

  get log(): string {
    return join(this.directory, 'log');
  }

  get callLines(): readonly string[] {
    return existsSync(this.calls) ? readFileSync(this.calls, 'utf8').trim().split('\n') : [];
  }

  get logText(): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8') : '';
  }

  static async start(mode?: string): Promise<Daemon> {
    const daemon = new Daemon(mode);
    daemons.push(daemon);
    daemon.guardian = Number((await daemon.answer()).guardian);
    return daemon;
  }

  /** The next line that the daemon prints. */
  async answer(): Promise<Record<string, unknown>> {
    const line = await Promise.race([this.#lines.next(), sleep(DEADLINE_MS, null, { ref: false })]);
    if (line === null || line.done === true) throw new Error('the daemon says nothing');
    return JSON.parse(line.value) as Record<string, unknown>;
  }

  order(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  async ask(line: string): Promise<Record<string, unknown>> {
    this.order(line);
    return await this.answer();
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  async cleanUp(): Promise<void> {
    this.#reader.close();
    this.kill();
    for (const pid of [
      this.guardian,
      ...this.callLines.filter((line) => line.startsWith('child ')).map((line) => Number(line.slice(6))),
    ]) {
      if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
    await until(() => !isAlive(this.guardian), 'the guardian ends');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const daemons: Daemon[] = [];

afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.cleanUp();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A zombie is dead: its parent may be gone, and nobody has collected it yet.
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await sleep(10);
  }
}

describe('the guardian', () => {
  it('runs scripts and gives back what they say', async () => {
    const daemon = await Daemon.start();
    expect(await daemon.ask('status web')).toMatchObject({
      exitCode: 0,
      output: 'web is running\n0\n',
      timedOut: false,
    });
    expect(await daemon.ask('start fails')).toMatchObject({ exitCode: 3, output: 'no good\n' });
  });

  it('stops everything, last first, when the daemon is killed', async () => {
    const daemon = await Daemon.start();
    for (const name of ['ip', 'disk', 'web']) await daemon.ask(`start ${name}`);
    await daemon.ask('start extra');
    await daemon.ask('stop extra');
    daemon.kill();
    await until(() => !isAlive(daemon.guardian), 'the guardian is done');
    expect(daemon.callLines.slice(5)).toEqual(['web stop', 'disk stop', 'ip stop']);
    expect(daemon.logText).toMatch(
      /node1 guardian: \[\d+\]: CRIT: The daemon died\. Releasing what it held: ip disk web\n/,
    );
    expect(daemon.logText).toContain('info: All HA resources relinquished.');
  });

  it('knows of what the daemon was about to start when it was killed in the same moment', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start a');
    daemon.order('hold-and-die b+c');
    await until(() => !isAlive(daemon.guardian), 'the guardian ends');
    expect(daemon.callLines).toEqual(['a start', 'c stop', 'b stop', 'a stop']);
  });

  it('kills what is running, and goes on after a stop that hangs', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start ip');
    daemon.order('start hang 60000');
    await until(() => daemon.callLines.some((line) => line.startsWith('child')), 'the script runs');
    const child = Number(daemon.callLines.find((line) => line.startsWith('child'))?.slice(6));
    daemon.kill();
    await until(() => !isAlive(child), 'the process group of the running script is gone');
    await until(() => daemon.callLines.includes('ip stop'), 'the release goes on');
    expect(daemon.callLines).toContain('hang stop');
    await until(() => !isAlive(daemon.guardian), 'the guardian is done');
    expect(daemon.logText).toContain('CRIT: Resource STOP failure: hang may still run here. Reboot required!');
  });

  it('ends a script and its children when their time is over', async () => {
    const daemon = await Daemon.start();
    expect(await daemon.ask('status hang 200')).toMatchObject({ timedOut: true });
    const child = Number(daemon.callLines.find((line) => line.startsWith('child'))?.slice(6));
    await until(() => !isAlive(child), 'the child is gone');
  });

  it('kills what ignores SIGTERM', async () => {
    const daemon = await Daemon.start();
    expect(await daemon.ask('status stubborn 100')).toMatchObject({ timedOut: true, exitCode: 137 });
  });

  it('does not wait for a service that keeps the output open', async () => {
    const daemon = await Daemon.start();
    expect(await daemon.ask('start daemon')).toMatchObject({ exitCode: 0, output: 'started\n', timedOut: false });
    const child = Number(daemon.callLines.find((line) => line.startsWith('child'))?.slice(6));
    expect(isAlive(child)).toBe(true);
  });

  it('is replaced when it dies, keeps the inventory, and its running script is ended', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start web');
    daemon.order('start hang 60000');
    await until(() => daemon.callLines.some((line) => line.startsWith('child')), 'the script runs');
    const child = Number(daemon.callLines.find((line) => line.startsWith('child'))?.slice(6));
    process.kill(daemon.guardian, 'SIGKILL');
    const answers = [await daemon.answer(), await daemon.answer()];
    expect(answers).toContainEqual(expect.objectContaining({ lost: true }));
    expect(answers).toContainEqual({ warning: 'The guardian died (SIGKILL). Starting a new one.' });
    await until(() => !isAlive(child), 'the script of the dead guardian is gone');
    expect(await daemon.ask('status web')).toMatchObject({ exitCode: 0 });
    daemon.kill();
    await until(() => daemon.callLines.includes('web stop'), 'the new guardian releases what was held before');
  });

  it('releases what a frozen daemon holds before the deadline of the peers, and tells it when it goes on', async () => {
    const daemon = await Daemon.start();
    for (const name of ['ip', 'web']) await daemon.ask(`start ${name}`);
    const frozenMs = performance.now();
    daemon.process.kill('SIGSTOP');
    await until(() => daemon.callLines.includes('ip stop'), 'it releases');
    const tookMs = performance.now() - frozenMs;
    expect(daemon.callLines.slice(2)).toEqual(['web stop', 'ip stop']);
    // The bound of a deadtime of 2 s is 1.75 s after the last beat, which may have been 50 ms before.
    expect(tookMs).toBeGreaterThan(1_650);
    expect(daemon.logText).toMatch(
      /CRIT: The daemon has not beaten for \d+ ms: it is frozen, .* Releasing what it held: ip web\n/,
    );
    daemon.process.kill('SIGCONT');
    expect(await daemon.answer()).toMatchObject({ seized: expect.any(Number), stuck: [], noted: true });
    // It is still there for what the daemon has to clean up.
    expect(await daemon.ask('stop web')).toMatchObject({ exitCode: 0 });
    daemon.order('bye');
    await until(() => !isAlive(daemon.guardian), 'the guardian leaves');
  });

  it('leaves a daemon alone that is only slow', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start web');
    for (let times = 0; times < 3; times++) {
      daemon.process.kill('SIGSTOP');
      await sleep(700);
      daemon.process.kill('SIGCONT');
      await sleep(150);
    }
    expect(await daemon.ask('status web')).toMatchObject({ exitCode: 0 });
    expect(daemon.callLines).toEqual(['web start', 'web status']);
  });

  it('is tried again when its lock is refused', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start web');
    daemon.order('occupy');
    const said: Record<string, unknown>[] = [];
    while (!said.some((line) => line.lock === 'free')) said.push(await daemon.answer());
    expect(said.map((line) => String(line.warning))).toContainEqual(expect.stringMatching(/earlier run .* still runs/));
    expect(await daemon.ask('status web')).toMatchObject({ exitCode: 0 });
    daemon.kill();
    await until(() => daemon.callLines.includes('web stop'), 'the new guardian releases');
  });

  it('restarts the machine when asked, or when something cannot be stopped and that is wanted', async () => {
    const daemon = await Daemon.start('stuck');
    await daemon.ask('start fails');
    daemon.kill();
    await until(() => daemon.callLines.includes('machine reboot'), 'the machine is restarted');
    const asked = await Daemon.start();
    asked.order('reboot');
    await until(() => asked.callLines.includes('machine reboot'), 'the machine is restarted');
  });

  it('stops nothing after a goodbye', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start web');
    daemon.order('bye');
    await until(() => !isAlive(daemon.guardian), 'the guardian leaves');
    expect(daemon.callLines).toEqual(['web start']);
    expect(daemon.logText).toBe('');
  });

  it('does not let signals take it away while it holds something', async () => {
    const daemon = await Daemon.start();
    await daemon.ask('start web');
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(daemon.guardian, signal);
    expect(await daemon.ask('status web')).toMatchObject({ exitCode: 0 });
    daemon.kill();
    await until(() => daemon.callLines.includes('web stop'), 'it releases');
  });

  it('reboots instead in mode reboot, with the first command that can be started', async () => {
    const daemon = await Daemon.start('reboot');
    await daemon.ask('start web');
    daemon.kill();
    await until(() => !isAlive(daemon.guardian), 'the guardian is done');
    expect(daemon.callLines).toEqual(['web start', 'machine reboot']);
  });

  it('only says what keeps running in mode off', async () => {
    const daemon = await Daemon.start('off');
    await daemon.ask('start web');
    daemon.kill();
    await until(() => !isAlive(daemon.guardian), 'the guardian is done');
    expect(daemon.callLines).toEqual(['web start']);
    expect(daemon.logText).toContain('CRIT: The daemon died. Resources keep running: web');
  });
});
