import { expect, it } from 'vitest';
import type { AuthKeys } from '../../conf/settings.ts';
import { rehearseMembership } from './rehearsal.ts';

const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'sha1', key: 'rehearsal' }] };

it.each(['classic', 'netstring'] as const)('plays to the end with %s messages, and leaves nothing behind', (msgfmt) => {
  const before = JSON.stringify(keys);
  expect(() => rehearseMembership(keys, msgfmt)).not.toThrow();
  expect(JSON.stringify(keys)).toBe(before);
});
