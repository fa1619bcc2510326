/** The real machine answers what every Linux machine has in common. */
import { expect, it } from 'vitest';
import { realSystem } from '../system.ts';

const system = realSystem();

it('knows files', () => {
  expect(system.stat('/dev/null')).toMatchObject({ kind: 'character-device', ownerUid: 0 });
  expect(system.stat('/bin/sh')).toMatchObject({ kind: 'file', executable: true });
  expect(system.stat('/')?.kind).toBe('directory');
  expect([system.stat('/no/such/file'), system.stat('/etc/passwd/x'), system.stat('/\0')]).toEqual([null, null, null]);
  expect(system.readFile('/etc/passwd')).toMatchObject({ ok: true });
  expect([system.readFile('/no/such/file'), system.readFile('/')]).toEqual([
    { ok: false, errno: 'ENOENT' },
    { ok: false, errno: 'EISDIR' },
  ]);
});

it('knows accounts by name only', () => {
  expect([system.userId('root'), system.groupId('root')]).toEqual([0, 0]);
  expect(['0', '', 'no-such-account', '--help', 'a\0b'].map((name) => system.userId(name))).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
});

it('knows interfaces', () => {
  expect(system.networkInterface('lo')).not.toBeNull();
  expect([system.networkInterface('no-such-interface'), system.networkInterface('')]).toEqual([null, null]);
});

it('resolves addresses without asking anybody', () => {
  expect(system.resolveIpv4('192.0.2.1')).toBe('192.0.2.1');
  expect(system.resolveIpv4('localhost')).toBe('127.0.0.1');
  expect(['-x', '', '256.1.1.1.'].map((host) => system.resolveIpv4(host))).toEqual([null, null, null]);
});

it('says nothing of unknown services and fencing types', () => {
  expect(system.udpPort('no-such-service')).toBeNull();
  expect(system.udpService(1)).toSatisfy((name: string | null) => name === null || typeof name === 'string');
  expect(['missing', 'unknown']).toContain(system.stonithType('no-such-type'));
  expect(['missing', 'unknown']).toContain(system.stonithType('../../etc/passwd'));
});
