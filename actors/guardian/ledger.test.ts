import { expect, it } from 'vitest';
import { Heart, ledgerBytes, openHeart } from '../heart.ts';
import { Ledger } from './ledger.ts';

it('is the same for both ends, lies behind the heart board, and is empty when it was passed on', () => {
  const fd = openHeart();
  const heart = new Heart(fd);
  const [daemon, guardian] = [new Ledger(fd), new Ledger(fd)];
  expect(guardian.read()).toBe('');
  heart.beat('membership');
  expect([daemon.note('{"a":1}\n'), daemon.note('{"b":"é"}\n')]).toEqual([true, true]);
  heart.beat('mcp');
  expect(guardian.read()).toBe('{"a":1}\n{"b":"é"}\n');
  expect(heart.read().phase).toBe('starting');
  daemon.clear();
  expect(guardian.read()).toBe('');
  expect(daemon.note('again')).toBe(true);
  expect(guardian.read()).toBe('again');
});

it('takes a note as a whole or not at all', () => {
  const ledger = new Ledger(openHeart());
  expect(ledger.note('x'.repeat(ledgerBytes - 20))).toBe(true);
  expect(ledger.note('y'.repeat(17))).toBe(false);
  expect(ledger.read()).toBe('x'.repeat(ledgerBytes - 20));
  expect(ledger.note('y'.repeat(16))).toBe(true);
});
