import { expect, it } from 'vitest';
import { ms } from '../../runtime/index.ts';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it('an actor that hangs in native code cannot be killed: an emergency, and no successor beside it', async () => {
  const stuck = misbehaver('stuck', { hangMs: ms(300) });
  const fine = misbehaver('fine');
  await using run = new Run({ children: [stuck, fine], killMs: ms(200) });
  await run.supervisor.start();
  run.supervisor.child(stuck).cast({ type: 'do', deed: 'block' });
  expect(await run.event('emergency')).toMatchObject({ id: 'stuck', cause: 'unkillable', reason: { type: 'hung' } });
  expect(await run.supervisor.killAll()).toEqual({ survivors: ['stuck'] });
  // It waits without running, as a starved thread does, and gets the same patience.
  const starved = ['starved', 'starved', 'starved'];
  expect(run.storyOf('stuck')).toEqual([
    'starting',
    'ready',
    ...starved,
    'dying',
    'restarting',
    'kill-overdue',
    'emergency',
  ]);
  await run.event('exited', (event) => event.id === 'stuck');
});

it('a supervisor that does not run restarts nothing', async () => {
  await using run = new Run({ children: [misbehaver('a')] });
  await expect(run.supervisor.restart('a')).rejects.toMatchObject({ code: 'HB_ACTOR_NOT_RUNNING' });
});
