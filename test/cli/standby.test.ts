/** `systole standby` and `systole takeover` where nobody can take anything: each says so, in text and JSON, with its exit code. */
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
    expect(await dir.run(command)).toMatchObject({
      code: exitCode.notRunning,
      err: `systole ${command}: heartbeat is stopped. No process\n`,
    });
    expect(JSON.parse((await dir.run(command, ['local', '--json'])).out)).toEqual({
      outcome: 'not-running',
      set: 'local',
      text: 'heartbeat is stopped. No process',
    });
  });
});

it('a node whose partner is not there refuses both, with the reason', async () => {
  const dir = await makeNodeDir();
  expect((await dir.start()).code).toBe(exitCode.ok);
  await until(async () => (await dir.run('status')).code === exitCode.ok, 15_000, 'the node to answer');
  for (const command of commands) {
    const { code, err } = await dir.run(command, ['--wait']);
    expect(code).toBe(exitCode.general);
    expect(err).toMatch(new RegExp(`^systole ${command}: refused: .+\n$`));
    const answer: { outcome: string; text: string } = JSON.parse((await dir.run(command, ['--json'])).out);
    expect(answer.outcome).toBe('refused');
    expect(err).toContain(answer.text);
  }
});
