/**
 * Damage for packets and messages: what noise, a broken program or somebody with bad intentions makes of them. Pure; all chance comes from `random`.
 */
import type { Field, FieldList } from '../../runtime/message/message.ts';
import { field } from '../../runtime/message/message.ts';

/** Yields [0, 1). */
export type Random = () => number;

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

export function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[below(random, list.length)] ?? list[0];
}

/** Bytes that mean something in one of the formats. */
const telling = Buffer.from('0123456789:,()=#%<>\n\0 abcdefauth\x13\x14\x80\xff-+', 'latin1');

type Damage = (random: Random, bytes: Buffer, other: Uint8Array) => Uint8Array;

/** From `start`, a few bytes or many. */
function span(random: Random, bytes: Uint8Array): { readonly start: number; readonly end: number } {
  const start = below(random, bytes.length + 1);
  const size = random() < 0.8 ? below(random, 12) : below(random, bytes.length + 1);
  return { start, end: Math.min(bytes.length, start + size) };
}

const damages: readonly [Damage, ...Damage[]] = [
  function flipBits(random, bytes) {
    for (let flips = 1 + below(random, 3); flips > 0; flips--) {
      const at = below(random, bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
    }
    return bytes;
  },
  function overwrite(random, bytes) {
    const { start, end } = span(random, bytes);
    for (let at = start; at < end; at++) bytes[at] = telling[below(random, telling.length)] ?? 0;
    return bytes;
  },
  function noise(random, bytes) {
    const { start, end } = span(random, bytes);
    for (let at = start; at < end; at++) bytes[at] = below(random, 256);
    return bytes;
  },
  function truncate(random, bytes) {
    return bytes.subarray(0, below(random, bytes.length));
  },
  function behead(random, bytes) {
    return bytes.subarray(1 + below(random, bytes.length - 1));
  },
  function cutOut(random, bytes) {
    const { start, end } = span(random, bytes);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(Math.max(end, start + 1))]);
  },
  function repeat(random, bytes) {
    const { start, end } = span(random, bytes);
    const times = 1 + below(random, 4);
    const copies = Array.from({ length: times }, () => bytes.subarray(start, end));
    return Buffer.concat([bytes.subarray(0, end), ...copies, bytes.subarray(end)]);
  },
  function insert(random, bytes) {
    const at = below(random, bytes.length + 1);
    const added = Buffer.from(
      Array.from({ length: 1 + below(random, 8) }, () => telling[below(random, telling.length)] ?? 0),
    );
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
  },
  function splice(random, bytes, other) {
    return Buffer.concat([bytes.subarray(0, below(random, bytes.length)), other.subarray(below(random, other.length))]);
  },
  /** Another number where one stands: lengths, keys, sequence numbers. */
  function renumber(random, bytes) {
    const digits = [...bytes.keys()].filter((at) => (bytes[at] ?? 0) >= 0x30 && (bytes[at] ?? 0) <= 0x39);
    const at = digits[below(random, digits.length)];
    if (at === undefined) return bytes;
    const number = pick(random, [
      '',
      '0',
      '1',
      '9',
      '00',
      '-1',
      '65535',
      '4294967296',
      '99999999999999999999',
      '1e9',
      ' 7',
    ]);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(number), bytes.subarray(at + 1)]);
  },
  /** Keeps the body, which is signed, and changes what is said about the signature. */
  function resign(random, bytes) {
    const end = bytes.indexOf('%%%\n') + 4;
    const slot = pick(random, ['0', '1', '2', '3', '15', '16', '-1', '01', '+1', '1 ', '99999999999']);
    const digest = pick(random, [
      '',
      '0'.repeat(40),
      'f'.repeat(32),
      bytes.subarray(-41, -1).toString('latin1').toUpperCase(),
    ]);
    const signature = `${slot} ${digest}`;
    return Buffer.concat([bytes.subarray(0, end), Buffer.from(`${signature.length}:${signature},`, 'latin1')]);
  },
];

/** A damaged copy. @param other another packet, for parts of it. @returns never the packet itself, but perhaps equal bytes */
export function damagePacket(random: Random, packet: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes: Uint8Array = packet;
  for (let rounds = random() < 0.7 ? 1 : 2 + below(random, 3); rounds > 0 && bytes.length > 1; rounds--)
    bytes = pick(random, damages)(random, Buffer.from(bytes), other);
  return bytes;
}

const names: readonly [string, ...string[]] = [
  't',
  'st',
  'dt',
  'protocol',
  'src',
  'seq',
  'hg',
  'ts',
  'ttl',
  'dest',
  'ackseq',
  'firstseq',
  'lastseq',
  'info',
  'nodelist',
  'delnodelist',
  'srcuuid',
  'destuuid',
  'from_id',
  'to_id',
  'node',
  '__proto__',
  'constructor',
  'x',
];
const values: readonly [string, ...string[]] = [
  '',
  '0',
  '1',
  '-1',
  'ff',
  '7fffffff',
  'ffffffff',
  'ffffffffffffffff',
  '10000000000000000',
  '1e400',
  'NaN',
  '0x10',
  ' 5',
  'node1',
  'node2',
  'node3',
  'router',
  'NODE2',
  'toString',
  'status',
  'NS_st',
  'NS_ackmsg',
  'NS_rexmit',
  'NS_nak_rexmit',
  'NS_x',
  'reqnodes',
  'repnodes',
  'starting',
  'resource',
  'shutdone',
  'addnode',
  'delnode',
  'setweight',
  'setsite',
  'hbapi-clstat',
  'query-cstatus',
  'active',
  'dead',
  'up',
  'init',
  'ping',
  'node1 node2 ',
  'node1 node2 node3 node9 ',
  ' ',
  'a'.repeat(300),
  'grün\u0000'.slice(0, 4),
  '\n',
];

function anyField(random: Random): Field {
  const name = pick(random, names);
  if (random() < 0.85) return field(name, pick(random, values));
  return pick<Field>(random, [
    [name, 1, Uint8Array.from({ length: below(random, 20) }, () => below(random, 256))],
    [name, 2, [field('t', 'inner')]],
    [name, 3, ['a', 'b']],
    [name, 4, Uint8Array.of(1, 2, 3)],
  ]);
}

/** A changed copy of a message: what a node that has the key, but has lost its mind, might say. */
export function distort(random: Random, fields: FieldList): FieldList {
  const changed = [...fields];
  for (let changes = 1 + below(random, 3); changes > 0; changes--) {
    const at = below(random, changed.length + 1);
    const chance = random();
    const old = changed[at];
    if (chance < 0.25 || old === undefined) changed.splice(at, 0, anyField(random));
    else if (chance < 0.4) changed.splice(at, 1);
    else if (chance < 0.9) changed[at] = random() < 0.8 ? field(old[0], pick(random, values)) : anyField(random);
    else changed.push(...changed.splice(0, at));
  }
  return changed;
}
