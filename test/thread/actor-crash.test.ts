import { expect, it } from 'vitest';
import { ConfigError } from '../../runtime/errors.ts';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';
import type { Deed } from '../fixtures/actors/misbehaver.ts';

const crashes: readonly (readonly [Deed, string])[] = [
  ['reject', 'rejected on command'],
  ['throw-later', 'thrown on a timer'],
  ['fail', 'failed on command'],
];

it.each(crashes)('an actor that does "%s" crashes with its error and is restarted', async (deed, message) => {
  const spec = misbehaver('a');
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  run.supervisor.child(spec).cast({ type: 'do', deed });
  const { reason } = await run.event('exited');
  expect(reason).toMatchObject({ type: 'crashed', error: { message } });
  expect(await run.event('ready', (event) => event.incarnation === 2)).toBeDefined();
  expect(run.storyOf('a')).toEqual(['starting', 'ready', 'dying', 'restarting', 'exited', 'starting', 'ready']);
});

it('the error of a crash keeps class, code, details and cause on its way', async () => {
  const spec = misbehaver('a', { restart: 'temporary' });
  await using run = new Run({ children: [spec] });
  await run.supervisor.start();
  run.supervisor.child(spec).cast({ type: 'do', deed: 'throw' });
  const { reason } = await run.event('exited');
  if (reason.type !== 'crashed') expect.unreachable(reason.type);
  expect(reason.error).toBeInstanceOf(ConfigError);
  expect(reason.error).toMatchObject({ code: 'HB_CONFIG_VALUE', details: { line: 7 } });
  expect(reason.error.cause).toBeInstanceOf(RangeError);
});

it('a crash in the first start takes the start back and names the cause', async () => {
  const fatal = { onDeath: 'emergency-shutdown' } as const;
  const children = [misbehaver('a', fatal), misbehaver('b', { ...fatal, init: { atStart: 'throw' } })];
  await using run = new Run({ children });
  await expect(run.supervisor.start()).rejects.toMatchObject({
    code: 'HB_ACTOR_START',
    details: { actor: 'b' },
    cause: { code: 'HB_CONFIG_VALUE' },
  });
  expect(run.storyOf('a')).toEqual(['starting', 'ready', 'stopping', 'exited']);
});

it('a module that is no actor, or is not there, is an error of the start', async () => {
  for (const path of ['../fixtures/actors/harness.ts', '../fixtures/actors/absent.ts']) {
    const spec = misbehaver('a', { module: new URL(path, import.meta.url), onDeath: 'emergency-shutdown' });
    await using run = new Run({ children: [spec] });
    await expect(run.supervisor.start()).rejects.toMatchObject({ cause: { code: 'HB_ACTOR_MODULE' } });
  }
});
