import { expect, it } from 'vitest';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it('process.exit in an actor ends its thread only, and is reported with its code', async () => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  run.supervisor.child(spec).cast({ type: 'do', deed: 'process-exit' });
  expect((await run.event('exited')).reason).toEqual({ type: 'exited', exitCode: 7 });
  await run.event('ready', (event) => event.incarnation === 2);
});

it('process.exit during the start is seen too', async () => {
  const spec = misbehaver('a', { init: { atStart: 'process-exit', firstLifeOnly: true } });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  expect(run.storyOf('a')).toEqual(['starting', 'exited', 'restarting', 'starting', 'ready']);
});

it('an actor that ends itself is stopped in good order', async () => {
  const spec = misbehaver('a', { restart: 'transient' });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  const reasons: string[] = [];
  run.supervisor.child(spec).onEmit((event) => {
    if (event.type === 'stopping') reasons.push(event.reason);
  });
  run.supervisor.child(spec).cast({ type: 'do', deed: 'exit-normally' });
  expect((await run.event('exited')).reason).toEqual({ type: 'normal' });
  expect(reasons).toEqual(['normal']);
  expect(run.storyOf('a')).not.toContain('restarting');
});

it('even an orderly end is an emergency where any end is one', async () => {
  const spec = misbehaver('a', { onDeath: 'emergency-shutdown' });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  run.supervisor.child(spec).cast({ type: 'do', deed: 'exit-normally' });
  expect(await run.event('emergency')).toMatchObject({ id: 'a', cause: 'death', reason: { type: 'normal' } });
  await run.event('exited');
  expect(run.storyOf('a')).not.toContain('restarting');
});
