import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readResource } from '../../conf/haresources.ts';
import { locate, type Places, type Target } from './locate.ts';

let root = '';
let places: Places;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'locate-'));
  places = {
    configDir: join(root, 'ha.d'),
    initDir: join(root, 'init.d'),
    ocfRoot: join(root, 'ocf'),
    systemctl: [join(root, 'nowhere'), join(root, 'systemctl')],
    systemdMark: join(root, 'systemd'),
    timeoutMs: 5_000,
  };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function program(path: string, mode = 0o755): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), '');
  chmodSync(join(root, path), mode);
}

const find = (word: string): Target => locate(readResource(word), places);

describe('locate', () => {
  it('prefers resource.d to init.d, and takes what can be run only', () => {
    program('init.d/web');
    expect(find('web::a::b')).toEqual({
      kind: 'script',
      agent: 'lsb',
      path: join(root, 'init.d/web'),
      args: ['a', 'b'],
    });
    program('ha.d/resource.d/web', 0o644);
    expect(find('web')).toMatchObject({ agent: 'lsb' });
    program('ha.d/resource.d/web');
    expect(find('web')).toMatchObject({ agent: 'resource.d', path: join(root, 'ha.d/resource.d/web') });
    mkdirSync(join(root, 'init.d/folder'));
    expect(find('folder')).toMatchObject({ kind: 'missing', script: 'folder' });
  });

  it.each(['../web', '..', 'a/b', '::x'])('never runs %s', (word) => {
    program('ha.d/web');
    expect(find(word)).toMatchObject({ kind: 'missing', reason: 'this is no name of a script' });
  });

  it.each([
    ['10.0.0.1/24/eth0', 'IPaddr', ['10.0.0.1/24/eth0']],
    ['IPaddr2::10.0.0.1/24/eth0:web', 'IPaddr2', ['10.0.0.1/24/eth0:web']],
    ['2001:db8::1/64/eth0', 'IPv6addr', ['2001:db8::1/64/eth0']],
    ['IPv6addr::2001:db8::1/64/eth0', 'IPv6addr', ['2001:db8::1/64/eth0']],
    ['IPv6addr::2001:db8:0:0:0:0:0:1', 'IPv6addr', ['2001:db8:0:0:0:0:0:1']],
    ['IPv6addr::::1', 'IPv6addr', ['::1']],
  ])('%s is an address of the built-in %s', (word, script, args) => {
    expect(find(word)).toMatchObject({ kind: 'address', script, args });
  });

  it('finds OCF agents with their parameters in the environment, not among the arguments', () => {
    expect(find('ocf:heartbeat:Dummy')).toMatchObject({
      kind: 'missing',
      reason: expect.stringContaining('is its package installed?'),
    });
    program('ocf/resource.d/heartbeat/Dummy');
    expect(find('ocf:heartbeat:Dummy::state=/run/a%20b')).toMatchObject({
      kind: 'script',
      agent: 'ocf',
      path: join(root, 'ocf/resource.d/heartbeat/Dummy'),
      args: [],
      environment: { OCF_RESKEY_state: '/run/a b', OCF_RESKEY_CRM_meta_timeout: '5000' },
    });
    expect(find('ocf:heartbeat:Dummy::state')).toMatchObject({
      kind: 'missing',
      reason: expect.stringContaining('is no parameter'),
    });
  });

  it('takes OCF::TYPE::INSTANCE itself, with the variables of its file; only what needs a shell goes to the wrapper script', () => {
    const file = join(root, 'ha.d/conf/OCF/Dummy/one');
    expect(find('OCF::Dummy::one')).toMatchObject({ kind: 'missing', reason: `${file} cannot be read` });
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, '# a comment\nOCF_RESKEY_state="/run/a b"\nexport OCF_RESKEY_fake=1\n');
    expect(find('OCF::Dummy::one')).toMatchObject({
      kind: 'missing',
      reason: expect.stringContaining('is its package installed?'),
    });
    program('ocf/resource.d/heartbeat/Dummy');
    program('ha.d/resource.d/OCF');
    expect(find('OCF::Dummy::one')).toMatchObject({
      kind: 'script',
      agent: 'ocf',
      path: join(root, 'ocf/resource.d/heartbeat/Dummy'),
      args: [],
      environment: {
        OCF_RESKEY_state: '/run/a b',
        OCF_RESKEY_fake: '1',
        OCF_RESOURCE_INSTANCE: 'Dummy_one',
        OCF_RESOURCE_PROVIDER: 'heartbeat',
      },
    });
    writeFileSync(file, 'OCF_RESKEY_state=/run/x\nOCF_RESKEY_fake=$(hostname)\n');
    expect(find('OCF::Dummy::one')).toMatchObject({ agent: 'resource.d', args: ['Dummy', 'one'] });
    rmSync(join(root, 'ha.d/resource.d/OCF'));
    expect(find('OCF::Dummy::one')).toMatchObject({
      kind: 'missing',
      reason: expect.stringContaining(`${file}:2: only plain values are read`),
    });
    // Not of the form: a script like any other.
    expect(find('OCF::..::one')).toMatchObject({ kind: 'missing', script: 'OCF' });
  });

  it('refuses a unit with a clear word where systemd does not run', () => {
    program('systemctl');
    expect(find('systemd:nginx')).toMatchObject({
      kind: 'missing',
      reason: expect.stringContaining('systemd does not run this machine'),
    });
    mkdirSync(join(root, 'systemd'));
    expect(find('systemd:nginx')).toEqual({
      kind: 'script',
      agent: 'systemd',
      path: join(root, 'systemctl'),
      args: ['nginx.service'],
    });
    expect(find('systemd:--now')).toMatchObject({ kind: 'missing', reason: 'this is no name of a systemd unit' });
    rmSync(join(root, 'systemctl'));
    expect(find('systemd:nginx')).toMatchObject({ kind: 'missing', reason: 'there is no systemctl on this machine' });
  });
});
