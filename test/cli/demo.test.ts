/** `systole demo`: two nodes, one is killed, the other serves; and nothing is left on the machine, however it ends. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { until } from './node-dir.ts';
import { finished, spawnSystole, systole } from './systole.ts';

interface Line {
  readonly who: string;
  readonly text: string;
  readonly failover?: {
    readonly killed: string;
    readonly servedBy: string | null;
    readonly detectionMs: number | null;
    readonly takeoverMs: number | null;
    readonly deadtimeMs: number;
    readonly limitMs: number | null;
  };
}

const linesOf = (out: string): Line[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line));

/** Processes that work in a demo's directory. */
function demoProcesses(dir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(dir);
      } catch {
        return false;
      }
    });
}

const dirOf = (lines: readonly Line[]): string =>
  lines.map(({ text }) => /configuration and logs: (\S+)/.exec(text)?.[1]).find((dir) => dir !== undefined) ?? '';

it('fails over by itself, tells the times, ends with 0 and leaves nothing', { timeout: 90_000 }, async () => {
  const { code, out, err } = await systole(['demo', '--kill-after', '200ms', '--exit-after-failover', '--json'], {
    deadlineMs: 80_000,
  });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const lines = linesOf(out);
  const report = lines.find((line) => line.failover !== undefined)?.failover;
  expect(report).toMatchObject({ killed: 'alpha', servedBy: 'beta', deadtimeMs: 500 });
  // Nobody may decide before the limit; how much later depends on the machine, and is measured by bench/.
  expect(report?.detectionMs).toBeGreaterThan((report?.limitMs ?? 0) - 250);
  expect(report?.takeoverMs).toBeGreaterThan(report?.detectionMs ?? Number.POSITIVE_INFINITY);
  const dir = dirOf(lines);
  expect(dir).not.toBe('');
  expect(demoProcesses(dir)).toEqual([]);
  expect(() => readdirSync(dir)).toThrow('ENOENT');
});

it.each([['SIGINT'], ['SIGHUP']] as const)('stops both nodes on %s', { timeout: 90_000 }, async (signal) => {
  const child = spawnSystole(['demo', '--json']);
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const end = finished(child, 80_000);
  await until(() => out.includes('configuration and logs'), 60_000, 'the service to answer');
  child.kill(signal);
  expect((await end).code).toBe(0);
  const dir = dirOf(linesOf(out));
  expect(demoProcesses(dir)).toEqual([]);
  expect(() => readdirSync(dir)).toThrow('ENOENT');
});
