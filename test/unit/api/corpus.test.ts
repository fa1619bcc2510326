/**
 * The recorded exchanges of real clients with the real daemon, replayed against the client core: same answers, same order, same bytes where
 * they do not depend on the moment.
 */
import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameReader } from '../../../actors/api/framing.ts';
import type { ClientsConfig, ClientsInput } from '../../../actors/api/types.ts';
import type { NodeStatus } from '../../../actors/protocols.ts';
import { type FieldList, getString } from '../../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../../runtime/units.ts';
import { accounts, Bench, recordedConfig } from './bench.ts';

const folder = new URL('../../corpus/api/', import.meta.url);
const line = v.looseObject({
  scenario: v.optional(v.string()),
  dir: v.optional(v.picklist(['c2s', 's2c'])),
  hex: v.optional(v.string()),
  event: v.optional(v.string()),
});
type Line = v.InferOutput<typeof line>;

/** Differ from run to run: only that they are there, and where. */
const volatile = new Set(['seq', 'hg', 'ts', 'ld', 'ttl', 'srcuuid', 'destuuid', 'queryuuid', 'client_gen']);
/** Names that recordings were made with; these have no exchange. */
const recordings = readdirSync(folder)
  .filter((name) => name.endsWith('.jsonl'))
  .map((name) => ({ name, lines: readLines(name) }))
  .filter(({ lines }) => lines.some(({ hex }) => hex !== undefined));

