import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { expect, it } from 'vitest';

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

function start(mode: 'hang' | 'live', mcpHangMs: number, hangMs: number): Process {
  const script = new URL('../fixtures/actors/hung-main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, mode, `${mcpHangMs}`, `${hangMs}`], { stdio: 'pipe' });
  child.stderr.setEncoding('utf8');
  return child;
}

/** Reads the process's lines until one says that type; gives the types seen. */
async function until(lines: AsyncIterator<string>, type: string): Promise<readonly string[]> {
  const seen: string[] = [];
  while (seen.at(-1) !== type) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`no "${type}"; there were ${seen.join(', ')}`);
    seen.push(String(JSON.parse(value).type));
  }
  return seen;
}

it('when the main thread hangs, an actor says so and ends the process', async () => {
  const child = start('hang', 500, 10_000);
  let words = '';
  child.stderr.on('data', (text: string) => {
    words += text;
  });
  const [code, signal] = await once(child, 'close');
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
  expect(words).toMatch(/^systole: main thread hung for \d+ ms: killing process \d+$/m);
});

it('a process that was stopped as a whole and continued blames nobody', async () => {
  const child = start('live', 600, 400);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await until(lines, 'up');
  for (let i = 0; i < 3; i += 1) {
    child.kill('SIGSTOP');
    // Longer than every window: this is the case, not a wait for something.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGCONT');
    const seen = await until(lines, 'stalled');
    expect(seen).toEqual(['stalled']);
  }
  child.stdin.end();
  expect(await until(lines, 'stopped')).toEqual(['stopping', 'exited', 'stopped']);
  expect(await once(child, 'close')).toEqual([0, null]);
});
