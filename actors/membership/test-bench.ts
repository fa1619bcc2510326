/**
 * For the tests of this folder: one core on a simulated clock, with everything it did on record.
 */
import type { Field, FieldList } from '../../runtime/message/message.ts';
import { binaryField, field, getString } from '../../runtime/message/message.ts';
import { linkName, ms, type NodeName, nodeName } from '../../runtime/units.ts';
import type { Effect, MembershipConfig, MembershipInput, MembershipState } from '../membership.core.ts';
import { createMembership, nextDeadlineMs, step } from '../membership.core.ts';
import type { MembershipEvent } from '../protocols.ts';

export const eth0 = linkName('eth0');
export const eth1 = linkName('eth1');

/** A uuid that starts with the given byte. */
export function uuidOf(first: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, index) => (index === 0 ? first : 0x5a));
}

/** mulberry32: a small seeded generator. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** node1 of two, keepalive 1 s, warntime 3 s, deadtime 6 s, initdead 12 s, two links. `random` is constant 0: triggers are 0, waits shortest. */
export function testConfig(overrides: Partial<MembershipConfig> = {}): MembershipConfig {
  const nodes = ['node1', 'node2'].map((name) => ({ name: nodeName(name), type: 'normal' as const }));
  return {
    self: nodeName('node1'),
    uuid: uuidOf(1),
    generation: 100,
    nodes,
    links: [eth0, eth1].map((name) => ({ name, pingNode: null })),
    keepaliveMs: ms(1000),
    warntimeMs: ms(3000),
    deadtimeMs: ms(6000),
    initdeadMs: ms(12000),
    deadpingMs: ms(6000),
    hopfudge: 1,
    maxRexmitDelayMs: ms(250),
    autoFailback: 'on',
    managesResources: true,
    random: () => 0,
    wallClockS: () => 0x6b02caee,
    loadAverage: () => '0.00 0.00 0.00 1/1 1',
    lastHeardMs: () => null,
    linkHeardMs: () => null,
    ...overrides,
  };
}

export interface Recorded {
  readonly atMs: number;
  readonly effect: Effect;
}

export class Bench {
  readonly state: MembershipState;
  readonly record: Recorded[] = [];
  nowMs: number;
  /** Answers `drain` at once, as a shell does whose queue is empty. */
  autoDrain = true;

  constructor(config: MembershipConfig, startMs = 0) {
    this.nowMs = startMs;
    this.state = createMembership(config, ms(startMs));
  }

  /** Feeds one input now. */
  feed(input: MembershipInput): Effect[] {
    const effects = step(this.state, input, ms(this.nowMs));
    for (const effect of effects) this.record.push({ atMs: this.nowMs, effect });
    if (this.autoDrain && effects.some((effect) => effect.type === 'drain')) {
      effects.push(...this.feed({ type: 'drained', untilMs: ms(this.nowMs) }));
    }
    return effects;
  }

  /** Ticks at every deadline up to and including `untilMs`. */
  runUntil(untilMs: number): void {
    for (let rounds = 0; nextDeadlineMs(this.state) <= untilMs; rounds++) {
      if (rounds > 100_000) throw new Error(`the core asks for ticks without end at ${this.nowMs} ms`);
      this.nowMs = Math.max(this.nowMs, nextDeadlineMs(this.state));
      this.feed({ type: 'tick' });
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** Runs up to an instant and feeds a packet there. */
  packetAt(atMs: number, fields: FieldList, link = eth0): Effect[] {
    this.runUntil(atMs);
    return this.feed({ type: 'packet', link, fields, heardMs: ms(atMs) });
  }

  /** Forgets what was recorded so far. */
  clear(): void {
    this.record.length = 0;
  }

  logs(): string[] {
    return this.record.flatMap(({ effect }) => (effect.type === 'log' ? [`${effect.severity}: ${effect.text}`] : []));
  }

  events(): MembershipEvent[] {
    return this.record.flatMap(({ effect }) => (effect.type === 'event' ? [effect.event] : []));
  }

  /** The messages sent, resent ones included. */
  sent(messageType?: string): FieldList[] {
    return this.record.flatMap(({ effect }) =>
      effect.type === 'transmit' && (messageType === undefined || effect.messageType === messageType)
        ? [effect.fields]
        : [],
    );
  }

  /** Messages sent, in short: type, then the values of some fields. */
  sentInShort(...names: string[]): string[] {
    return this.sent().map((fields) => ['t', ...names].flatMap((name) => getString(fields, name) ?? []).join(' '));
  }
}

/** Makes the messages of a scripted peer, numbered like a real one. */
export class Peer {
  readonly name: NodeName;
  readonly uuid: Uint8Array;
  generation: number;
  seq = 0;

  constructor(name = 'node2', generation = 200, uuid = uuidOf(2)) {
    this.name = nodeName(name);
    this.uuid = uuid;
    this.generation = generation;
  }

  /** A message with the next number (or the one given). */
  numbered(own: readonly Field[], seq = ++this.seq): FieldList {
    return [...own, ...this.#source(), field('seq', seq.toString(16)), ...this.#rest()];
  }

  unnumbered(own: readonly Field[]): FieldList {
    return [...own, ...this.#source(), ...this.#rest()];
  }

  status(st: string, { dt = 6000, seq = ++this.seq, protocol = true } = {}): FieldList {
    const own = [field('t', 'status'), field('st', st), field('dt', dt.toString(16))];
    return this.numbered(protocol ? [...own, field('protocol', '1')] : own, seq);
  }

  #source(): Field[] {
    return [field('src', this.name), binaryField('srcuuid', this.uuid)];
  }

  #rest(): Field[] {
    return [field('hg', this.generation.toString(16)), field('ts', '6b02caee'), field('ttl', '3')];
  }
}

/** A pair that is up: the peer `node2` was heard, answered `reqnodes`, and is active; nothing recorded so far. */
export function activeBench(overrides: Partial<MembershipConfig> = {}): { bench: Bench; peer: Peer } {
  const bench = new Bench(testConfig(overrides));
  const peer = new Peer();
  bench.runUntil(0);
  for (const st of ['init', 'up', 'up']) bench.packetAt(100, peer.status(st));
  const list = [
    field('dest', 'node1'),
    field('t', 'repnodes'),
    field('nodelist', 'node1 node2 '),
    field('delnodelist', ' '),
  ];
  bench.packetAt(200, peer.numbered(list));
  bench.packetAt(200, peer.status('active'));
  bench.clear();
  return { bench, peer };
}
