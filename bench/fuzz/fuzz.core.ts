/**
 * Damaged packets through the decoder and the membership core of a node, as many as wanted, with a seed for everything that goes wrong.
 *
 * The work is cut into rounds of {@link roundPackets}: each is a node's life of its own, made from its seed alone, so that a finding is
 * found again with one round. In a round, three quarters of the packets are signed packets that were damaged (nobody without the key can do
 * more); they must be refused, or be an original after all. The rest is what a node with the key might send that has lost its mind: signed, and
 * fed to the core, which must go on, keep its house in order, and declare nobody dead that beats.
 */
import { seededRandom, testConfig, uuidOf } from '../../actors/membership/test-bench.ts';
import { createMembership, describe, type Effect, nextDeadlineMs, step } from '../../actors/membership.core.ts';
import type { AuthKeys } from '../../conf/settings.ts';
import { CodecError } from '../../runtime/errors.ts';
import { decodeDatagram, encodeClassic, encodeDatagram, encodeNetstring } from '../../runtime/message/datagram.ts';
import { binaryField, type Field, type FieldList, field } from '../../runtime/message/message.ts';
import { linkName, ms, type NodeName, nodeName } from '../../runtime/units.ts';
import { below, damagePacket, distort, pick, type Random } from './mutate.core.ts';

export const roundPackets = 2_000;
/** Share of packets that are damaged after they were signed. */
const damagedShare = 0.75;
/** Share of the mad node's messages that are as they should be. */
const saneShare = 0.3;
const keepaliveMs = 1_000;
const links = [linkName('eth0'), linkName('eth1')] as const;
const ownName = 'node1';

export interface Finding {
  /** `round` of {@link fuzzRound}, and the packet in it. */
  readonly round: number;
  readonly packet: number;
  readonly what: string;
}

export interface Tally {
  readonly packets: number;
  /** How often each thing became of a packet. */
  readonly counts: Readonly<Record<string, number>>;
  /** What must not be; empty when all is well. */
  readonly findings: readonly Finding[];
}

/** Keys of the node that is attacked: no crc among them, which needs no key and so protects from nobody. */
const keys: AuthKeys = {
  selected: 1,
  keys: [
    { index: 1, method: 'sha1', key: 'fuzz-one' },
    { index: 2, method: 'md5', key: 'fuzz-two' },
  ],
};

/** What is known of the originals, to tell an original that came through from a forgery. */
interface Originals {
  readonly packets: readonly [Uint8Array, ...Uint8Array[]];
  readonly contents: ReadonlySet<string>;
}

const withoutAuth = (fields: FieldList): FieldList => fields.filter(([name]) => name !== 'auth');

function contentOf(fields: FieldList): string {
  return Buffer.from(encodeNetstring(withoutAuth(fields))).toString('latin1');
}

/** Signed packets in all forms that are sent. @param messages of one or more, to be signed anew with our keys */
export function makeOriginals(messages: readonly FieldList[]): Originals {
  const packets: Uint8Array[] = [];
  const contents = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const fields = withoutAuth(message);
    contents.add(contentOf(fields));
    const selected = { ...keys, selected: 1 + (index % 2) };
    packets.push(encodeDatagram(fields, { msgfmt: 'classic', keys: selected }));
    packets.push(encodeDatagram(fields, { msgfmt: 'netstring', keys: selected }));
    if (index % 7 === 0)
      packets.push(encodeDatagram(fields, { msgfmt: 'netstring', keys: selected, compressOverBytes: 1 }));
    if (fields.every(([, type]) => type < 2))
      packets.push(encodeClassic(fields, { keys: selected, nul: index % 2 === 0 }));
  }
  const [first, ...rest] = packets;
  if (first === undefined) throw new RangeError('there are no messages to begin with');
  return { packets: [first, ...rest], contents };
}

/** A peer that beats as it should, while its name is taken in vain. */
class Beating {
  readonly name: NodeName;
  readonly #uuid: Uint8Array;
  readonly #generation: number;
  seq = 0;

