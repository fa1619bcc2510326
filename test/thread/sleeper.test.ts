/** Threads that sleep by themselves: everything that wakes a thread of Node still wakes them, and timers are not early. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';

const moduleUrl = (path: string): string => JSON.stringify(new URL(`../../runtime/${path}`, import.meta.url).href);

const workers: Worker[] = [];

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
});

/** Runs a program in a thread that sleeps by itself; gives what it says first. */
function inSleepingThread(program: string): { readonly worker: Worker; readonly said: Promise<unknown> } {
  const worker = new Worker(
    `
    import { parentPort } from 'node:worker_threads';
    import { sleepByOurselves, sleeperOfThread } from ${moduleUrl('sys/sleeper.ts')};
    import { SystemClock } from ${moduleUrl('clock.ts')};
    import { watchReadable } from ${moduleUrl('sys/watch.ts')};
    import { libc } from ${moduleUrl('sys/libc.ts')};
    await sleepByOurselves();
    if (sleeperOfThread() === null) throw new Error('this thread does not sleep by itself');
    const clock = new SystemClock();
    const say = (message) => parentPort.postMessage(message);
    ${program}
    `,
    { eval: true },
  );
  workers.push(worker);
  return {
    worker,
    said: Promise.race([
      once(worker, 'message').then(([message]: unknown[]) => message),
      once(worker, 'error').then(([error]) => Promise.reject(error)),
    ]),
  };
}

it('timers of all accuracies fire in their order and never early; one that was taken back does not', async () => {
  const { said } = inSleepingThread(`
    const startMs = clock.now();
    const fired = [];
    const note = (name, atMs) => () => fired.push([name, clock.now() >= atMs]);
    for (const [name, afterMs, accuracy] of [['c', 30, 'coarse'], ['a', 3, 'exact'], ['b', 3.2, 'precise'], ['d', 45, 'precise']])
      clock.setTimer(startMs + afterMs, note(name, startMs + afterMs), { accuracy });
    clock.setTimer(startMs + 20, note('never', 0)).cancel();
    clock.setTimer(startMs + 60, () => say(fired), { accuracy: 'exact', awakeMs: 5 });
  `);
  expect(await said).toEqual([
    ['a', true],
    ['b', true],
    ['c', true],
    ['d', true],
  ]);
});

it('what Node does goes on: immediates, promises, its own timers, files, while one timer is far away', async () => {
  const { said } = inSleepingThread(`
    import { readFile } from 'node:fs/promises';
    clock.setTimer(clock.now() + 60_000, () => undefined);
    const steps = [];
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    steps.push('immediates');
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    steps.push('timers');
    if ((await readFile('/proc/self/comm', 'utf8')).length > 0) steps.push('files');
    say(steps);
  `);
  expect(await said).toEqual(['immediates', 'timers', 'files']);
});

it('a message wakes it, and it can be ended in its sleep', async () => {
  const { worker, said } = inSleepingThread(`
    parentPort.on('message', (number) => say(number + 1));
    say('asleep');
  `);
  expect(await said).toBe('asleep');
  for (const number of [1, 20, 300]) {
    worker.postMessage(number, []);
    expect(await once(worker, 'message')).toEqual([number + 1]);
  }
  // Without the wake-up it would end only after its longest sleep.
  expect(await worker.terminate()).toBe(1);
});

it('watches descriptors until they are closed, also behind its back', async () => {
  const { said } = inSleepingThread(`
    import { closeSync } from 'node:fs';
    const c = libc();
    const timer = (everyMs) => {
      const fd = c.timerfd_create(1, 0o4000);
      const spec = new BigInt64Array([0n, BigInt(everyMs) * 1_000_000n, 0n, BigInt(everyMs) * 1_000_000n]);
      c.timerfd_settime(fd, 0, new Uint8Array(spec.buffer), null);
      return fd;
    };
    const buffer = new Uint8Array(8);
    const counts = [0, 0];
    const [first, second] = [timer(1), timer(1)];
    const watch = watchReadable(first, () => {
      c.read(first, buffer, 8);
      counts[0] += 1;
      if (counts[0] === 5) watch.close();
    });
    watchReadable(second, () => {
      c.read(second, buffer, 8);
      counts[1] += 1;
      if (counts[1] === 10) closeSync(second);
    });
    let sleeps = 0;
    const look = () => {
      sleeps += 1;
      if (counts[1] < 10) clock.setTimer(clock.now() + 5, look);
      else clock.setTimer(clock.now() + 20, () => say({ counts, spinning: sleeps > 10_000 }));
    };
    look();
  `);
  expect(await said).toEqual({ counts: [5, 10], spinning: false });
});

it('an error in a timer or a watch is the thread’s own, and ends it as any', async () => {
  const { said } = inSleepingThread(`clock.setTimer(clock.now() + 1, () => { throw new Error('on purpose'); });`);
  await expect(said).rejects.toThrow('on purpose');
});
