import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AgentResult } from './agent.ts';
import { commandLine, commandOf, isFinal, textVerdict, verdictOf } from './programs.ts';

const recorded = readFileSync(new URL('../../test/corpus/resource-manager/status-words.txt', import.meta.url), 'utf8');
const cases = [...recorded.matchAll(/^output=\[(.*)\] script exit=(\d) -> status rc=(\d)$/gm)].map(
  ([, output = '', exit = '', rc = '']) => ({ output, exitCode: Number(exit), held: rc === '0' }),
);

describe('textVerdict', () => {
  it('has the whole recording', () => {
    expect(cases).toHaveLength(22);
  });

  it.each(cases)('judges "$output", exit $exitCode, as Heartbeat does: $held', ({ output, exitCode, held }) => {
    expect(textVerdict({ output, exitCode, timedOut: false }) === 'held').toBe(held);
  });

  it.each([
    ['a silent LSB script that exits 0', { output: '', exitCode: 0, timedOut: false }, 'perhaps'],
    ['a silent LSB script that exits 3', { output: '\n', exitCode: 3, timedOut: false }, 'not-held'],
    ['one that did not answer', { output: 'running', exitCode: 143, timedOut: true }, 'perhaps'],
    ['words on several lines', { output: 'is not\nreally running', exitCode: 0, timedOut: false }, 'held'],
    ['a blank, then a later line', { output: 'not \nrunning', exitCode: 0, timedOut: false }, 'not-held'],
  ] as const)('knows %s', (_name, result, verdict) => {
    expect(textVerdict(result)).toBe(verdict);
  });
});

const said = (exitCode: number, output = ''): Pick<AgentResult, 'exitCode' | 'output' | 'timedOut'> => ({
  exitCode,
  output,
  timedOut: false,
});

describe('verdictOf', () => {
  it.each([
    ['lsb', said(0, 'web is running'), 'held'],
    ['lsb', said(3, 'web is not running'), 'not-held'],
    ['lsb', said(0, 'web (pid 12) is up'), 'perhaps'],
    ['lsb', said(0, 'web is stopped'), 'not-held'],
    ['lsb', said(0, 'Usage: web {start|stop}'), 'not-held'],
    ['lsb', said(3, 'web: no process'), 'not-held'],
    ['lsb', said(0), 'perhaps'],
    ['lsb', said(1), 'not-held'],
    ['resource.d', said(0, 'web (pid 12) is up'), 'not-held'],
    ['ocf', said(0), 'held'],
    ['ocf', said(7, 'running'), 'not-held'],
    ['ocf', said(8), 'held'],
    ['ocf', said(9), 'held'],
    ['ocf', said(1, 'is running'), 'perhaps'],
    ['ocf', said(2), 'not-held'],
    ['ocf', said(4), 'perhaps'],
    ['ocf', said(5), 'not-held'],
    ['ocf', said(6), 'not-held'],
    ['systemd', said(0, 'active\n'), 'held'],
    ['systemd', said(3, 'inactive\n'), 'not-held'],
    ['systemd', said(3, 'failed\n'), 'not-held'],
    ['systemd', said(4, 'unknown\n'), 'not-held'],
    ['systemd', said(3, 'activating\n'), 'perhaps'],
    ['systemd', said(3, 'deactivating\n'), 'perhaps'],
    ['systemd', said(1, 'Failed to connect to bus: No such file or directory\n'), 'perhaps'],
  ] as const)('%s that says %j: %s', (agent, result, verdict) => {
    expect(verdictOf({ agent }, result)).toBe(verdict);
  });

  it('learns nothing from a status that hangs', () => {
    for (const agent of ['lsb', 'ocf', 'systemd', 'resource.d'] as const)
      expect(verdictOf({ agent }, { exitCode: 0, output: 'running', timedOut: true })).toBe('perhaps');
  });
});

it('tells failures that will not pass by themselves', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8].filter((exitCode) => isFinal({ agent: 'ocf' }, { exitCode }))).toEqual([
    2, 3, 4, 5, 6,
  ]);
  expect(isFinal({ agent: 'lsb' }, { exitCode: 5 })).toBe(false);
});

describe('commandOf', () => {
  it.each([
    ['resource.d', ['a', 'b'], 'start', ['a', 'b', 'start']],
    ['resource.d', [], 'status', ['status']],
    ['lsb', [], 'stop', ['stop']],
    ['ocf', [], 'start', ['start']],
    ['ocf', [], 'status', ['monitor']],
    ['systemd', ['web.service'], 'start', ['start', 'web.service']],
    ['systemd', ['web.service'], 'status', ['is-active', 'web.service']],
  ] as const)('%s %j %s', (agent, args, action, expected) => {
    expect(commandOf({ agent, path: '/x', args }, action)).toEqual({ path: '/x', args: expected });
  });

  it('keeps the parameters of an OCF agent out of the log', () => {
    const environment = { OCF_RESOURCE_INSTANCE: 'fence_1', OCF_RESKEY_passwd: 'secret' };
    const program = { agent: 'ocf', path: '/ocf/fence', args: [], environment } as const;
    expect(commandOf(program, 'start').environment).toBe(environment);
    expect(commandLine(program, 'start')).toBe('/ocf/fence start (fence_1)');
  });
});
