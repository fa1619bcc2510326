import { describe, expect, it } from 'vitest';
import type { AuthKeys } from '../conf/settings.ts';
import { encodeDatagram } from '../runtime/message/datagram.ts';
import { type FieldList, field, getString } from '../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../runtime/units.ts';
import { datagramsOf } from '../test/unit/message/corpus.ts';
import {
  createPingTrack,
  isFrom,
  isPingSpec,
  judgeReply,
  nextRequest,
  type PingSpec,
  type PingTrack,
  pingNodeOf,
} from './ping.core.ts';

const place = { file: 'ha.cf', line: 1, column: 1 };
const single = (kind: 'ping' | 'ping6', host: string): PingSpec => ({ kind, link: linkName(host), host, place });
const group: PingSpec = {
  kind: 'ping_group',
  link: linkName('routers'),
  name: nodeName('routers'),
  hosts: ['10.0.0.1', '10.0.0.2'],
  place,
};

describe('a ping node', () => {
  it('is called as its host, in lower case and cut to 99 characters, or as its group', () => {
    expect(pingNodeOf(single('ping', 'Router.Example'))).toBe('router.example');
    expect(pingNodeOf(single('ping', 'x'.repeat(150)))).toBe('x'.repeat(99));
    expect(pingNodeOf(group)).toBe('routers');
  });

  it('is not what the other media reach', () => {
    expect(isPingSpec({ kind: 'bcast', link: linkName('eth0'), device: 'eth0', port: 694, place })).toBe(false);
    expect(isPingSpec(group)).toBe(true);
  });
});

describe('a request', () => {
  const keys = (method: AuthKeys['keys'][number]['method'], key: string): AuthKeys => ({
    selected: 1,
    keys: [{ index: 1, method, key }],
  });

  it.each<[string, PingSpec, AuthKeys]>([
    ['A07_ping_ipfail_md5_classic.pcap', single('ping', '10.77.0.254'), keys('md5', 'pingkey')],
    ['A13_ipv6_mcast6_ping6_sha1_classic.pcap', single('ping6', 'fd00:77::fe'), keys('sha1', 'v6key')],
  ])('carries byte for byte what the real Heartbeat sends: %s', (capture, spec, authKeys) => {
    const requests = datagramsOf(capture).filter(({ kind }) => kind === 'echo-request');
    expect(requests.length).toBeGreaterThan(10);
    const track = createPingTrack(spec);
    for (const { payload } of requests) {
      const text = Buffer.from(payload).toString('latin1');
      const ts = /\(0\)ts=([0-9a-f]+),/.exec(text)?.[1] ?? '';
      const { fields } = nextRequest(track, ts, ms(0));
      expect(Buffer.from(encodeDatagram(fields, { msgfmt: 'classic', keys: authKeys })).toString('latin1')).toBe(text);
    }
  });

  it('is numbered from 0, in 16 bits', () => {
    const track = createPingTrack(group);
    const numbers = Array.from({ length: 0x10002 }, () => nextRequest(track, '1', ms(0)).sequence);
    expect(numbers.slice(0, 3)).toEqual([0, 1, 2]);
    expect(numbers.slice(-3)).toEqual([0xffff, 0, 1]);
  });
});

/** A track that has sent so many requests, one a second, and the messages of all of them. */
function asked(spec: PingSpec, count: number): { track: PingTrack; sent: FieldList[] } {
  const track = createPingTrack(spec);
  const sent = Array.from(
    { length: count },
    (_, second) => nextRequest(track, second.toString(16), ms(second * 1_000)).fields,
  );
  return { track, sent };
}

describe('an answer', () => {
  const answer = (track: PingTrack, sequence: number, fields: FieldList = [], fromMember = true, heardMs = 999_000) => {
    const verdict = judgeReply(track, { sequence, fields, fromMember }, ms(heardMs));
    return verdict.ok ? verdict.roundTripMs : verdict.reason;
  };

  it('to a request counts once, and tells the time that it took', () => {
    const { track, sent } = asked(single('ping', '10.0.0.1'), 3);
    expect(answer(track, 2, sent[2], true, 2_007.5)).toBe(7.5);
    expect(answer(track, 2, sent[2])).toBe('duplicate');
    expect(answer(track, 0, sent[0]), 'number 0 and late ones count too').toBeGreaterThan(0);
  });

  it('to a request that was never sent, or is no longer remembered, does not count', () => {
    const { track, sent } = asked(single('ping', '10.0.0.1'), 200);
    expect(answer(track, 200, sent[199])).toBe('unsent');
    expect(answer(track, 71, sent[71])).toBe('unsent');
    expect(answer(track, 72, sent[72])).toBeGreaterThan(0);
    expect(answer(createPingTrack(group), 0, [])).toBe('unsent');
  });

  it('with another content than was sent does not count: an old message under a new number', () => {
    const { track, sent } = asked(single('ping', '10.0.0.1'), 5);
    expect(answer(track, 4, sent[1])).toBe('altered');
    for (const [name, value] of [
      ['t', 'status'],
      ['st', 'dead'],
      ['ts', 'ffff'],
    ] as const)
      expect(
        answer(
          track,
          4,
          (sent[4] ?? []).map((entry) => (entry[0] === name ? field(name, value) : entry)),
        ),
      ).toBe('altered');
    expect(answer(track, 4, sent[4]), 'and leaves the right one its chance').toBeGreaterThan(0);
  });

  it('of a group counts from its hosts only, the first one of each request', () => {
    const { track, sent } = asked(group, 2);
    expect(answer(track, 1, sent[1], false)).toBe('foreign-host');
    expect(answer(track, 1, sent[1], true)).toBeGreaterThan(0);
    expect(answer(track, 1, sent[1], true), 'of the second host').toBe('duplicate');
  });

  it('of a single host counts from any address: a router answers as it likes', () => {
    const { track, sent } = asked(single('ping6', 'fd00::1'), 1);
    expect(answer(track, 0, sent[0], false)).toBeGreaterThan(0);
  });

  it('belongs to the node and the kind of medium that it names', () => {
    const { track, sent } = asked(group, 1);
    expect(isFrom(track, sent[0] ?? [])).toBe(true);
    expect(isFrom(createPingTrack({ ...group, name: nodeName('other') }), sent[0] ?? [])).toBe(false);
    expect(isFrom(createPingTrack(single('ping', 'routers')), sent[0] ?? [])).toBe(false);
    expect(getString(sent[0] ?? [], 'info')).toBe('ping_group');
  });
});
