import { expect, it } from 'vitest';
import { sibling } from './module-url.ts';

it.each([
  ['file:///opt/systole/actors/mcp.ts', './medium.ts', 'file:///opt/systole/actors/medium.ts'],
  ['file:///opt/systole/actors/mcp.js', './medium.ts', 'file:///opt/systole/actors/medium.js'],
  ['file:///opt/systole/runtime/bin/systole.js', '../entry.ts', 'file:///opt/systole/runtime/entry.js'],
  ['file:///opt/a.js/mcp.ts?v=1', './medium.ts', 'file:///opt/a.js/medium.ts'],
] as const)('beside %s, %s is %s', (base, path, expected) => {
  expect(sibling(base, path).href).toBe(expected);
});
