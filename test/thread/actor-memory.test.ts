import { expect, it } from 'vitest';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it('an actor that leaks ends alone, out of memory', async () => {
  const leaky = misbehaver('leaky', { resourceLimits: { maxOldGenerationSizeMb: 24 } });
  const fine = misbehaver('fine');
  await using run = new Run({ children: [leaky, fine] });
  await run.supervisor.start();
  run.supervisor.child(leaky).cast({ type: 'do', deed: 'leak' });
  expect((await run.event('exited')).reason).toEqual({ type: 'out-of-memory' });
  await run.event('ready', (event) => event.id === 'leaky' && event.incarnation === 2);
  expect(await run.supervisor.child(fine).control().describe()).toEqual({ incarnation: 1, echoed: 0 });
});
