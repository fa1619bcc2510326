import { expect, it } from 'vitest';
import { ms } from '../../runtime/index.ts';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it.each(['spin', 'mute'] as const)(
  'an actor whose event loop stands still (%s) is hung, killed and restarted',
  async (deed) => {
    const hung = misbehaver('hung', { hangMs: ms(400) });
    const fine = misbehaver('fine', { hangMs: ms(400) });
    await using run = new Run({ children: [hung, fine] });
    await run.supervisor.start();
    run.supervisor.child(hung).cast({ type: 'do', deed });
    const { reason } = await run.event('dying');
    if (reason.type !== 'hung') expect.unreachable(reason.type);
    expect(reason.silentMs).toBeGreaterThanOrEqual(400);
    await run.event('exited', (event) => event.id === 'hung' && event.reason.type === 'hung');
    await run.event('ready', (event) => event.id === 'hung' && event.incarnation === 2);
    expect(run.storyOf('fine')).toEqual(['starting', 'ready']);
  },
);

it('an actor that waits without end for something asynchronous is alive, and can still be asked', async () => {
  const spec = misbehaver('a', { hangMs: ms(300) });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  const a = run.supervisor.child(spec);
  a.cast({ type: 'do', deed: 'never-finish' });
  a.cast({ type: 'echo', value: 1 });
  for (let i = 0; i < 5; i += 1) {
    expect(await a.control(ms(10_000)).describe()).toEqual({ incarnation: 1, echoed: 0 });
  }
  expect(run.storyOf('a')).toEqual(['starting', 'ready']);
});
