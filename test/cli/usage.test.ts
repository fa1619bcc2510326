/** The command line itself: help, version, mistakes. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { systole } from './systole.ts';

const commands = {
  start: ['--config-dir', '--state-dir', '--run-dir', '--foreground', '--log-format'],
  stop: ['--run-dir', '--json', '--timeout'],
  reload: ['--run-dir', '--json', '--timeout'],
  check: ['--config-dir', '--json'],
  status: ['--run-dir', '--json', '--watch'],
  decode: ['--authkeys', '--port', '--json'],
  demo: ['--kill-after', '--exit-after-failover', '--json'],
  bench: ['detect'],
  'bench detect': ['--timings', '--out', '--compare', '--loopback'],
} as const;

it('lists every command', async () => {
  const { code, out, err } = await systole(['--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const command of Object.keys(commands).filter((name) => !name.includes(' ')))
    expect(out).toMatch(new RegExp(`^  ${command} `, 'm'));
});

it.each(Object.entries(commands))('%s --help names its options', async (command, options) => {
  const { code, out, err } = await systole([...command.split(' '), '--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`Usage: systole ${command}`);
  for (const option of options) expect(out).toContain(option);
});

it('says its version', async () => {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  for (const option of ['--version', '-V'])
    expect(await systole([option])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
});

it.each([
  [[], 'Usage: systole'],
  [['strat'], "unknown command 'strat'\n(Did you mean start?)"],
  [['start', '--forground'], '(Did you mean --foreground?)'],
  [['start', '--log-format', 'xml'], 'Allowed choices are text, json.'],
  [['start', 'now'], "too many arguments for 'start'"],
  [['check', '--config-dir'], 'argument missing'],
  [['stop', '--timeout', 'soon'], 'write a duration like 5s, 500ms or 2m'],
  [['stop', '--timeout', '99999999'], 'a duration is at most 24 days'],
  [['decode'], "missing required argument 'file'"],
  [['decode', 'x', '--port', '65536'], 'a port is a number from 1 to 65535'],
  [['demo', '--kill-after', '-1'], 'write a duration'],
])('calls %j a mistake', async (args, words) => {
  const { code, out, err } = await systole(args);
  expect({ code, out }).toEqual({ code: exitCode.usage, out: '' });
  expect(err).toContain(words);
});
