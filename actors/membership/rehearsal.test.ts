import { expect, it } from 'vitest';
import type { AuthKeys } from '../../conf/settings.ts';
import { rehearseMembership } from './rehearsal.ts';

const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'sha1', key: 'rehearsal' }] };

it.each(['classic', 'netstring'] as const)('plays a life and a death with %s messages', (msgfmt) => {
  const { messages, died } = rehearseMembership(keys, msgfmt);
  expect(messages).toBeGreaterThan(400);
  expect(died).toBe(true);
});

it('plays a short life too: a node that was never heard dies as well', () => {
  expect(rehearseMembership(keys, 'classic', 0)).toMatchObject({ died: true });
});
