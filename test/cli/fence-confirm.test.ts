/** `systole fence-confirm`, and what `systole status` says while a node waits to be fenced: a real daemon with a fence agent that never works. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, type NodeDir, removeNodeDirs, until } from './node-dir.ts';
import { systole } from './systole.ts';

afterEach(removeNodeDirs);

const secret = 'hunter2-of-the-test';
const service =
  '#!/bin/sh\nstate="$(dirname "$0")/../web.$1"\ncase "$2" in\n  start) : >"$state" ;;\n  stop) rm -f "$state" ;;\n  status) [ -e "$state" ] && echo running || echo stopped ;;\nesac\n';

const confirm = (dir: NodeDir, node: string, ...args: string[]) =>
  systole(['fence-confirm', node, '--run-dir', dir.runDir, ...args]);

/** A node alone: the other one was never heard, and must be fenced before anything is started. */
async function waitingNode(): Promise<NodeDir> {
  const dir = await makeNodeDir({ haresources: 'alpha web::a\nbeta web::b\n', scripts: { web: service } });
  const agent = join(dir.root, 'fence_lab');
  writeFileSync(agent, '#!/bin/sh\ncat >/dev/null\nexit 1\n');
  chmodSync(agent, 0o755);
  dir.own(agent);
  dir.write('ha.cf', `${dir.haCf()}stonith_host alpha ${agent} ip=10.0.0.9 password=${secret}\n`);
  const { code, out, err } = await dir.start();
  if (code !== exitCode.ok) throw new Error(`start ended with ${code}: ${out}${err}\n${dir.log()}`);
  await until(() => dir.log().includes('STONITH of beta failed.  Retrying...'), 20_000, 'the first failure');
  return dir;
}

describe('without a node that waits', () => {
  it('says that no daemon runs', async () => {
    const dir = await makeNodeDir();
    expect(await confirm(dir, 'beta', '--yes')).toMatchObject({ code: exitCode.notRunning });
    const json = await confirm(dir, 'beta', '--yes', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ outcome: 'not-running', node: 'beta' });
  });
});

describe('while a node waits', () => {
  it('warns, asks, refuses another name, and takes the word for the right one', async () => {
    const dir = await waitingNode();
    const status = await dir.run('status');
    expect(status.out).toMatch(/FENCING of beta for .* failures\): .*systole fence-confirm beta/);
    expect(status.out).toContain('not here');
    expect(await dir.status()).toMatchObject({
      resources: { holding: 'none', fencing: { pending: { node: 'beta' }, devices: [{ status: 'failed' }] } },
    });

    const unsure = await confirm(dir, 'beta');
    expect(unsure.code).toBe(exitCode.usage);
    expect(unsure.err).toContain('DATA WILL BE LOST');
    const wrong = await confirm(dir, 'gamma', '--yes');
    expect(wrong).toMatchObject({ code: exitCode.general });
    expect(wrong.err).toContain('gamma is not being fenced: the fencing of beta is pending. Nothing was changed.');
    expect(dir.log()).not.toContain('Resources being acquired from beta');

    expect(await confirm(dir, 'Beta', '--yes')).toMatchObject({
      code: exitCode.ok,
      out: 'Taking over from beta: you have confirmed that it is switched off.\n',
    });
    await until(() => dir.log().includes('mach_down takeover complete.'), 20_000, 'the takeover');
    expect(await dir.status()).toMatchObject({ resources: { holding: 'all', fencing: { pending: null } } });
    expect(dir.log()).toContain('The operator has confirmed that node beta is switched off');
    // What holds a password is shown nowhere.
    expect(`${dir.log()}${JSON.stringify(await dir.status())}`).not.toContain(secret);
    expect((await dir.run('stop')).code).toBe(exitCode.ok);
  });

  it('a node that stops does not wait', async () => {
    const dir = await waitingNode();
    expect((await dir.run('stop')).code).toBe(exitCode.ok);
    expect(dir.log()).toContain('STONITH of beta cancelled: this node is shutting down.');
    expect(dir.log()).not.toContain('Resources being acquired from beta');
  });
});
