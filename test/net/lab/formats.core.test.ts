import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAddressLine } from './address-monitor.core.ts';
import { type Fault, faultRuleset } from './faults.core.ts';
import { PcapFormatError, PcapReader, udpDatagram } from './pcap.core.ts';
import { parseServiceLog } from './service-log.core.ts';

describe('ip monitor', () => {
  const tail = 'valid_lft forever preferred_lft forever';
  test.each([
    {
      line: `[2026-11-22T14:01:21.975365] 3: eth0    inet 10.77.0.1/24 scope global eth0\\       ${tail}`,
      change: {
        atMs: Date.UTC(2026, 10, 22, 14, 1, 21) + 975.365,
        device: 'eth0',
        address: '10.77.0.1',
        present: true,
        tentative: false,
      },
    },
    {
      line: `[2026-11-22T14:01:21.000001] Deleted 3: eth0    inet 10.77.0.2/24 scope global secondary eth0:0\\       ${tail}`,
      change: {
        atMs: Date.UTC(2026, 10, 22, 14, 1, 21) + 0.001,
        device: 'eth0',
        address: '10.77.0.2',
        present: false,
        tentative: false,
      },
    },
    {
      line: `3: eth0    inet6 fd77::1/64 scope global tentative \\       ${tail}`,
      change: { atMs: null, device: 'eth0', address: 'fd77::1', present: true, tentative: true },
    },
    {
      line: '4: ppp0    inet 10.0.0.1 peer 10.0.0.2/32 scope global ppp0\\       valid_lft forever',
      change: { atMs: null, device: 'ppp0', address: '10.0.0.1', present: true, tentative: false },
    },
    { line: '2: eth0: <BROADCAST,MULTICAST,UP> mtu 1500', change: null },
    { line: '', change: null },
  ])('$line', ({ line, change }) => {
    expect(parseAddressLine(line)).toEqual(change);
  });
});

describe('service log', () => {
  test('calls, changes and exits; a line still being written is left out', () => {
    const text = [
      '1795356469595391000 web call start',
      '1795356469596000000 web up',
      'garbage',
      '1795356469597000000 web exit start 0',
      '1795356469598000000 web down',
    ].join('\n');
    expect(parseServiceLog(text)).toEqual([
      { what: 'call', atMs: 1795356469595.391, name: 'web', action: 'start' },
      { what: 'up', atMs: 1795356469596, name: 'web' },
      { what: 'exit', atMs: 1795356469597, name: 'web', action: 'start', code: 0 },
    ]);
  });
});

describe('faults', () => {
  test.each<{ fault: Fault; rule: string }>([
    { fault: { kind: 'drop', port: 'port1', direction: 'from', percent: 100 }, rule: 'iifname "port1" drop' },
    {
      fault: { kind: 'drop', port: 'port1', direction: 'to', percent: 10, udpPort: 694 },
      rule: 'oifname "port1" udp dport 694 numgen random mod 100 < 10 drop',
    },
    {
      fault: { kind: 'drop', port: 'port1', direction: 'from', peerPort: 'port2', percent: 100, protocol: 'icmp' },
      rule: 'iifname "port1" oifname "port2" meta l4proto icmp drop',
    },
    {
      fault: { kind: 'drop', port: 'port1', direction: 'to', peerPort: 'port2', percent: 100 },
      rule: 'oifname "port1" iifname "port2" drop',
    },
    {
      fault: { kind: 'duplicate', port: 'port1', percent: 100, udpPort: 694 },
      rule: 'meta mark != 1 udp dport 694 meta mark set 1 dup to "port1"',
    },
  ])('$rule', ({ fault, rule }) => {
    expect(faultRuleset([fault]).split('\n')).toContain(rule);
  });

  test('no fault leaves no rule', () => {
    expect(faultRuleset([])).toBe('flush ruleset\ntable bridge faults {\n}\n');
  });

  test.each([0, 101, 2.5, Number.NaN])('%s percent is refused', (percent) => {
    expect(() => faultRuleset([{ kind: 'drop', port: 'port1', direction: 'to', percent }])).toThrow(RangeError);
  });

  test.each([0, 65_536, 1.5])('UDP port %s is refused', (udpPort) => {
    expect(() => faultRuleset([{ kind: 'duplicate', port: 'port1', percent: 1, udpPort }])).toThrow(RangeError);
  });
});

describe('pcap', () => {
  const folder = new URL('../../corpus/wire/', import.meta.url);
  const captures = readdirSync(folder).filter((name) => name.endsWith('.pcap'));

  test.each(captures)('%s reads the same in pieces of any size', (name) => {
    const bytes = readFileSync(new URL(name, folder));
    const whole = new PcapReader().push(bytes);
    expect(whole.length).toBeGreaterThan(0);
    const reader = new PcapReader();
    const pieces = [];
    for (let at = 0; at < bytes.length; at += 997) pieces.push(...reader.push(bytes.subarray(at, at + 997)));
    expect(pieces).toEqual(whole);
  });

  test('datagrams of a recorded start: heartbeats by broadcast to port 694', () => {
    const bytes = readFileSync(new URL('A01_startup_steady_crc_classic.pcap', folder));
    const datagrams = new PcapReader().push(bytes).map(udpDatagram);
    const beats = datagrams.filter((datagram) => datagram !== null);
    expect(beats.length).toBeGreaterThan(10);
    for (const { destinationPort, payload } of beats) {
      expect(destinationPort).toBe(694);
      expect(Buffer.from(payload).toString('latin1')).toMatch(/^###\n/);
    }
  });

  test('another format is refused', () => {
    expect(() => new PcapReader().push(new Uint8Array(64))).toThrow(PcapFormatError);
  });
});
