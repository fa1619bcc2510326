/**
 * Every bad configuration gives one finding that says what, where and what to do; `start` ends with 6, `check` with 1, and nothing is
 * started or left behind.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../runtime/bin/exit-codes.ts';
import { makeNodeDir, type NodeDir, type NodeFiles, removeNodeDirs } from './node-dir.ts';
import { ordinaryUser, systole } from './systole.ts';

afterEach(removeNodeDirs);

interface Case {
  readonly files: NodeFiles;
  /** Changes what files alone cannot. */
  readonly spoil?: (dir: NodeDir) => void;
  /** File (relative to the configuration directory) with line and column as shown. */
  readonly at: string;
  readonly says: string;
  readonly hint: string;
}

/** `@` in ha.cf stands for a good file. */
const cases: Readonly<Record<string, Case>> = {
  'ha.cf missing': {
    files: { haCf: null },
    at: 'ha.cf',
    says: 'the main configuration file is missing',
    hint: 'copy one of the samples',
  },
  'ha.cf empty': { files: { haCf: '' }, at: 'ha.cf', says: 'the file says nothing', hint: 'write at least' },
  'only comments': { files: { haCf: '# no\n\n' }, at: 'ha.cf', says: 'the file says nothing', hint: 'write at least' },
  'unknown directive': {
    files: { haCf: '@keepalife 2\n' },
    at: 'ha.cf:11:1',
    says: 'there is no directive keepalife',
    hint: 'did you mean keepalive?',
  },
  'node name not in the list': {
    files: { nodeinfo: 'gamma\n' },
    at: 'ha.cf',
    says: 'this node is called gamma (the first line of',
    hint: 'write: node gamma',
  },
  'nodeinfo with a sentence in it': {
    files: { nodeinfo: 'alpha is my name\n' },
    at: 'ha.cf',
    says: 'this node is called alpha is my name (the first line of',
    hint: 'letters, digits, dots and hyphens only',
  },
  'no media': {
    files: { haCf: 'logfile /dev/null\nnode alpha beta\nauto_failback on\n' },
    at: 'ha.cf',
    says: 'there is no medium to send heartbeats on',
    hint: 'write for example: bcast eth1',
  },
  'interface that does not exist': {
    files: { haCf: 'logfile /dev/null\nucast eth77 10.0.0.1\nnode alpha beta\nauto_failback on\n' },
    at: 'ha.cf:2:7',
    says: 'there is no interface eth77',
    hint: 'see `ip address`',
  },
  'media and nodes misspelt': {
    files: { haCf: 'logfile /dev/null\nbcats lo\nnode alpha beta\nauto_failback on\n' },
    at: 'ha.cf:2:1',
    says: 'there is no directive bcats',
    hint: 'did you mean bcast?',
  },
  'authkeys missing': {
    files: { authkeys: null },
    at: 'authkeys',
    says: 'the file with the keys is missing',
    hint: 'chmod 600',
  },
  'authkeys empty': { files: { authkeys: '' }, at: 'authkeys', says: 'no auth line', hint: 'write as first line' },
  'authkeys readable by others': {
    files: {},
    spoil: (dir) => dir.write('authkeys', 'auth 1\n1 sha1 x\n', 0o644),
    at: 'authkeys',
    says: 'others than the owner can read',
    hint: 'chmod 600 ',
  },
  'key index without key': {
    files: { authkeys: 'auth 2\n1 sha1 x\n' },
    at: 'authkeys:1:1',
    says: 'there is no usable key 2, which auth selects',
    hint: 'write the key below the auth line',
  },
  'unknown method': {
    files: { authkeys: 'auth 1\n1 sha512 x\n' },
    at: 'authkeys:2:1',
    says: 'there is no method sha512 to sign with',
    hint: 'crc, md5, sha1',
  },
  'method without key': {
    files: { authkeys: 'auth 1\n1 sha1\n' },
    at: 'authkeys:2:1',
    says: 'key 1 has no key behind sha1',
    hint: 'the same on all nodes',
  },
  'haresources missing': {
    files: { haresources: null },
    at: 'haresources',
    says: 'the file with the resources is missing',
    hint: 'an empty file means no resources',
  },
  'a group of a node that is none': {
    files: { haresources: 'gamma web\n' },
    at: 'haresources:1:1',
    says: 'gamma is no node of ha.cf',
    hint: 'every line starts with the node',
  },
};

/** The findings of a report: lines `PLACE: error: TEXT [CODE]`. */
const errorLines = (text: string): string[] => text.split('\n').filter((line) => / error: .* \[HB_\w+\]$/.test(line));

