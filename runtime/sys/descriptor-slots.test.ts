import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createDescriptorSlots, DescriptorSlots } from './descriptor-slots.ts';

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

it('closes what an earlier incarnation has left, once, and nothing else', () => {
  const memory = createDescriptorSlots(3);
  const first = new DescriptorSlots(memory);
  const left = openSync('/dev/null', 'r');
  const closed = openSync('/dev/null', 'r');
  first.note(0, left);
  first.note(2, closed);
  first.forget(2);

  const second = new DescriptorSlots(memory);
  expect(second.closeLeftovers()).toBe(1);
  expect([left, closed].map(isOpen)).toEqual([false, true]);
  expect(second.closeLeftovers()).toBe(0);
  closeSync(closed);
});

it('knows descriptor 0 from an empty slot', () => {
  const memory = createDescriptorSlots(1);
  new DescriptorSlots(memory).note(0, 0);
  expect(new Int32Array(memory)[0]).not.toBe(0);
});
