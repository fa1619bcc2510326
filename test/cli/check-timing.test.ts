/**
 * `check` measures whether the timers of this machine suit a short deadtime, says what it found, and may be told not to.
 */

import * as v from 'valibot';
import { afterEach, expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, removeNodeDirs } from './node-dir.ts';
import { systole } from './systole.ts';

afterEach(removeNodeDirs);

const answer = v.object({
  ok: v.boolean(),
  timing: v.nullable(
    v.object({
      worstMs: v.number(),
      p99Ms: v.number(),
      roomMs: v.number(),
      ok: v.boolean(),
      enoughDeadtimeMs: v.number(),
      durationMs: v.number(),
      realtime: v.nullable(v.object({ granted: v.boolean() })),
    }),
  ),
});

const short = '@keepalive 500us\ndeadtime 1500us\nwarntime 1ms\n';

it('says how late timers came, and for too short a deadtime how long it must be', async () => {
  const dir = await makeNodeDir({ haCf: short });
  const { code, out } = await systole(['check', '--config-dir', dir.configDir]);
  expect(code).toBe(exitCode.ok);
  expect(out).toMatch(
    /(warning|info): timers came up to [\d.]+ ms late in 1\.2 s with (real-time priority \d+|ordinary scheduling): deadtime 1\.5 ms/,
  );
  expect(out.includes('warning: timers')).toBe(/hint: raise deadtime to \d+ms or more/.test(out));
});

it('has the same in JSON', async () => {
  const dir = await makeNodeDir({ haCf: short });
  const { out } = await systole(['check', '--config-dir', dir.configDir, '--json']);
  const { timing } = v.parse(answer, JSON.parse(out));
  expect(timing?.roomMs).toBe(1);
  expect(timing?.worstMs).toBeGreaterThan(0);
  expect(timing?.p99Ms).toBeLessThanOrEqual(timing?.worstMs ?? 0);
  expect(timing?.ok).toBe((timing?.worstMs ?? 0) * 4 <= 1);
});

it('does not measure when it is told not to, nor for times of seconds', async () => {
  const quick = await makeNodeDir({ haCf: short });
  const told = await systole(['check', '--config-dir', quick.configDir, '--no-measure', '--json']);
  expect(v.parse(answer, JSON.parse(told.out)).timing).toBeNull();
  const slow = await makeNodeDir({ haCf: '@keepalive 1\ndeadtime 10\ninitdead 30\n' });
  const usual = await systole(['check', '--config-dir', slow.configDir, '--json']);
  expect(v.parse(answer, JSON.parse(usual.out)).timing).toBeNull();
});
