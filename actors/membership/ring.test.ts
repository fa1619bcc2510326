import { describe, expect, test } from 'vitest';
import { type Field, type FieldList, field, getString } from '../../runtime/message/message.ts';
import { linkName, nodeName } from '../../runtime/units.ts';
import { Bench, eth0, Peer, testConfig } from './test-bench.ts';

const [left, right] = [linkName('/dev/ttyS0'), linkName('/dev/ttyS1')];
const serial = [left, right].map((name) => ({ name, pingNode: null, ring: true }));

function benchOf(names: readonly string[], links = serial): Bench {
  const nodes = names.map((name) => ({ name: nodeName(name), type: 'normal' as const }));
  const bench = new Bench(testConfig({ nodes, links: [...links, { name: eth0, pingNode: null }] }));
  bench.runUntil(0);
  return bench;
}

const three = ['node1', 'node2', 'node3'];
const withTtl = (fields: FieldList, ttl: string): FieldList =>
  fields.map((entry): Field => (entry[0] === 'ttl' ? field('ttl', ttl) : entry));

/** What is passed on: `ttl` of each message, and where it came from. */
function passed(bench: Bench): string[] {
  return bench.record.flatMap(({ effect }) =>
    effect.type === 'pass-on' ? [`${getString(effect.fields, 'ttl')} from ${effect.from}`] : [],
  );
}

describe('a message of another node over a serial line', () => {
  test('is passed on as it is, with one hop less', () => {
    const bench = benchOf(three);
    const message = new Peer('node2').status('up');
    bench.packetAt(10, message, left);
    expect(passed(bench)).toEqual([`2 from ${left}`]);
    const [effect] = bench.record.flatMap((entry) => (entry.effect.type === 'pass-on' ? [entry.effect] : []));
    expect(effect?.fields).toEqual(withTtl(message, '2'));
  });

  test('the copy that comes the other way round is not; a resent one, which somebody has missed, is', () => {
    const bench = benchOf(three);
    const peer = new Peer('node2');
    const [first, second] = [peer.status('init'), peer.status('up')];
    bench.packetAt(10, first, left);
    bench.packetAt(11, first, right);
    bench.packetAt(12, second, left);
    expect(passed(bench)).toEqual([`2 from ${left}`, `2 from ${left}`]);
    bench.packetAt(20, first, left);
    expect(passed(bench)).toHaveLength(3);
  });

  test.each([
    ['no hop is left', three, serial, '1', left],
    ['its ttl is no number', three, serial, 'many', left],
    ['there are two nodes', ['node1', 'node2'], serial, '3', left],
    ['there is one serial line', three, serial.slice(0, 1), '3', left],
    ['it came over another medium', three, serial, '3', eth0],
  ])('is not passed on when %s', (_why, names, links, ttl, link) => {
    const bench = benchOf(names, links);
    bench.packetAt(10, withTtl(new Peer('node2').status('up'), ttl), link);
    expect(passed(bench)).toEqual([]);
  });

  test('for us alone, from ourselves, of an old life or of a stranger is not passed on', () => {
    const bench = benchOf(three);
    bench.packetAt(10, new Peer('node2', 200).status('up'), left);
    bench.clear();
    bench.packetAt(11, new Peer('node2', 199).status('up'), left);
    bench.packetAt(12, new Peer('node9').status('up'), left);
    bench.packetAt(13, new Peer('node3').numbered([field('t', 'reqnodes'), field('dest', 'node1')]), left);
    for (const own of bench.sent()) bench.packetAt(14, own, right);
    expect(passed(bench)).toEqual([]);
    bench.packetAt(15, new Peer('node3', 201).unnumbered([field('t', 'NS_ackmsg'), field('dest', 'node2')]), left);
    expect(passed(bench)).toEqual([`2 from ${left}`]);
  });
});
