import { expect, it } from 'vitest';
import type { AuthKeys } from '../../conf/settings.ts';
import { rehearseDeath, rehearseMembership, rehearseReception } from './rehearsal.ts';

const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'sha1', key: 'rehearsal' }] };

it.each(['classic', 'netstring'] as const)('plays a life and a death with %s messages', (msgfmt) => {
  const { messages, died } = rehearseMembership(keys, msgfmt);
  expect(messages).toBeGreaterThan(400);
  expect(died).toBe(true);
});

it('plays a death alone: of a node that was never heard', () => {
  expect(rehearseDeath()).toBe(true);
});

it.each(['classic', 'netstring'] as const)('reads %s datagrams as a medium does', (format) => {
  expect(rehearseReception(keys, format)).toBeGreaterThan(1_000);
});
