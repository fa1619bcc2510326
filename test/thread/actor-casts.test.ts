import { expect, it } from 'vitest';
import { type ChildSpec, ms } from '../../runtime/index.ts';
import { Emitted, misbehaver, Run } from '../fixtures/actors/harness.ts';
import type { RelayProtocol } from '../fixtures/actors/relay.ts';

function relay(change: Partial<ChildSpec<RelayProtocol>> = {}): ChildSpec<RelayProtocol> {
  const module = new URL('../fixtures/actors/relay.ts', import.meta.url);
  return { id: 'relay', module, init: null, refs: ['echo:*'], controls: ['echo:*'], hangMs: null, ...change };
}

it('casts go from actor to actor in order, also to one that is started later', async () => {
  const target = misbehaver('echo:1');
  await using run = new Run({ children: [relay(), target] });
  const echoes = new Emitted(run, target);
  await run.supervisor.start();
  const values = Array.from({ length: 3000 }, (_, i) => i);
  for (let i = 0; i < values.length; i += 100) {
    run.supervisor.child(relay()).cast({ type: 'send', to: 'echo:1', values: values.slice(i, i + 100) });
    await echoes.count(i + 100);
  }
  expect(echoes.all.map((event) => (event.type === 'echo' ? event.value : event.type))).toEqual(values);
});

it('an actor that was restarted is reached under its old name, with what was held meanwhile', async () => {
  const target = misbehaver('echo:1', { restartDelayMs: ms(100_000) });
  await using run = new Run({ children: [relay(), target] });
  const echoes = new Emitted(run, target);
  const sent = new Emitted(run, relay());
  await run.supervisor.start();
  const handle = run.supervisor.child(relay());
  run.supervisor.child(target).cast({ type: 'do', deed: 'throw' });
  await run.event('exited');
  const control = handle.control(ms(10_000));
  while ((await control.targets('echo:')).some(({ up }) => up));
  handle.cast({ type: 'send', to: 'echo:1', values: [1, 2, 3] });
  expect(await sent.count(1)).toEqual([{ type: 'sent', accepted: [true, true, true] }]);
  await run.supervisor.restart('echo:1');
  expect(await echoes.count(3)).toEqual([1, 2, 3].map((value) => ({ type: 'echo', value, incarnation: 2 })));
  expect(await control.ask('echo:1')).toEqual({ incarnation: 2, echoed: 3 });
});

it('an actor that was restarted itself reaches the others again', async () => {
  const target = misbehaver('echo:1');
  await using run = new Run({ children: [relay(), target] });
  const echoes = new Emitted(run, target);
  await run.supervisor.start();
  await run.supervisor.restart('relay');
  run.supervisor.child(relay()).cast({ type: 'send', to: 'echo:1', values: [5] });
  expect(await echoes.count(1)).toEqual([{ type: 'echo', value: 5, incarnation: 1 }]);
});

it('casts to an actor that is down follow the overflow policy and are counted', async () => {
  const target = misbehaver('echo:1', {
    init: { atStart: 'throw', firstLifeOnly: true },
    mailbox: { held: 2, overflow: { echo: 'drop-newest' } },
    restartDelayMs: ms(100_000),
    whenGivenUp: 'ignore',
  });
  await using run = new Run({ children: [relay(), target] });
  const sent = new Emitted(run, relay());
  await run.supervisor.start();
  run.supervisor.child(relay()).cast({ type: 'send', to: 'echo:1', values: [1, 2, 3, 4] });
  expect(await sent.count(1)).toEqual([{ type: 'sent', accepted: [true, true, false, false] }]);
  const lane = run.supervisor.describe().lanes.find(({ from, to }) => from === 'relay' && to === 'echo:1');
  expect(lane).toMatchObject({ held: 2, dropped: 2, sent: 0 });
});

it('a full mailbox whose messages must not be dropped fails the sender', async () => {
  const target = misbehaver('echo:1', { mailbox: { capacity: 4, held: 1, otherwise: 'fail' } });
  await using run = new Run({ children: [relay({ restart: 'temporary' }), target] });
  await run.supervisor.start();
  run.supervisor.child(target).cast({ type: 'do', deed: 'never-finish' });
  run.supervisor.child(relay()).cast({ type: 'send', to: 'echo:1', values: [1, 2, 3, 4, 5, 6] });
  expect((await run.event('exited')).reason).toMatchObject({
    type: 'crashed',
    error: { code: 'HB_ACTOR_MAILBOX_FULL', details: { actor: 'echo:1', type: 'echo' } },
  });
});

it('actors that are added and removed appear and vanish among the references of the others', async () => {
  await using run = new Run({ children: [relay()] });
  await run.supervisor.start();
  const control = run.supervisor.child(relay()).control(ms(10_000));
  const target = misbehaver('echo:2');
  await run.supervisor.add(target);
  const echoes = new Emitted(run, target);
  expect(await control.targets('echo:')).toEqual([{ id: 'echo:2', up: true }]);
  run.supervisor.child(relay()).cast({ type: 'send-all', prefix: 'echo:', value: 9 });
  expect(await echoes.count(1)).toEqual([{ type: 'echo', value: 9, incarnation: 1 }]);
  await run.supervisor.remove('echo:2');
  expect(await control.targets('echo:')).toEqual([]);
});

it('a reference that was not wired is an error that names the remedy', async () => {
  await using run = new Run({ children: [relay({ restart: 'temporary' }), misbehaver('other')] });
  await run.supervisor.start();
  run.supervisor.child(relay()).cast({ type: 'send', to: 'other', values: [1] });
  expect((await run.event('exited')).reason).toMatchObject({ error: { code: 'HB_ACTOR_NOT_WIRED' } });
});
