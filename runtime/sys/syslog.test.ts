import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { afUnix, libc, sockDgram, withSocket } from './libc.ts';
import { writeU16 } from './native.ts';
import { formatSyslog, openSyslog } from './syslog.ts';
import { sendUnixDatagram } from './unix-datagram.ts';

const folder = mkdtempSync(join(tmpdir(), 'systole-syslog-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Plays syslogd on a path while `use` runs; its argument takes the next line out of the queue, or '' when it is empty. */
function withDaemon<T>(path: string, use: (next: () => string) => T): T {
  return withSocket(afUnix, sockDgram, 0, (fd) => {
    const text = new TextEncoder().encode(path);
    const address = new Uint8Array(2 + text.length + 1);
    writeU16(address, 0, afUnix);
    address.set(text, 2);
    expect(libc().bind(fd, address, address.length)).toBe(0);
    const buffer = new Uint8Array(16_384);
    return use(() =>
      Buffer.from(buffer.subarray(0, Math.max(0, libc().recv(fd, buffer, buffer.length, 0)))).toString(),
    );
  });
}

describe('syslog', () => {
  test('a line has the form of the recorded ones', () => {
    const at = new Date(2026, 10, 2, 1, 53, 47);
    expect(formatSyslog(16, 6, 'heartbeat', '[33403]: info: Pacemaker support: false', at)).toBe(
      '<134>Nov  2 01:53:47 heartbeat: [33403]: info: Pacemaker support: false',
    );
    expect(formatSyslog(16, 4, 'heartbeat', '[1]: WARN: x', at)).toMatch(/^<132>/);
    expect(formatSyslog(3, 0, 'heartbeat', 'a\nb\r\nc', at)).toBe('<24>Nov  2 01:53:47 heartbeat: a b c');
  });

  test('lines arrive; without a daemon they are lost, and a restarted daemon is found again', () => {
    const path = join(folder, 'log');
    const sender = openSyslog('local0', path);
    expect(sender.send(6, 'heartbeat', 'too early')).toBe(false);
    withDaemon(path, (next) => {
      expect(sender.send(6, 'heartbeat', '[1]: info: first life')).toBe(true);
      expect(next()).toMatch(/^<134>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d heartbeat: \[1\]: info: first life$/);
    });
    expect(sender.send(6, 'heartbeat', 'nobody listens')).toBe(false);
    rmSync(path);
    withDaemon(path, (next) => {
      expect(sender.send(3, 'heartbeat', 'second life')).toBe(true);
      expect(next()).toMatch(/^<131>.* second life$/);
      sender.close();
      expect(sender.send(3, 'heartbeat', 'after close')).toBe(false);
      expect(next()).toBe('');
    });
  });

  test('a full queue loses lines and does not wait', () => {
    const path = join(folder, 'full');
    withDaemon(path, () => {
      const sender = openSyslog('daemon', path);
      const accepted = Array.from({ length: 5_000 }, () => sender.send(6, 'heartbeat', 'x')).filter(Boolean).length;
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThan(5_000);
    });
  });

  test('what cannot be sent is told by errno', () => {
    expect(sendUnixDatagram(join(folder, 'absent'), Uint8Array.of(1))).toBe('ENOENT');
    expect(sendUnixDatagram(`/${'x'.repeat(200)}`, Uint8Array.of(1))).toBe('ENAMETOOLONG');
    expect(sendUnixDatagram('@systole-nobody', Uint8Array.of(1))).toBe('ECONNREFUSED');
  });

  test('an unknown facility is refused', () => {
    expect(() => openSyslog('local9')).toThrow(RangeError);
  });
});
