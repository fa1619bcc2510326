import { spawnSync } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Heart, openHeart } from './heart.ts';

let fd = -1;
beforeEach(() => {
  fd = openHeart();
});
afterEach(() => closeSync(fd));

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

it('is empty at first, and keeps each note apart from the others', () => {
  const heart = new Heart(fd);
  expect(heart.read()).toEqual({ membershipMs: null, mcpMs: null, phase: 'starting', seizedMs: null });
  const fromMs = nowMs();
  heart.beat('membership');
  heart.enter('running');
  const view = new Heart(fd).read();
  expect(view).toMatchObject({ mcpMs: null, phase: 'running', seizedMs: null });
  expect(view.membershipMs).toBeGreaterThanOrEqual(fromMs);
  expect(view.membershipMs).toBeLessThanOrEqual(nowMs());
  heart.beat('mcp');
  heart.seize();
  heart.enter('released');
  const later = heart.read();
  expect(later).toMatchObject({ membershipMs: view.membershipMs, phase: 'released' });
  expect([later.mcpMs, later.seizedMs]).toEqual([expect.any(Number), expect.any(Number)]);
});

it('is seen by a process that inherits it, on the same clock, and by no other program', () => {
  const heart = new Heart(fd);
  heart.beat('membership');
  const child = (stdio: ('pipe' | number)[]) => spawnSync('head', ['-c', '8', '/proc/self/fd/3'], { stdio });
  const { stdout } = child(['pipe', 'pipe', 'pipe', fd]);
  expect(Number(stdout.readBigInt64LE()) / 1e6).toBe(heart.read().membershipMs);
  expect(child(['pipe', 'pipe', 'pipe']).status).not.toBe(0);
  expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')).toMatch(/^flags:\s+02\d{6}$/m);
});
