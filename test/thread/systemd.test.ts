/**
 * systemd units as the engine runs them, with a stand-in for `systemctl`: a real program with its words and exit codes. Not tried here: a
 * real systemd (D-Bus, jobs that wait, dependencies between units).
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startOperation } from '../../actors/guardian/operation.ts';
import { ResourceEngine } from '../../actors/resources/engine.ts';
import { locate } from '../../actors/resources/locate.ts';
import { group } from '../../actors/resources/test-bench.ts';
import type { GroupOutcome, Job } from '../../actors/resources/types.ts';
import { commandOf } from '../../plugins/agents/programs.ts';

/** `systemctl start|stop|is-active UNIT`: UNIT.state holds the word; units named bad* are masked, slow* are `activating` when first asked. */
const systemctl = `#!/bin/sh
here=$(dirname "$0")
state=$here/$2.state
echo "$1 $2" >>"$here/calls"
case "$1 $2" in
"start bad"*) echo "Failed to start $2: Unit $2 is masked." >&2; exit 1 ;;
start*) echo active >"$state" ;;
stop*) if [ -e "$state.fails" ]; then echo "Job for $2 canceled." >&2; exit 1; fi; echo inactive >"$state" ;;
is-active*)
  word=$(cat "$state" 2>/dev/null || echo inactive)
  echo "$word"
  [ "$word" = active ] || exit 3 ;;
esac
exit 0
`;

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'systemd-'));
  writeFileSync(join(root, 'systemctl'), systemctl);
  chmodSync(join(root, 'systemctl'), 0o755);
  mkdirSync(join(root, 'mark'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const calls = (): readonly string[] =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trim().split('\n') : [];
const setState = (unit: string, word: string): void => writeFileSync(join(root, `${unit}.state`), `${word}\n`);

function bench(line: string) {
  const spec = group(line);
  const lines: string[] = [];
  const waiting: ((outcome: GroupOutcome | undefined) => void)[] = [];
  const operate = async (target: Parameters<typeof commandOf>[0], action: Parameters<typeof commandOf>[1]) => {
    const { path, args } = commandOf(target, action);
    return await startOperation(path, args, { PATH: '/usr/bin:/bin' }, 10_000).result;
  };
  const engine = new ResourceEngine({
    groups: [spec],
    locate: (resource) =>
      locate(resource, { configDir: root, systemctl: [join(root, 'systemctl')], systemdMark: join(root, 'mark') }),
    run: (target, action) => {
      if (target.kind === 'address') throw new Error('no address here');
      return operate(target, action);
    },
    look: (target) => {
      if (target.kind === 'address') throw new Error('no address here');
      return operate(target, 'status');
    },
    hold: () => Promise.resolve(),
    drop: () => undefined,
    log: (severity, text) => lines.push(`${severity} ${text}`),
    event: () => undefined,
    done: ({ outcomes }) => waiting.shift()?.(outcomes[0]),
    failed: (error) => {
      throw error;
    },
    pause: () => Promise.resolve(),
  });
  let next = 1;
  const job = (verb: Job['verb']): Promise<GroupOutcome | undefined> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      engine.submit({ id: next++, verb, why: 'own', keys: [spec.key] });
    });
  return { engine, job, lines, key: spec.key };
}

it('starts, checks and stops a unit by systemctl', async () => {
  const { engine, job, key } = bench('node1 systemd:web');
  expect(await job('acquire')).toMatchObject({ result: 'held' });
  expect(await engine.check(key)).toEqual({ result: 'held' });
  setState('web.service', 'failed');
  expect(await engine.check(key)).toEqual({ result: 'failed', resource: 'systemd:web' });
  expect(await job('release')).toMatchObject({ result: 'released' });
  expect(calls()).toEqual([
    'is-active web.service',
    'start web.service',
    'is-active web.service',
    'is-active web.service',
    'stop web.service',
  ]);
});

it('leaves a unit alone that runs, and does not take one for stopped that is just changing', async () => {
  setState('web.service', 'active');
  const { job, engine, key } = bench('node1 systemd:web');
  expect(await job('acquire')).toMatchObject({ result: 'held' });
  expect(calls()).toEqual(['is-active web.service']);
  setState('web.service', 'deactivating');
  expect(await engine.check(key)).toEqual({ result: 'unsure', resource: 'systemd:web' });
});

it('gives a group up whose unit cannot be started, and says why with the name of the resource', async () => {
  const { job, lines, engine, key } = bench('node1 systemd:web systemd:bad');
  expect(await job('acquire')).toMatchObject({ result: 'failed', resource: 'systemd:bad' });
  expect(lines).toContain('ERROR systemd:bad start: Failed to start bad.service: Unit bad.service is masked.');
  expect(engine.records(key, 10_000)).toMatchObject([
    { resource: 'systemd:web', failures: 0 },
    { resource: 'systemd:bad', failures: 1, lastFailure: { action: 'start' } },
  ]);
  expect(readFileSync(join(root, 'web.service.state'), 'utf8')).toBe('inactive\n');
});

it('is stuck with a unit that does not stop', async () => {
  const { job } = bench('node1 systemd:web');
  await job('acquire');
  writeFileSync(join(root, 'web.service.state.fails'), '');
  expect(await job('release')).toMatchObject({ result: 'stuck', resource: 'systemd:web' });
});
