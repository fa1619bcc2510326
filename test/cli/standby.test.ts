/** `systole standby` and `systole takeover` where nobody can take anything: each says so, in text and JSON, with its exit code. */
import * as v from 'valibot';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, removeNodeDirs, until } from './node-dir.ts';
import { systole } from './systole.ts';

afterEach(removeNodeDirs);

const commands = ['standby', 'takeover'] as const;

describe.each(commands)('%s', (command) => {
  it('describes itself', async () => {
    const { code, out } = await systole([command, '--help']);
    expect(code).toBe(exitCode.ok);
    for (const word of [`Usage: systole ${command}`, '[set]', '--wait', '--timeout', '--json', '--run-dir'])
      expect(out).toContain(word);
  });

  it.each([
    [['some'], 'Allowed choices are all, foreign, local, failback.'],
    [['all', 'local'], 'too many arguments'],
    [['--timeout', 'soon'], 'write a duration'],
  ])('calls %j a mistake', async (args, words) => {
    const { code, err } = await systole([command, ...args]);
    expect(code).toBe(exitCode.usage);
    expect(err).toContain(words);
  });

  it('says that nothing runs', async () => {
    const dir = await makeNodeDir();
    expect(await systole([command, '--run-dir', dir.runDir])).toMatchObject({
      code: exitCode.notRunning,
      err: `systole ${command}: heartbeat is stopped. No process\n`,
    });
    expect(JSON.parse((await systole([command, 'local', '--json', '--run-dir', dir.runDir])).out)).toEqual({
      outcome: 'not-running',
      set: 'local',
      text: 'heartbeat is stopped. No process',
    });
  });
});

it('a node whose partner is not there refuses to give, and has everything already', async () => {
  const dir = await makeNodeDir();
  const ask = (command: string, ...args: readonly string[]) => systole([command, ...args, '--run-dir', dir.runDir]);
  expect((await dir.start()).code).toBe(exitCode.ok);
  const holding = v.object({ resources: v.object({ rscstatus: v.string() }) });
  await until(
    async () => {
      const { code, out } = await dir.run('status', ['--json']);
      return code === exitCode.ok && v.parse(holding, JSON.parse(out)).resources.rscstatus === 'all';
    },
    20_000,
    'the node to hold everything',
  );
  const text = 'beta is dead: there is nobody to take resources';
  expect(await ask('standby', '--wait')).toEqual({
    code: exitCode.general,
    out: '',
    err: `systole standby: refused: ${text}\n`,
  });
  expect(await ask('standby', 'local', '--json')).toEqual({
    code: exitCode.general,
    out: `{"outcome":"refused","set":"local","text":"${text}"}\n`,
    err: '',
  });
  expect(await ask('takeover')).toEqual({ code: exitCode.ok, out: 'all resources run here already\n', err: '' });
});
