import { expect, it } from 'vitest';
import { rehearseTakeover } from './rehearsal.ts';

it('takes the address over every time, in play', async () => {
  const rules = { autoFailback: 'on', configDir: '/etc/ha.d' } as const;
  expect(await rehearseTakeover(rules, 60)).toEqual({ taken: 60 });
});
