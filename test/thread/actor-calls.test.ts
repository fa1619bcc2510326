import { expect, it } from 'vitest';
import { ConfigError } from '../../runtime/errors.ts';
import { ms } from '../../runtime/index.ts';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it('an answer comes back, an error with class, code, details and cause', async () => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  const control = run.supervisor.child(spec).control(ms(10_000));
  expect(await control.describe()).toEqual({ incarnation: 1, echoed: 0 });
  const error: unknown = await control.refuse().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect(error).toMatchObject({ code: 'HB_CONFIG_VALUE', details: { line: 3, hint: 'ask nicely' } });
  expect(Reflect.get(Object(error), 'cause')).toBeInstanceOf(RangeError);
});

it('a call that gets no answer ends at its deadline', async () => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  await expect(run.supervisor.child(spec).control(ms(50)).hang()).rejects.toMatchObject({
    code: 'HB_CALL_TIMEOUT',
    details: { target: 'a', method: 'hang', deadlineMs: 50 },
  });
});

it('calls in flight fail when the actor dies, later ones reach its next life', async () => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  const a = run.supervisor.child(spec);
  const control = a.control(ms(15_000));
  await expect(control.describe()).rejects.toMatchObject({ code: 'HB_ACTOR_NOT_RUNNING' });
  await run.supervisor.start();
  const pending = control.hang();
  a.cast({ type: 'do', deed: 'throw' });
  await expect(pending).rejects.toMatchObject({ code: 'HB_ACTOR_NOT_RUNNING' });
  await run.event('ready', (event) => event.incarnation === 2);
  expect(await control.describe()).toEqual({ incarnation: 2, echoed: 0 });
});
