/** Threads are killed in emergencies, at any moment: that must not be the end of the process before it has said its last words. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

const libcModule = JSON.stringify(new URL('../../runtime/sys/libc.ts', import.meta.url).href);
const watchModule = JSON.stringify(new URL('../../runtime/sys/watch.ts', import.meta.url).href);

/** A thread's program, an ES module as the one around it: watches a timer that goes off all the time, and says so. */
const thread = `
  import { parentPort } from 'node:worker_threads';
  import { libc } from ${libcModule};
  import { watchReadable } from ${watchModule};
  const c = libc();
  const timer = c.timerfd_create(1, 0o4000);
  const spec = new Uint8Array(32);
  for (const offset of [8, 24]) new DataView(spec.buffer).setUint32(offset, 200_000, true);
  c.timerfd_settime(timer, 0, spec, null);
  const buffer = new Uint8Array(8);
  let events = 0;
  watchReadable(timer, () => {
    c.read(timer, buffer, 8);
    events += 1;
    if (events === 10) parentPort.postMessage('busy');
  });
`;

async function killThreads(mainThread: string): Promise<{ code: unknown; signal: unknown; printed: string }> {
  const program = `
    import { Worker } from 'node:worker_threads';
    ${mainThread}
    for (let life = 0; life < 20; life++) {
      const worker = new Worker(${JSON.stringify(thread)}, { eval: true });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
    }
    console.log('alive');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, printed };
}

it.each([
  ['which uses koffi itself', `(await import(${libcModule})).libc();`],
  ['which does not', ''],
])('threads killed while they watch a busy descriptor leave the process alive, %s', async (_which, mainThread) => {
  expect(await killThreads(mainThread)).toEqual({ code: 0, signal: null, printed: 'alive\n' });
});
