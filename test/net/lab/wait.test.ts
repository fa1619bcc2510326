import { expect, test } from 'vitest';
import { eventually, WaitTimeoutError, within } from './wait.ts';

test('eventually returns the first thing that is there', async () => {
  const answers = [undefined, null, false, 0];
  expect(await eventually(() => answers.shift(), { what: 'a number', intervalMs: 1 })).toBe(0);
  expect(answers).toEqual([]);
});

test('eventually looks again after an error, and tells the last one at the deadline', async () => {
  const waiting = eventually(() => Promise.reject(new Error('the door is shut')), {
    what: 'an open door',
    timeoutMs: 20,
    intervalMs: 1,
  });
  await expect(waiting).rejects.toThrow(WaitTimeoutError);
  await expect(waiting).rejects.toThrow('not within 20 ms: an open door (last: the door is shut)');
});

test('eventually looks once more after a look that outlasted the deadline', async () => {
  let looks = 0;
  const look = async (): Promise<boolean> => {
    looks += 1;
    const untilMs = performance.now() + 30;
    if (looks > 1) return true;
    while (performance.now() < untilMs); // a stalled machine
    return false;
  };
  expect(await eventually(look, { what: 'the second look', timeoutMs: 10 })).toBe(true);
});

test('within gives the value, the error, or the deadline', async () => {
  expect(await within(Promise.resolve(7), 1_000, 'seven')).toBe(7);
  await expect(within(Promise.reject(new Error('no')), 1_000, 'seven')).rejects.toThrow('no');
  const { promise } = Promise.withResolvers<never>();
  await expect(within(promise, 5, 'nothing')).rejects.toThrow('not within 5 ms: nothing');
});