describe.each(Object.entries(cases))('%s', (_name, { files, spoil, at, says, hint }) => {
  it('is refused by check, start and start --foreground alike', async () => {
    const dir = await makeNodeDir(files);
    spoil?.(dir);
    const check = await systole(['check', '--config-dir', dir.configDir]);
    expect(check.code).toBe(exitCode.general);
    expect(check.out).toContain('the node would not start');
    const [first, ...more] = errorLines(check.out);
    expect(more).toEqual([]);
    expect(first).toContain(`${dir.configDir}/${at}: error: `);
    expect(first).toContain(says);
    expect(check.out).toContain(hint);

    const background = await dir.start();
    const foreground = await dir.start(['--foreground']);
    for (const { code, out, err } of [background, foreground]) {
      expect({ code, out }).toEqual({ code: exitCode.notConfigured, out: '' });
      expect(errorLines(err)).toEqual([first]);
      expect(err).toContain(hint);
      expect(err).toMatch(/\nERROR: Configuration error, heartbeat not started\.\n$/);
    }
    expect(dir.leftovers()).toEqual([]);
    expect(dir.generation()).toBeNull();
  });
});

it('shows several errors at once, the keys of authkeys never', async () => {
  const secret = 'swordfish';
  const dir = await makeNodeDir({ haCf: '@keepalife 2\ndeadtime soon\n', authkeys: `auth 1\n1 ${secret} sha1\n` });
  const { code, out } = await systole(['check', '--config-dir', dir.configDir, '--json']);
  expect(code).toBe(exitCode.general);
  expect(out).not.toContain(secret);
  const report: { ok: boolean; errors: number; diagnostics: { severity: string; line: number }[] } = JSON.parse(out);
  expect(report).toMatchObject({ ok: false, errors: 3 });
  expect(report.diagnostics.filter(({ severity }) => severity === 'error').map(({ line }) => line)).toEqual([
    11, 12, 2,
  ]);
});

it('says once that the whole directory is not there, or is a file', async () => {
  const dir = await makeNodeDir();
  const missing = await systole(['check', '--config-dir', `${dir.configDir}/nowhere`]);
  expect(errorLines(missing.out)).toEqual([
    `${dir.configDir}/nowhere: error: the configuration directory is missing [HB_CONFIG_UNREADABLE]`,
  ]);
  const file = await systole(['check', '--config-dir', `${dir.configDir}/ha.cf`]);
  expect(errorLines(file.out)).toEqual([
    `${dir.configDir}/ha.cf: error: the configuration directory is no directory [HB_CONFIG_UNREADABLE]`,
  ]);
  expect([missing.code, file.code]).toEqual([1, 1]);
});

it.skipIf(ordinaryUser.uid === undefined)('says who may read what this user may not', async () => {
  const dir = await makeNodeDir();
  const { chmodSync, chownSync } = await import('node:fs');
  chownSync(dir.configDir, 0, 0);
  chmodSync(dir.configDir, 0o700);
  const { code, err } = await dir.start();
  expect(code).toBe(exitCode.notConfigured);
  expect(errorLines(err)).toEqual([
    `${dir.configDir}: error: the configuration directory cannot be read by this user (EACCES) [HB_CONFIG_UNREADABLE]`,
  ]);
  expect(err).toContain('run this as root');
  expect(dir.leftovers()).toEqual([]);
});

it('refuses a nodeinfo that cannot be read: the node would take the name of its host', async () => {
  const dir = await makeNodeDir({ nodeinfo: null });
  const { mkdirSync } = await import('node:fs');
  mkdirSync(`${dir.configDir}/nodeinfo`);
  const { code, out } = await systole(['check', '--config-dir', dir.configDir]);
  expect(code).toBe(exitCode.general);
  expect(errorLines(out)[0]).toBe(
    `${dir.configDir}/nodeinfo: error: the file with the name of this node is a directory [HB_CONFIG_UNREADABLE]`,
  );
});

it('is content with a good configuration, and lists what is not active', async () => {
  const dir = await makeNodeDir({ haCf: '@initdead 10\ncompression_threshold 2\n' });
  const text = await systole(['check', '--config-dir', dir.configDir]);
  expect(text).toMatchObject({ code: 0, err: '' });
  expect(text.out).toMatch(/: the configuration is complete, the node would start\n$/);
  const json = await systole(['check', '--config-dir', dir.configDir, '--json']);
  expect(json).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(json.out)).toMatchObject({ ok: true, errors: 0, diagnostics: [] });
});
