/**
 * The package as others get it: `npm pack`, `npm install` of the tarball in an empty directory, and the command from there, with whatever
 * Node the machine has: the package brings its own. Needs the npm registry.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { makeNodeDir, removeNodeDirs } from './node-dir.ts';
import { type Finished, finished } from './systole.ts';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'systole-package-'));
afterAll(async () => {
  await removeNodeDirs();
  rmSync(dir, { recursive: true, force: true });
});

/** The environment of a plain login: nothing of this checkout, of the npm that runs the tests, or of the test runner. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? '').split(':').filter((entry) => !entry.includes('node_modules'));
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|INIT_CWD|TEST)/.test(name));
  return { ...Object.fromEntries(kept), PATH: path.join(':'), NO_COLOR: '1' };
}

async function run(command: string, args: readonly string[], cwd: string): Promise<Finished> {
  const child = spawn(command, args, { cwd, env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  return await finished(child, 240_000);
}

it('installs from a tarball, runs as JavaScript, and fails over', { timeout: 600_000 }, async () => {
  const pack = await run('npm', ['pack', '--pack-destination', dir, '--json'], checkout);
  expect(pack.code, pack.err).toBe(0);
  const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz')) ?? '';
  const install = await run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], dir);
  expect(install.code, install.err).toBe(0);

  const installed = join(dir, 'node_modules', 'systole');
  const shipped = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(
    shipped.filter(
      (path) => (path.endsWith('.ts') && !path.endsWith('.d.ts')) || /(^|\/)test(s|-[^/]*)?(\/|\.|$)/.test(path),
    ),
  ).toEqual([]);
  expect(shipped.filter((path) => /\.test\./.test(path))).toEqual([]);
  expect(shipped).toContain('conf/samples/demo/resource.d/web');

  const systole = join(dir, 'node_modules', '.bin', 'systole');
  const manifest: { version: string } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  expect(await run(systole, ['--version'], dir)).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });

  const client = await run(
    join(dir, 'node_modules', 'node', 'bin', 'node'),
    ['-e', "import('systole/client').then((client) => console.log(typeof client.connect))"],
    dir,
  );
  expect(client).toEqual({ code: 0, out: 'function\n', err: '' });

  const bench = await run(systole, ['bench', 'detect'], dir);
  expect(bench).toMatchObject({ code: 1, out: '' });
  expect(bench.err).toContain('the benchmarks are not part of the package');

  const node = await makeNodeDir({ haCf: '@initdead 10\n' });
  const check = await run(systole, ['check', '--config-dir', node.configDir, '--json'], dir);
  expect(check).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(check.out)).toMatchObject({ ok: true, errors: 0 });

  const start = await run(systole, ['start', ...node.directories], dir);
  expect(start).toMatchObject({ code: 0 });
  const stop = await run(systole, ['stop', '--run-dir', node.runDir], dir);
  expect(stop).toMatchObject({ code: 0, err: '' });

  const demo = await run(systole, ['demo', '--kill-after', '200ms', '--exit-after-failover'], dir);
  expect(demo, demo.out).toMatchObject({ code: 0, err: '' });
  expect(demo.out).toMatch(/detection \d+\.\d ms after the kill/);
  expect(existsSync(join(checkout, 'dist'))).toBe(false);
});
