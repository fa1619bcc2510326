/** The ping actor on its thread, against this machine's own loopback. Needs root, or a group in net.ipv4.ping_group_range. */
import { readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createPingTrack, type PingSpec } from '../../actors/ping.core.ts';
import type { PingProtocol } from '../../actors/ping.ts';
import { createPulseBoard, PulseBoard } from '../../actors/pulse.ts';
import type { AuthKeys } from '../../conf/settings.ts';
import { type ChildSpec, ms } from '../../runtime/index.ts';
import { getString } from '../../runtime/message/message.ts';
import { openIcmpSocket } from '../../runtime/sys/icmp.ts';
import { linkName, nodeName } from '../../runtime/units.ts';
import { Emitted, Run } from '../fixtures/actors/harness.ts';
import type { RecorderProtocol } from '../fixtures/actors/recorder.ts';

const place = { file: 'ha.cf', line: 1, column: 1 };
const v4: PingSpec = { kind: 'ping', link: linkName('127.0.0.1'), host: '127.0.0.1', place };
const v6: PingSpec = { kind: 'ping6', link: linkName('::1'), host: '::1', place };
const pair: PingSpec = {
  kind: 'ping_group',
  link: linkName('pair'),
  name: nodeName('pair'),
  hosts: ['127.0.0.2', '127.0.0.3'],
  place,
};
const keysOf = (key: string): AuthKeys => ({ selected: 1, keys: [{ index: 1, method: 'sha1', key }] });
const silent = {
  ident: 'test',
  hostname: 'test',
  format: 'text',
  syslogMsgFmt: false,
  logFile: null,
  debugFile: null,
  facility: null,
  stderr: false,
  debugLevel: 0,
} as const;

const recorder: ChildSpec<RecorderProtocol> = {
  id: 'membership',
  module: new URL('../fixtures/actors/recorder.ts', import.meta.url),
  init: null,
  hangMs: null,
};

function pingActor(specs: readonly PingSpec[], change: Partial<ChildSpec<PingProtocol>> = {}): ChildSpec<PingProtocol> {
  const tracks = specs.map(createPingTrack);
  const pulse = createPulseBoard(
    tracks.map(({ node }) => node),
    tracks.map(({ link }) => link),
  );
  return {
    id: 'ping',
    module: new URL('../../actors/ping.ts', import.meta.url),
    init: {
      specs,
      keys: keysOf('first'),
      pulse,
      realtimePriority: null,
      log: silent,
      logBadPackets: false,
    },
    refs: ['membership'],
    hangMs: null,
    startMs: ms(20_000),
    ...change,
  };
}

function obstacle(): string | null {
  try {
    for (const family of [4, 6] as const)
      openIcmpSocket({ family, id: 1, onReply: () => undefined, onFailure: () => undefined }).close();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Sockets that this process holds. */
const openSockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

const summary = ({ link, fields }: RecorderProtocol['emit']): string =>
  [link, ...['t', 'st', 'info', 'src', 'ts'].map((name) => getString(fields, name))].join(' ');

describe.skipIf(obstacle() !== null)('the ping actor', () => {
  it('asks when a status was sent, stamps every answer and hands it on as a heartbeat of the ping node', async () => {
    const spec = pingActor([v4, v6, pair]);
    await using run = new Run({ children: [recorder, spec] });
    const heard = new Emitted(run, recorder);
    await run.supervisor.start();
    const ping = run.supervisor.child(spec);
    const beforeMs = Number(process.hrtime.bigint()) / 1e6;

    ping.cast({ type: 'status-sent', ts: '6b02caee' });
    expect((await heard.count(3)).map(summary).toSorted()).toEqual([
      '127.0.0.1 NS_st ping ping 127.0.0.1 6b02caee',
      '::1 NS_st ping ping6 ::1 6b02caee',
      'pair NS_st ping ping_group pair 6b02caee',
    ]);
    const board = new PulseBoard(spec.init.pulse);
    for (const { heardMs, link } of heard.all) {
      expect(heardMs).toBeGreaterThanOrEqual(beforeMs);
      expect(heardMs).toBeLessThanOrEqual(Number(process.hrtime.bigint()) / 1e6);
      expect(board.heard(nodeName(link))).toBeCloseTo(heardMs, 3);
    }

    ping.cast({ type: 'status-sent', ts: '6b02caef' });
    await heard.count(6);
    const status = await ping.control(ms(20_000)).describe();
    expect(status.sockets.map(({ family }) => family)).toEqual([4, 6]);
    expect(status.media.map(({ link, sent, received, sendErrors }) => ({ link, sent, received, sendErrors }))).toEqual([
      { link: '127.0.0.1', sent: 2, received: 2, sendErrors: 0 },
      { link: '::1', sent: 2, received: 2, sendErrors: 0 },
      { link: 'pair', sent: 4, received: 2, sendErrors: 0 },
    ]);
    for (const { roundTripMs } of status.media) expect(roundTripMs).toBeGreaterThan(0);
  });

  it('signs with the new key from the moment it is told', async () => {
    const spec = pingActor([v4]);
    await using run = new Run({ children: [recorder, spec] });
    const heard = new Emitted(run, recorder);
    await run.supervisor.start();
    const ping = run.supervisor.child(spec);
    ping.cast({ type: 'status-sent', ts: '1' });
    await heard.count(1);
    ping.cast({ type: 'keys', keys: keysOf('second') });
    ping.cast({ type: 'status-sent', ts: '2' });
    const auths = (await heard.count(2)).map(({ fields }) => getString(fields, 'auth'));
    expect(new Set(auths).size).toBe(2);
  });

  it('counts a host that cannot be reached, and goes on with the others', async () => {
    // The kernel refuses to send to all with a socket that was not made for it.
    const everybody: PingSpec = { kind: 'ping', link: linkName('all'), host: '255.255.255.255', place };
    const unknown: PingSpec = {
      ...pair,
      name: nodeName('half'),
      link: linkName('half'),
      hosts: ['no-such-host.invalid', '127.0.0.4'],
    };
    const spec = pingActor([everybody, unknown]);
    await using run = new Run({ children: [recorder, spec] });
    const heard = new Emitted(run, recorder);
    await run.supervisor.start();
    const ping = run.supervisor.child(spec);
    ping.cast({ type: 'status-sent', ts: '1' });
    expect((await heard.count(1)).map(({ link }) => link)).toEqual(['half']);
    const { media } = await ping.control(ms(20_000)).describe();
    expect(media.map(({ description }) => description)).toEqual([
      'ping 255.255.255.255: 255.255.255.255 (cannot send: EACCES)',
      'ping_group half: no-such-host.invalid (not resolved), 127.0.0.4',
    ]);
    expect(media[0]).toMatchObject({ sent: 0, sendErrors: 1 });
    expect(run.events.some(({ type }) => type === 'dying')).toBe(false);
  });

  it('leaves no socket behind, whether it is started again, stopped or killed', async () => {
    const before = openSockets();
    const spec = pingActor([v4, v6]);
    for (const end of ['stop', 'killAll'] as const) {
      await using run = new Run({ children: [recorder, spec] });
      const heard = new Emitted(run, recorder);
      await run.supervisor.start();
      await run.supervisor.restart('ping');
      expect(openSockets()).toBeGreaterThanOrEqual(before + 2);
      run.supervisor.child(spec).cast({ type: 'status-sent', ts: '1' });
      await heard.count(2);
      expect((await run.supervisor[end]()).survivors).toEqual([]);
      expect(openSockets()).toBe(before);
    }
  });
});
