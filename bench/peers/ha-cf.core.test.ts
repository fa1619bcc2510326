import { expect, test } from 'vitest';
import { clusterHaCf, haresourcesFor } from './ha-cf.core.ts';
import { media } from './peer.ts';

const place = {
  survivor: { name: 'survivor' },
  victim: { name: 'victim' },
  device: 'eth0',
  survivorAddress: '10.77.0.1',
  victimAddress: '10.77.0.2',
  serviceAddress: '10.77.0.100',
  realtimePriority: 30,
  medium: 'ucast',
} as const;

test('each node beats to the other', () => {
  expect(clusterHaCf(place, 'survivor', { keepaliveMs: 5, deadtimeMs: 15 })).toContain('ucast eth0 10.77.0.2\n');
  expect(clusterHaCf(place, 'victim', { keepaliveMs: 5, deadtimeMs: 15 })).toContain('ucast eth0 10.77.0.1\n');
});

test('times, priority and medium are those asked for', () => {
  const text = clusterHaCf({ ...place, medium: 'mcast' }, 'victim', { keepaliveMs: 2.5, deadtimeMs: 6 });
  expect(text).toMatch(/^keepalive 2\.5ms$/m);
  expect(text).toMatch(/^deadtime 6ms$/m);
  expect(text).toMatch(/^rtprio 30$/m);
  expect(text).toMatch(/^mcast eth0 /m);
  expect(clusterHaCf({ ...place, realtimePriority: null }, 'victim', { keepaliveMs: 5, deadtimeMs: 15 })).toMatch(
    /^realtime off$/m,
  );
});

test.each(media)('every medium has a line: %s', (medium) => {
  expect(clusterHaCf({ ...place, medium }, 'victim', { keepaliveMs: 5, deadtimeMs: 15 })).toMatch(
    new RegExp(`^${medium} eth0`, 'm'),
  );
});

test('the address is the victim’s, so that its death is a takeover', () => {
  expect(haresourcesFor(place)).toBe('victim IPaddr::10.77.0.100/24/eth0\n');
});
