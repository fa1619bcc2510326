import { expect, test } from 'vitest';
import { DeathLog } from './deaths.core.ts';

test('packets of one declaration are one death; each node counts for itself', () => {
  const log = new DeathLog(1_000, 100);
  log.declared('survivor', 2_000, 1_980);
  log.declared('survivor', 2_050, 1_980);
  log.declared('survivor', 2_140, 1_980);
  log.declared('victim', 2_050, null);
  log.declared('survivor', 2_241, 2_200);
  expect(log.deaths).toEqual([
    { atMs: 1_000, by: 'survivor', silentMs: 20 },
    { atMs: 1_050, by: 'victim', silentMs: null },
    { atMs: 1_241, by: 'survivor', silentMs: 41 },
  ]);
  expect([log.count('survivor'), log.count('victim')]).toEqual([2, 1]);
});
