/** The plugins of conf/samples/plugin, run as their users run them, against a node's client API. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { field } from '../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../runtime/units.ts';
import { NodeDoor } from '../fixtures/api/node-door.ts';
import { eventually } from '../net/lab/wait.ts';

const timeoutMs = 20_000;
const node2 = nodeName('node2');
const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

class Sample implements AsyncDisposable {
  readonly child: ChildProcess;
  output = '';

  constructor(door: NodeDoor, file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(
      process.execPath,
      ['--import', path('test/fixtures/api/resolve-client.mjs'), path(`conf/samples/plugin/${file}`), ...args],
      { env: { ...process.env, ...env, SYSTOLE_CLIENT_SOCKET: door.path }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += String(chunk);
      });
  }

  async says(pattern: RegExp): Promise<void> {
    await eventually(() => pattern.test(this.output), { what: `${pattern} in:\n${this.output}`, timeoutMs });
  }

  async exitCode(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

function die(door: NodeDoor): void {
  door.feed({
    type: 'node-dead',
    node: node2,
    nodeType: 'normal',
    wasHeard: true,
    silentMs: ms(1),
    limitMs: ms(1),
    decidedMs: ms(1),
  });
}

const linkEvent = (status: 'up' | 'dead') =>
  ({ type: 'link-status', node: node2, link: linkName('eth0'), status }) as const;

test('plugin.mjs, the template: shows nodes, greets, tells of a death, ends at SIGTERM', async () => {
  await using door = await NodeDoor.open();
  door.feed({
    type: 'node-status',
    node: node2,
    nodeType: 'normal',
    status: 'active',
    previous: 'init',
    fields: [field('t', 'status')],
  });
  await using plugin = new Sample(door, 'plugin.mjs');
  for (const pattern of [/on node1, holding none/, /node2 is active/, /node1 says: hello from node1/])
    await plugin.says(pattern);
  die(door);
  await plugin.says(/node2 is now dead, and we hold none/);
  plugin.child.kill('SIGTERM');
  expect(await plugin.exitCode()).toBe(0);
  await eventually(() => door.state.connections.size === 0, { what: 'the sign-off', timeoutMs });
});

test('notify-hooks.mjs: every hook for every event, in order, and a hook that hangs is killed', {
  timeout: 90_000,
}, async () => {
  await using door = await NodeDoor.open();
  const directory = mkdtempSync(join(tmpdir(), 'systole-hooks-'));
  try {
    const log = join(directory, 'log');
    const hook = (name: string, body: string, mode = 0o755): void =>
      writeFileSync(join(directory, name), `#!/bin/sh\n${body}\n`, { mode });
    hook('10-slow', `sleep 0.2; echo "slow $*" >> ${log}`);
    hook('20-hangs', `echo "hangs $*" >> ${log}; exec sleep 1000`);
    hook('30-last', `echo "last $* $(cat)" >> ${log}`);
    hook('40-not-executable', 'exit 1', 0o644);
    await using plugin = new Sample(door, 'notify-hooks.mjs', [directory, '4']);
    await plugin.says(/runs what is in/);
    door.feed(linkEvent('dead'));
    die(door);
    const lines = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
    await eventually(() => lines().length === 6, { what: 'six calls', timeoutMs: 60_000 });
    expect(lines()).toEqual([
      'slow link node2 eth0 dead',
      'hangs link node2 eth0 dead',
      'last link node2 eth0 dead {"type":"link","node":"node2","link":"eth0","status":"dead"}',
      'slow node node2 dead',
      'hangs node node2 dead',
      'last node node2 dead {"type":"node","node":"node2","status":"dead"}',
    ]);
    expect(plugin.output).toMatch(/20-hangs: not finished after 4 s: killed/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('quorum.mjs: starts where a ping node answers, refuses where none does or nobody can be asked', async () => {
  await using door = await NodeDoor.open();
  const directory = mkdtempSync(join(tmpdir(), 'systole-quorum-'));
  try {
    const mark = join(directory, 'mark');
    const call = async (action: string): Promise<readonly [number | null, string]> => {
      await using script = new Sample(door, 'quorum.mjs', [action], { QUORUM_MARK: mark });
      return [await script.exitCode(), script.output.trim()];
    };
    expect(await call('start')).toEqual([1, 'no ping node answers: resources are not taken here']);
    expect(await call('status')).toEqual([0, 'stopped']);
    const gateway = nodeName('10.77.0.254');
    door.feed({
      type: 'node-status',
      node: gateway,
      nodeType: 'ping',
      status: 'ping',
      previous: 'init',
      fields: [field('t', 'NS_st')],
    });
    expect(await call('start')).toEqual([0, '']);
    expect(await call('status')).toEqual([0, 'running']);
    expect(await call('stop')).toEqual([0, '']);
    expect(await call('stop')).toEqual([0, '']);
    expect(await call('status')).toEqual([0, 'stopped']);
    await door.server.shutdown();
    expect((await call('start'))[0]).toBe(1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('statsd.mjs: gauges at the start and at each change, counters for changes', async () => {
  await using door = await NodeDoor.open();
  const received: string[] = [];
  const server = createSocket('udp4').on('message', (message) => received.push(...String(message).split('\n')));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await using plugin = new Sample(door, 'statsd.mjs', ['127.0.0.1', String(server.address().port), 'test']);
    await eventually(() => received.includes('test.holding.none:1|g'), { what: 'the first gauges', timeoutMs });
    expect(plugin.output).toBe('');
    expect(received).toContain('test.node.node2.up:0|g');
    expect(received).toContain('test.link.node2.eth0.up:0|g');
    door.feed(linkEvent('up'));
    await eventually(() => received.includes('test.link.node2.eth0.up:1|g'), {
      what: 'the gauge to change',
      timeoutMs,
    });
    expect(received.filter((line) => line === 'test.link.node2.eth0.up:1|c')).toHaveLength(1);
  } finally {
    server.close();
  }
});
