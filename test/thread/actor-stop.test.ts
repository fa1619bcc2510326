import { expect, it } from 'vitest';
import { ms } from '../../runtime/index.ts';
import { Emitted, misbehaver, Run } from '../fixtures/actors/harness.ts';

it('actors are stopped in reverse order, and say their last words', async () => {
  const children = ['a', 'b', 'c'].map((id) => misbehaver(id));
  await using run = new Run({ children });
  const words = children.map((spec) => new Emitted(run, spec));
  await run.supervisor.start();
  expect(await run.supervisor.stop()).toEqual({ survivors: [] });
  const exits = run.events.flatMap((event) => (event.type === 'exited' ? [[event.id, event.reason.type]] : []));
  expect(exits).toEqual([
    ['c', 'shutdown'],
    ['b', 'shutdown'],
    ['a', 'shutdown'],
  ]);
  for (const word of words) expect(await word.count(1)).toEqual([{ type: 'stopping', reason: 'shutdown' }]);
});

it.each(['never-finish', 'spin'] as const)(
  'an actor that refuses to stop (%s) is killed after shutdownMs',
  async (atStop) => {
    const spec = misbehaver('a', { init: { atStop }, shutdownMs: ms(200) });
    await using run = new Run({ children: [spec] });
    await run.supervisor.start();
    expect(await run.supervisor.stop()).toEqual({ survivors: [] });
    expect((await run.event('exited')).reason).toEqual({ type: 'killed' });
  },
);

it('what an actor leaves behind (timers) does not keep its thread after an orderly stop', async () => {
  const spec = misbehaver('a', { init: { atStop: 'stay-up' } });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  await run.supervisor.stop();
  expect((await run.event('exited')).reason).toEqual({ type: 'shutdown' });
});

it('an actor that waits without end in a handler can be killed, not asked', async () => {
  const spec = misbehaver('a', { shutdownMs: ms(200) });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  run.supervisor.child(spec).cast({ type: 'do', deed: 'never-finish' });
  expect(await run.supervisor.stop()).toEqual({ survivors: [] });
});

it('killAll ends everything without asking anybody, also who spins or starts', async () => {
  const spinning = misbehaver('spinning');
  const quiet = misbehaver('quiet');
  await using run = new Run({ children: [spinning, quiet] });
  await run.supervisor.start();
  run.supervisor.child(spinning).cast({ type: 'do', deed: 'spin' });
  const starting = run.supervisor.add(misbehaver('starting', { init: { atStart: 'never-finish' } }));
  expect(await run.supervisor.killAll()).toEqual({ survivors: [] });
  await starting;
  const exits = run.events.flatMap((event) => (event.type === 'exited' ? [event.reason.type] : []));
  expect(exits).toEqual(['killed', 'killed', 'killed']);
  expect(run.events.map((event) => event.type)).not.toContain('stopping');
});

it('a supervisor that was stopped can be started again', async () => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  await run.supervisor.stop();
  await run.supervisor.start();
  expect(await run.supervisor.child(spec).control().describe()).toEqual({ incarnation: 2, echoed: 0 });
});
