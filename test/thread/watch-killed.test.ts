/** A thread that is killed while it watches a descriptor must not take the process with it, also where no other thread uses koffi. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

const libcModule = JSON.stringify(new URL('../../runtime/sys/libc.ts', import.meta.url).href);
/** The thread's own program; it is an ES module, as the one around it. */
const thread = `
  import { parentPort } from 'node:worker_threads';
  import { libc, watchReadable } from ${libcModule};
  watchReadable(libc().socket(2, 2, 0), () => {});
  parentPort.postMessage('watching');
`;
const program = `
  import { Worker } from 'node:worker_threads';
  for (let life = 0; life < 3; life++) {
    const worker = new Worker(${JSON.stringify(thread)}, { eval: true });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
  console.log('alive');
`;

it('the process outlives a killed thread that watched a descriptor', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const [code, signal] = await once(child, 'close');
  expect({ code, signal, printed }).toEqual({ code: 0, signal: null, printed: 'alive\n' });
});
