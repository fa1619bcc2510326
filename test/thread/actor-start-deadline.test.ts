import { expect, it } from 'vitest';
import { ms } from '../../runtime/index.ts';
import { misbehaver, Run } from '../fixtures/actors/harness.ts';

it.each(['never-finish', 'spin'] as const)(
  'an actor that is never ready (%s) is killed at its deadline',
  async (atStart) => {
    const spec = misbehaver('a', { init: { atStart }, startMs: ms(700), onDeath: 'emergency-shutdown' });
    await using run = new Run({ children: [spec] });
    await expect(run.supervisor.start()).rejects.toMatchObject({
      code: 'HB_ACTOR_START',
      cause: { code: 'HB_ACTOR_START_TIMEOUT' },
    });
    expect(run.storyOf('a')).toEqual(['starting', 'dying', 'start-failed', 'exited']);
  },
);