function readLines(name: string): Line[] {
  const text = readFileSync(new URL(name, folder), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((entry) => v.parse(line, JSON.parse(entry)));
}

function fieldsOf(bytes: Uint8Array): FieldList {
  const reader = new FrameReader();
  reader.push(bytes);
  const frame = reader.next();
  if (frame?.type !== 'message') throw new Error(`no message: ${JSON.stringify(frame)}`);
  return frame.fields;
}

/** A frame as text: values where they are not of the moment. Own copies carry no signature here: it is of no use to a client. */
function comparable(fields: FieldList): string[] {
  return fields
    .filter(([name]) => name !== 'auth')
    .map((entry) =>
      volatile.has(entry[0]) || entry[1] !== 0 ? `${entry[0]}(${entry[1]})` : `${entry[0]}=${entry[2]}`,
    );
}

/** The event of membership that made the daemon deliver a frame that nobody had asked for. */
function causeOf(fields: FieldList): ClientsInput {
  const type = getString(fields, 't');
  const source = getString(fields, 'src') ?? '';
  if (type === 'ifstat')
    return {
      type: 'link-status',
      node: nodeName(getString(fields, 'node') ?? ''),
      link: linkName(getString(fields, 'ifname') ?? ''),
      status: getString(fields, 'st') === 'up' ? 'up' : 'dead',
    };
  const node = nodeName(source);
  const nodeType = source.includes('.') ? 'ping' : 'normal';
  const status = getString(fields, 'st');
  if (type === 'status' && status === 'dead')
    return { type: 'node-dead', node, nodeType, wasHeard: true, silentMs: ms(1), limitMs: ms(1), decidedMs: ms(1) };
  if (type === 'status' || type === 'NS_st')
    return { type: 'node-status', node, nodeType, status: status as NodeStatus, previous: 'dead', fields };
  return { type: 'message', from: node, own: false, fields };
}

/** What the recording was made under. @param clock its time, as the recorded frames say it */
function configOf(name: string, clock: { nowS: number }): ClientsConfig {
  return recordedConfig({
    self: nodeName(name.startsWith('ipfail-node2') ? 'node2' : 'node1'),
    managesResources: !name.includes('noresmgmt'),
    logFacility: name.includes('refused') ? 152 : -1,
    wallClockS: () => clock.nowS,
  });
}

describe('recorded exchanges', () => {
  test('there are as many as were recorded', () => expect(recordings.length).toBe(53));

  test.each(recordings)('$name', ({ name, lines }) => {
    const clock = { nowS: 0 };
    const bench = new Bench(configOf(name, clock));
    // The recording was made while ipfail ran.
    if (name.includes('clientstatus')) bench.signOn(2, 'ipfail', accounts.hacluster, accounts.haclient);
    bench.take(2);
    const msgFmt = name.includes('-ns-') ? 'netstring' : 'classic';
    if (name.includes('-dead-')) {
      bench.feed({
        ...causeOf([
          ['t', 0, 'status'],
          ['src', 0, 'node2'],
          ['st', 0, 'dead'],
        ]),
      });
      for (const link of ['eth0', 'eth1'])
        bench.feed({ type: 'link-status', node: nodeName('node2'), link: linkName(link), status: 'dead' });
    }
    const requests = lines.filter(({ dir, hex }) => dir === 'c2s' && hex !== undefined);
    const first = requests.map(({ hex }) => Buffer.from(hex ?? '', 'hex').toString('latin1'))[0] ?? '';
    const number = (field: string): number => Number(new RegExp(`\\n${field}=(\\d+)\\n`).exec(first)?.[1] ?? '0');
    const pid = number('pid') || 5_001;
    // The forger in client-signon-badgid is root and says so of its user only.
    const gid = name.includes('badgid') ? 0 : number('gid');
    const started = first.includes('reqtype=signon');
    if (started || first === '' || !first.includes('hbapi-req')) bench.connect(1, number('uid'), gid, pid);
    // Recordings that begin in the middle.
    if (!started && !name.includes('badmagic')) {
      bench.connect(1, name.startsWith('ipfail') ? 103 : 0, 0, pid);
      const id = name.startsWith('ipfail') ? 'ipfail' : String(pid);
      const ids = { pid: String(pid), from_id: id, uid: name.startsWith('ipfail') ? '103' : '0', gid: '0' };
      bench.frame(1, { t: 'hbapi-req', reqtype: 'signon', ...ids });
      bench.take(1);
    }

    const reader = new FrameReader();
    let closed = false;
    lines.forEach(({ dir, hex, event }, index) => {
      if (event === 'eof' || event === 'reset') expect(closed || bench.closed.includes(1), 'closed by us').toBe(true);
      if (hex === undefined) return;
      const bytes = Buffer.from(hex, 'hex');
      if (dir === 'c2s') {
        announceResources(bench, lines.slice(index + 1));
        reader.push(bytes);
        for (let frame = reader.next(); frame !== null; frame = reader.next()) {
          if (frame.type === 'message') bench.feed({ type: 'frame', connection: 1, fields: frame.fields });
          else closed = true;
        }
        return;
      }
      const expected = fieldsOf(bytes);
      const [waiting] = bench.delivered;
      // News may come between a question and its answer.
      const asked = waiting !== undefined && sameKind(waiting.fields, expected);
      clock.nowS = Number.parseInt(getString(expected, 'ts') ?? '0', 16);
      if (!asked)
        bench.feed(name.includes('filter-f') ? { type: 'observed', mask: 0x02, fields: expected } : causeOf(expected));
      const got = asked ? bench.delivered.shift() : bench.delivered.pop();
      expect(got, `nothing was sent where the recording has ${comparable(expected).join(' ')}`).toBeDefined();
      expect(comparable(got?.fields ?? [])).toEqual(comparable(expected));
      // What came from the cluster goes on byte for byte.
      if (!asked)
        expect(Buffer.from(encodeFrame(got?.fields ?? [], msgFmt)).toString('latin1')).toBe(
          signatureLast(bytes.toString('latin1')),
        );
      else expect(fieldsOf(encodeFrame(got?.fields ?? [], msgFmt))).toEqual(got?.fields);
      const isAnswer = getString(expected, 't') === 'hbapi-resp' && getString(expected, 'queryname') === undefined;
      if (isAnswer && !comparable(expected).some((entry) => entry.includes('uuid')))
        expect(Buffer.from(encodeFrame(got?.fields ?? [], msgFmt)).toString('hex')).toBe(hex);
    });
    expect(
      bench.delivered.map(({ fields }) => comparable(fields)),
      'nothing beyond the recording',
    ).toEqual([]);
  });
});

function sameKind(a: FieldList, b: FieldList): boolean {
  return ['t', 'src'].every((name) => getString(a, name) === getString(b, name));
}

/** A script had put an `auth` field of its own in the middle, and the daemon left it there. */
function signatureLast(frame: string): string {
  return frame.replace(/(auth=[^\n]*\n)((?:.|\n)*)(<<<\n\0)$/, '$2$1$3');
}

/** The resources told us in time what the recorded answer says. */
function announceResources(bench: Bench, rest: readonly Line[]): void {
  const next = rest.find(({ dir, hex }) => dir === 's2c' && Buffer.from(hex ?? '', 'hex').includes('reqtype=getrsc'));
  const value = /rsc_hold=(\w+)/.exec(Buffer.from(next?.hex ?? '', 'hex').toString('latin1'))?.[1];
  const parsed = v.safeParse(v.picklist(['none', 'local', 'foreign', 'all', 'transition']), value);
  if (parsed.success) bench.feed({ type: 'rscstatus', value: parsed.output });
}
