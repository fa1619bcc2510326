/** README.md says what is: its exit codes, its list of commands, and its example files. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readConfiguration } from '../../conf/read.ts';
import { hostWith } from '../../conf/test/fake-system.ts';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { systole } from './systole.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The text between a heading and the next one of its rank. */
function section(heading: string): string {
  const [, text] = new RegExp(`^## ${heading}\\n(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(readme) ?? [];
  if (text === undefined) throw new Error(`README.md has no section ${heading}`);
  return text;
}

it('lists the exit codes', () => {
  const listed = [...section('Exit codes').matchAll(/^\| (\d+) *\| `(\w+)` *\|/gm)].map(([, code, name]) => [
    name,
    Number(code),
  ]);
  expect(Object.fromEntries(listed)).toEqual(exitCode);
});

it('lists the commands', async () => {
  const { out } = await systole(['--help']);
  const commands = [...out.matchAll(/^ {2}([a-z][a-z-]+)(?= .*)/gm)]
    .map(([, name]) => name)
    .filter((name) => name !== 'help');
  expect(commands.length).toBeGreaterThan(6);
  const listed = [...section('Commands').matchAll(/`systole ([a-z-]+)/g)].map(([, name]) => name);
  expect([...new Set(listed)].toSorted()).toEqual(commands.toSorted());
});

it('has example files that start without a warning on both machines', () => {
  const file = (name: string): string => {
    const [, text] =
      new RegExp(`^\`/etc/ha\\.d/${name}\`[^\`]*?(?:\`[^\`]+\`[^\`]*?)*\\n\`\`\`\\n(.*?)\`\`\``, 'ms').exec(readme) ??
      [];
    if (text === undefined) throw new Error(`README.md has no example of ${name}`);
    return text;
  };
  const files = { haCf: file('ha\\.cf'), authkeys: file('authkeys'), haresources: file('haresources') };
  for (const hostname of ['alpha', 'beta']) {
    const system = hostWith(files, {
      interfaces: { lo: '127.0.0.1', eth0: '192.168.1.11', eth1: '10.0.0.1' },
      services: { 'ha-cluster': 694 },
      files: { '/etc/init.d/nginx': { mode: 0o755 } },
    });
    const { settings, diagnostics } = readConfiguration({ configDir: '/etc/ha.d', hostname, system });
    expect(diagnostics).toEqual([]);
    expect(settings).toMatchObject({
      self: hostname,
      notActive: [],
      groups: [{ owner: 'alpha', key: '192.168.1.100/24/eth0' }],
    });
  }
});