  constructor(name: string, generation: number, uuid: Uint8Array) {
    this.name = nodeName(name);
    this.#generation = generation;
    this.#uuid = uuid;
  }

  say(own: readonly Field[]): FieldList {
    this.seq += 1;
    return [
      ...own,
      field('src', this.name),
      binaryField('srcuuid', this.#uuid),
      field('seq', this.seq.toString(16)),
      ...this.#rest(),
    ];
  }

  /** A status over a link that nobody else uses can always be told by its number. */
  beat(): FieldList {
    return this.say([field('t', 'status'), field('st', 'active'), field('dt', '2710'), field('protocol', '1')]);
  }

  #rest(): Field[] {
    return [field('hg', this.#generation.toString(16)), field('ts', '6b02caee'), field('ttl', '4')];
  }
}

/** One life of a node under fire. @param round the seed. @param packets how many [default {@link roundPackets}] */
export function fuzzRound(round: number, originals: Originals, packets = roundPackets): Tally {
  const life = new Life(round, originals);
  for (let packet = 0; packet < packets; packet++) life.next(packet);
  return { packets, counts: life.counts, findings: life.findings };
}

class Life {
  readonly counts: Record<string, number> = {};
  readonly findings: Finding[] = [];
  readonly #round: number;
  readonly #random: Random;
  readonly #originals: Originals;
  readonly #state;
  /** The node that is left alone: nobody speaks in its name, so nothing may happen to it. */
  readonly #witness = new Beating('node3', 300, uuidOf(3));
  readonly #mad = new Beating('node2', 200, uuidOf(2));
  #nowMs = 0;
  #nextBeatMs = 0;
  #packet = 0;

  constructor(round: number, originals: Originals) {
    this.#round = round;
    this.#random = seededRandom(round);
    this.#originals = originals;
    const nodes = [ownName, 'node2', 'node3'].map((name) => ({ name: nodeName(name), type: 'normal' as const }));
    const router = { name: nodeName('router'), type: 'ping' as const };
    const config = testConfig({
      nodes: [...nodes, router],
      links: [
        ...links.map((name) => ({ name, pingNode: null, ring: true })),
        { name: linkName('router'), pingNode: router.name },
      ],
      random: this.#random,
    });
    this.#state = createMembership(config, ms(0));
  }

  next(packet: number): void {
    this.#packet = packet;
    try {
      this.#pass(below(this.#random, 20));
      if (this.#random() < damagedShare) this.#damaged();
      else this.#mindless();
      if (packet % 500 === 0) this.#lookAround();
    } catch (error) {
      this.#find(`threw ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #damaged(): void {
    const { packets, contents } = this.#originals;
    const bytes = damagePacket(this.#random, pick(this.#random, packets), pick(this.#random, packets));
    const result = decodeDatagram(bytes, keys);
    if (!result.ok) {
      this.#count(`malformed: ${result.reason.replace(/\d+/g, 'N')}`);
      if (result.atByte < 0 || !Number.isInteger(result.atByte)) this.#find(`a place that is none: ${result.atByte}`);
    } else if (result.auth !== 'ok') {
      this.#count(`signature: ${result.auth}`);
    } else if (contents.has(contentOf(result.fields))) {
      this.#count('an original after all');
      this.#feed(result.fields);
    } else {
      this.#find(`accepted ${Buffer.from(bytes).toString('base64')}`);
    }
  }

  #mindless(): void {
    // Now and then as it should be, or nothing else would follow on anything.
    const beat = this.#mad.beat();
    const fields = this.#random() < saneShare ? beat : distort(this.#random, beat);
    // The witness and we ourselves are left out: whoever has the key can speak for anybody.
    if (
      fields.some(([name, , value]) => name === 'src' && (value === 'node3' || value === ownName || value === 'router'))
    )
      return;
    let bytes: Uint8Array;
    try {
      bytes = encodeDatagram(fields, { msgfmt: 'classic', keys });
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#count('insider: not to be sent');
      return;
    }
    const result = decodeDatagram(bytes, keys);
    if (!result.ok || result.auth !== 'ok')
      this.#find(`our own packet is refused: ${Buffer.from(bytes).toString('base64')}`);
    else {
      this.#count('insider: signed');
      this.#feed(result.fields);
    }
  }

  #feed(fields: FieldList): void {
    this.#step({ type: 'packet', link: links[below(this.#random, 2)] ?? links[0], fields, heardMs: ms(this.#nowMs) });
  }

  /** Time goes on: our own ticks, and the beats of the witness. */
  #pass(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const dueMs = Math.min(nextDeadlineMs(this.#state), this.#nextBeatMs);
      if (dueMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, dueMs);
      if (this.#nextBeatMs <= this.#nowMs) {
        this.#nextBeatMs += keepaliveMs;
        const fields = this.#witness.seq === 0 ? this.#witness.say(greeting) : this.#witness.beat();
        this.#step({ type: 'packet', link: links[0], fields, heardMs: ms(this.#nowMs) });
      } else this.#step({ type: 'tick' });
    }
    this.#nowMs = untilMs;
  }

  #step(input: Parameters<typeof step>[1]): void {
    for (const effect of step(this.#state, input, ms(this.#nowMs))) this.#judge(effect);
  }

  #judge(effect: Effect): void {
    switch (effect.type) {
      case 'drain':
        this.#step({ type: 'drained', untilMs: ms(this.#nowMs) });
        return;
      case 'drop':
        this.#count(`membership: ${effect.reason}`);
        return;
      case 'log':
        this.#count(`log: ${effect.severity}`);
        return;
      case 'transmit':
        // Whatever we were made to say must be possible to say.
        encodeDatagram(effect.fields, { msgfmt: 'classic', keys });
        return;
      case 'pass-on':
        this.#passOn(effect.fields);
        return;
      case 'event':
        if (effect.event.type === 'node-dead' && effect.event.node === this.#witness.name)
          this.#find('the node that beats is dead');
        return;
      default:
    }
  }

  /** A message that came as a datagram may have what no serial line can carry: that is told, and nothing else happens. */
  #passOn(fields: FieldList): void {
    try {
      encodeClassic(fields, { keys, nul: false });
      this.#count('passed on');
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#count('passed on: not to be sent');
    }
  }

  /** What grows without end, or cannot be. */
  #lookAround(): void {
    const view = describe(this.#state, ms(this.#nowMs));
    for (const node of view.nodes) {
      if (node.missing > 500) this.#find(`${node.missing} missing numbers are kept of ${node.name}`);
      if (!['init', 'up', 'active', 'dead', 'ping'].includes(node.status)) this.#find(`${node.name} is ${node.status}`);
    }
    if (view.sent.kept > 500) this.#find(`${view.sent.kept} own messages are kept`);
    if (view.generation !== 100) this.#find(`our own generation is ${view.generation}`);
    const held = Math.max(...this.#state.nodes.map((node) => node.held.length));
    if (held > 500) this.#find(`${held} messages are held back`);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #find(what: string): void {
    this.#count('FOUND');
    if (this.findings.length < 20) this.findings.push({ round: this.#round, packet: this.#packet, what });
  }
}

const greeting: readonly Field[] = [
  field('t', 'status'),
  field('st', 'up'),
  field('dt', '2710'),
  field('protocol', '1'),
];

/** Several tallies as one. */
export function addTallies(tallies: readonly Tally[]): Tally {
  const counts: Record<string, number> = {};
  for (const tally of tallies)
    for (const [what, count] of Object.entries(tally.counts)) counts[what] = (counts[what] ?? 0) + count;
  return {
    packets: tallies.reduce((sum, { packets }) => sum + packets, 0),
    counts,
    findings: tallies.flatMap(({ findings }) => findings),
  };
}
