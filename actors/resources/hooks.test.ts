import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AgentCommand } from '../../plugins/agents/agent.ts';
import { field } from '../../runtime/message/message.ts';
import { Hooks } from './hooks.ts';

let configDir = '';
beforeEach(() => {
  configDir = mkdtempSync(join(tmpdir(), 'hooks-'));
});
afterEach(() => rmSync(configDir, { recursive: true, force: true }));

function script(name: string, mode = 0o755): void {
  mkdirSync(join(configDir, 'rc.d', name, '..'), { recursive: true });
  writeFileSync(join(configDir, 'rc.d', name), '#!/bin/sh\n');
  chmodSync(join(configDir, 'rc.d', name), mode);
}

interface Bench {
  readonly hooks: Hooks;
  readonly lines: string[];
  /** Scripts that run now, with what ends each. */
  readonly running: { readonly command: AgentCommand; readonly end: () => void }[];
  /** Resolves when so many scripts were started. */
  started(count: number): Promise<void>;
}

function bench(): Bench {
  const lines: string[] = [];
  const running: { command: AgentCommand; end: () => void }[] = [];
  let waiting: { count: number; resolve: () => void } | null = null;
  const hooks = new Hooks({
    configDir,
    surroundings: () => ({ environment: {}, configDir, stateDir: '/s', ownStatus: 'up', autoFailback: 'on' }),
    run: (command) =>
      new Promise((resolve) => {
        running.push({ command, end: () => resolve({ exitCode: 0, output: '', timedOut: false, durationMs: 1 }) });
        if (waiting !== null && running.length >= waiting.count) waiting.resolve();
      }),
    log: (_severity, text) => lines.push(text),
    broken: (error) => {
      throw error;
    },
  });
  const started = (count: number): Promise<void> =>
    new Promise((resolve) => {
      if (running.length >= count) resolve();
      else waiting = { count, resolve };
    });
  return { hooks, lines, running, started };
}

const event = (type: string): { type: string; fields: ReturnType<typeof field>[] } => ({
  type,
  fields: [field('t', type)],
});

it('runs one script at a time, those of TYPE.d behind it in the order of their names', async () => {
  for (const name of ['mymsg', 'mymsg.d/20-b', 'mymsg.d/10-a']) script(name);
  script('mymsg.d/15-not-executable', 0o644);
  const { hooks, lines, running, started } = bench();
  hooks.offer(event('mymsg'));
  hooks.offer(event('mymsg'));
  for (let count = 1; count <= 6; count++) {
    await started(count);
    expect(running).toHaveLength(count);
    running.at(-1)?.end();
  }
  const rcDir = `${configDir}//rc.d`;
  const round = [`${rcDir}/mymsg`, `${rcDir}/mymsg.d/10-a`, `${rcDir}/mymsg.d/20-b`];
  expect(running.map(({ command }) => command.path)).toEqual([...round, ...round]);
  expect(running.every(({ command }) => command.args.join() === 'mymsg')).toBe(true);
  expect(lines[0]).toBe(`info: Running ${rcDir}/mymsg mymsg`);
});

it('leaves the shipped scripts alone, but not the hooks beside them', async () => {
  for (const name of ['status', 'hb_takeover', 'status.d/mail']) script(name);
  const { hooks, running, started } = bench();
  hooks.offer(event('hb_takeover'));
  hooks.offer(event('status'));
  await started(1);
  expect(running.map(({ command }) => command.path)).toEqual([`${configDir}//rc.d/status.d/mail`]);
});

it('does nothing without rc.d', async () => {
  const { hooks, lines } = bench();
  hooks.offer(event('mymsg'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual([]);
});

it('loses events, and says so once, when a script hangs', async () => {
  script('mymsg');
  const { hooks, lines, started } = bench();
  for (let count = 0; count < 300; count++) hooks.offer(event('mymsg'));
  await started(1);
  expect(lines.filter((line) => line.includes('later ones are lost'))).toHaveLength(1);
});
