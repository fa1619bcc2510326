import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readResource } from '../../conf/haresources.ts';
import { isOcf, ocfEnvironment, ocfPath, parseOcf } from './ocf.ts';
import { isSystemd, parseUnit } from './systemd.ts';

function parameters(word: string): Readonly<Record<string, string>> | string {
  const reading = parseOcf(readResource(word));
  return reading.ok ? reading.resource.parameters : reading.problem;
}

describe('the word of an OCF agent', () => {
  it.each([
    ['ocf:heartbeat:Dummy', {}],
    ['ocf:heartbeat:Filesystem::device=/dev/sdb1::directory=/data', { device: '/dev/sdb1', directory: '/data' }],
    [
      'ocf:heartbeat:apache::options=-DSSL%20-DX::statusurl=http://h/?a=b',
      { options: '-DSSL -DX', statusurl: 'http://h/?a=b' },
    ],
    ['ocf:heartbeat:x::a=', { a: '' }],
    ['ocf:heartbeat:IPaddr2::ip=fe80%3A%3A1::nic=eth0', { ip: 'fe80::1', nic: 'eth0' }],
    ['ocf:heartbeat:x::a=100%25%23', { a: '100%#' }],
    ['ocf:heartbeat:x::a=$(reboot);`id`', { a: '$(reboot);`id`' }],
  ])('%s', (word, expected) => {
    expect(parameters(word)).toEqual(expected);
  });

  it.each([
    ['ocf:heartbeat', 'is no OCF agent'],
    ['ocf:heartbeat:', 'is no OCF agent'],
    ['ocf:a:b:c', 'is no OCF agent'],
    ['ocf:..:sh', 'is no OCF agent'],
    ['ocf:heartbeat:../../../bin/sh', 'is no OCF agent'],
    ['ocf:heartbeat:.hidden', 'is no OCF agent'],
    ['ocf:heartbeat:x::device', 'device is no parameter'],
    ['ocf:heartbeat:x::a-b=1', 'a-b=1 is no parameter'],
    ['ocf:heartbeat:x::a=1::a=2', 'parameter a is written twice'],
    ['ocf:heartbeat:x::a=50%', '% is followed by two hexadecimal digits'],
  ])('refuses %s', (word, problem) => {
    expect(parameters(word)).toContain(problem);
  });

  it('gives back every value that was written in the way of a URL', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const word = `ocf:heartbeat:x::a=${encodeURIComponent(value)}`;
        expect(word).not.toMatch(/[\s#]/);
        expect(parameters(word)).toEqual({ a: value });
      }),
    );
  });
});

describe('the environment of an OCF agent', () => {
  const of = (word: string): Readonly<Record<string, string>> => {
    const reading = parseOcf(readResource(word));
    if (!reading.ok) throw new Error(reading.problem);
    return ocfEnvironment(reading.resource, 60_000, '/ocf');
  };

  it('has the parameters and what the standard asks for', () => {
    expect(of('ocf:linbit:drbd::drbd_resource=r0')).toEqual({
      OCF_ROOT: '/ocf',
      OCF_RA_VERSION_MAJOR: '1',
      OCF_RA_VERSION_MINOR: '0',
      OCF_TYPE: 'drbd',
      OCF_RESOURCE_TYPE: 'drbd',
      OCF_RESOURCE_PROVIDER: 'linbit',
      OCF_RESOURCE_INSTANCE: 'drbd_r0',
      OCF_RESKEY_CRM_meta_timeout: '60000',
      OCF_RESKEY_drbd_resource: 'r0',
    });
    expect(ocfPath({ provider: 'linbit', type: 'drbd', parameters: {} }, '/ocf')).toBe('/ocf/resource.d/linbit/drbd');
  });

  it('names each resource in its own way, fit for a file name', () => {
    const words = [
      'ocf:h:F',
      'ocf:h:F::d=/a',
      'ocf:h:F::d=-a',
      'ocf:h:F::d=/a::e=1',
      'ocf:h:F::d=/a::e=2',
      `ocf:h:F::d=${'x'.repeat(80)}`,
    ];
    const names = words.map((word) => of(word).OCF_RESOURCE_INSTANCE ?? '');
    expect(new Set(names).size).toBe(words.length);
    for (const name of names) expect(name).toMatch(/^F[\w.-]{0,60}$/);
  });
});

it('tells the own forms from script names', () => {
  expect(['ocf:a:b', 'OCF', 'ocfx', 'systemd:x', 'systemd'].map((name) => [isOcf(name), isSystemd(name)])).toEqual([
    [true, false],
    [false, false],
    [false, false],
    [false, true],
    [false, false],
  ]);
});

it.each([
  ['systemd:nginx', 'nginx.service'],
  ['systemd:nginx.service', 'nginx.service'],
  ['systemd:data.mount', 'data.mount'],
  ['systemd:app@one', 'app@one.service'],
  [String.raw`systemd:srv-a\x2db.mount`, String.raw`srv-a\x2db.mount`],
  ['systemd:', null],
  ['systemd:--force', null],
  ['systemd:-.mount', null],
  ['systemd:a b', null],
  ['systemd:../x', null],
  [`systemd:${'x'.repeat(260)}`, null],
])('takes the unit of %s', (script, unit) => {
  expect(parseUnit(script)).toBe(unit);
});
