/**
 * Whole clusters of cores on one simulated clock, with a network that loses, repeats and reorders; with media that tell of every message, and with
 * media that leave heartbeats on the pulse board, as the real ones do. Every case prints its seed when it fails.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldList } from '../../runtime/message/message.ts';
import { field, getString } from '../../runtime/message/message.ts';
import type { LinkName } from '../../runtime/units.ts';
import { ms, nodeName } from '../../runtime/units.ts';
import { BeatFilter, type BeatsBefore } from '../beats.ts';
import type { Effect, MembershipInput, MembershipState } from '../membership.core.ts';
import { createMembership, nextDeadlineMs, step } from '../membership.core.ts';
import type { MembershipEvent } from '../protocols.ts';
import { createPulseBoard, PulseBoard } from '../pulse.ts';
import { eth0, eth1, Peer, seededRandom, testConfig, uuidOf } from './test-bench.ts';

interface NetworkFaults {
  /** Chance that one copy on one link is lost, 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Longest delay of a packet [ms]; packets overtake each other within it. */
  readonly maxDelayMs: number;
}

interface SimulatedNode {
  readonly name: string;
  readonly state: MembershipState;
  readonly events: { atMs: number; event: MembershipEvent }[];
  readonly effects: Effect[];
  alive: boolean;
  /** The process does not run before this time; what arrives meanwhile waits. */
  stalledUntilMs: number;
  /** After a stall its media read what waited only this much later [ms]. */
  readonly mediaLagMs: number;
  /** One for each link; empty: every message is told. */
  readonly media: readonly BeatFilter[];
}

interface Flight {
  readonly atMs: number;
  readonly order: number;
  readonly to: SimulatedNode;
  readonly link: LinkName;
  readonly fields: FieldList;
  /** When its medium had it, once it is on its way from there to membership; null on the network. */
  readonly told: { readonly heardMs: number; readonly before: BeatsBefore | undefined } | null;
}

/** The longest time that a message takes from a medium to membership [ms]. */
const mailboxMs = 3;
const keepaliveMs = 100;
const deadtimeMs = 3000;

class Cluster {
  nowMs = 0;
  /** Heartbeats of others that media have taken, and how many of them they have left on the board. */
  taken = 0;
  left = 0;
  readonly nodes: readonly SimulatedNode[];
  faults: NetworkFaults;
  readonly #random: () => number;
  readonly #flights: Flight[] = [];
  #sent = 0;

  constructor(size: number, seed: number, faults: NetworkFaults, { boards }: { readonly boards: boolean }) {
    const startSpreadMs = 300;
    this.#random = seededRandom(seed);
    this.faults = faults;
    const names = Array.from({ length: size }, (_, index) => ({
      name: nodeName(`node${index + 1}`),
      type: 'normal' as const,
    }));
    this.nodes = names.map(({ name }, index) => {
      const shape = createPulseBoard(
        names.map((node) => node.name),
        [eth0, eth1],
      );
      const board = new PulseBoard(shape);
      const media = boards ? [0, 1].map((column) => new BeatFilter(board, column, name, deadtimeMs / 2)) : [];
      return {
        media,
        name,
        state: createMembership(
          testConfig({
            self: name,
            nodes: names,
            uuid: uuidOf(index + 1),
            keepaliveMs: ms(keepaliveMs),
            warntimeMs: ms(deadtimeMs / 2),
            deadtimeMs: ms(deadtimeMs),
            initdeadMs: ms(deadtimeMs * 2),
            random: this.#random,
            ...(boards
              ? {
                  lastHeardMs: (node) => board.heard(node),
                  linkHeardMs: (node, link) => board.heardOn(node, link),
                  beats: board,
                }
              : {}),
          }),
          ms(Math.floor(this.#random() * startSpreadMs)),
        ),
        events: [],
        effects: [],
        alive: true,
        stalledUntilMs: 0,
        mediaLagMs: this.#random() < 0.5 ? 0 : 5,
      };
    });
  }

  /** Carries the earliest thing out: a packet's arrival or a node's tick. Ticks come first, as after a stall. */
  runUntil(untilMs: number): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 2_000_000) throw new Error('the simulation does not come forward');
      const tick = this.#nextTick();
      const flight = this.#nextFlight();
      const atMs = Math.min(tick?.atMs ?? Number.POSITIVE_INFINITY, flight?.arrivalMs ?? Number.POSITIVE_INFINITY);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (tick !== null && tick.atMs === atMs) this.feed(tick.node, { type: 'tick' });
      else if (flight !== null) this.#arrive(flight.flight);
    }
    this.nowMs = untilMs;
  }

  feed(node: SimulatedNode, input: MembershipInput): void {
    for (const effect of step(node.state, input, ms(this.nowMs))) {
      node.effects.push(effect);
      if (effect.type === 'event') node.events.push({ atMs: this.nowMs, event: effect.event });
      else if (effect.type === 'transmit') this.#transmit(effect.fields);
      else if (effect.type === 'drain') this.feed(node, { type: 'drained', untilMs: ms(this.nowMs) });
    }
  }

  #transmit(fields: FieldList): void {
    const { loss, duplication, maxDelayMs } = this.faults;
    for (const to of this.nodes) {
      for (const link of [eth0, eth1]) {
        const copies = this.#random() < duplication ? 2 : 1;
        for (let copy = 0; copy < copies; copy++) {
          if (this.#random() < loss) continue;
          const atMs = this.nowMs + 0.1 + this.#random() * maxDelayMs;
          this.#flights.push({ atMs, order: this.#sent++, to, link, fields, told: null });
        }
      }
    }
  }

  #nextTick(): { node: SimulatedNode; atMs: number } | null {
    let next: { node: SimulatedNode; atMs: number } | null = null;
    for (const node of this.nodes) {
      if (!node.alive) continue;
      const atMs = Math.max(nextDeadlineMs(node.state), node.stalledUntilMs);
      if (next === null || atMs < next.atMs) next = { node, atMs };
    }
    return next;
  }

  #nextFlight(): { flight: Flight; arrivalMs: number } | null {
    let next: { flight: Flight; arrivalMs: number } | null = null;
    for (const flight of this.#flights) {
      const { stalledUntilMs, mediaLagMs } = flight.to;
      const arrivalMs = flight.atMs < stalledUntilMs ? stalledUntilMs + mediaLagMs : flight.atMs;
      if (
        next === null ||
        arrivalMs < next.arrivalMs ||
        (arrivalMs === next.arrivalMs && flight.order < next.flight.order)
      ) {
        next = { flight, arrivalMs };
      }
    }
    return next;
  }

  #arrive(flight: Flight): void {
    this.#flights.splice(this.#flights.indexOf(flight), 1);
    const { to, link, fields } = flight;
    if (!to.alive) return;
    const medium = to.media[link === eth0 ? 0 : 1];
    if (medium === undefined) {
      this.feed(to, { type: 'packet', link, fields, heardMs: ms(this.nowMs) });
    } else if (flight.told === null) {
      const told = medium.take(fields, ms(this.nowMs), true);
      if (getString(fields, 'src') !== to.name && getString(fields, 't') === 'status') this.taken += 1;
      if (told === null) this.left += 1;
      // Messages of one medium do not overtake each other.
      else this.#tell(flight, told.before);
    } else {
      const { heardMs, before } = flight.told;
      this.feed(to, {
        type: 'packet',
        link,
        fields,
        heardMs: ms(heardMs),
        ...(before === undefined ? {} : { before }),
      });
    }
  }

  #tell(flight: Flight, before: BeatsBefore | undefined): void {
    const earlier = this.#flights.filter(
      (one) => one.told !== null && one.to === flight.to && one.link === flight.link,
    );
    const atMs = Math.max(this.nowMs + this.#random() * mailboxMs, ...earlier.map((one) => one.atMs));
    this.#flights.push({ ...flight, atMs, order: this.#sent++, told: { heardMs: this.nowMs, before } });
  }
}

const faults = fc.record({
  loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
  duplication: fc.double({ min: 0, max: 0.3, noNaN: true }),
  maxDelayMs: fc.double({ min: 0, max: 60, noNaN: true }),
});
const size = fc.constantFrom(2, 3);
const seed = fc.integer({ min: 1, max: 2 ** 31 });

const deaths = (node: SimulatedNode) =>
  node.events.flatMap(({ atMs, event }) => (event.type === 'node-dead' ? [{ ...event, atMs }] : []));
const allActive = (cluster: Cluster): boolean =>
  cluster.nodes.every((node) => node.state.nodes.every((seen) => !node.alive || seen.status === 'active'));

describe.each([{ boards: false }, { boards: true }])('a cluster on a bad network (boards: $boards)', (media) => {
  it('comes up, declares nobody dead, and delivers every message exactly once', () => {
    fc.assert(
      fc.property(size, seed, faults, (nodes, randomSeed, network) => {
        const cluster = new Cluster(nodes, randomSeed, network, media);
        cluster.runUntil(5000);
        expect(allActive(cluster)).toBe(true);
        const expected: string[] = [];
        for (let count = 0; count < 60; count++) {
          cluster.runUntil(cluster.nowMs + 37);
          const from = cluster.nodes[count % nodes];
          if (from === undefined) continue;
          expected.push(`${from.name} ${count}`);
          cluster.feed(from, { type: 'send', fields: [field('t', 'work'), field('n', String(count))] });
        }
        cluster.runUntil(cluster.nowMs + 8000);
        for (const node of cluster.nodes) {
          const received = node.events.flatMap(({ event }) =>
            event.type === 'message' && getString(event.fields, 't') === 'work'
              ? [`${event.from} ${getString(event.fields, 'n')}`]
              : [],
          );
          expect(received.sort()).toEqual(expected.toSorted());
          expect(deaths(node)).toEqual([]);
          expect(node.effects.filter((effect) => effect.type === 'restart' || effect.type === 'flow-control')).toEqual(
            [],
          );
          expect(node.state.history.highest - node.state.history.low).toBeLessThan(375);
        }
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  it('declares a killed node dead at its deadline to the millisecond, and no other', () => {
    fc.assert(
      fc.property(size, seed, faults, fc.integer({ min: 5000, max: 7000 }), (nodes, randomSeed, network, killMs) => {
        const cluster = new Cluster(nodes, randomSeed, network, media);
        cluster.runUntil(killMs);
        expect(allActive(cluster)).toBe(true);
        const victim = cluster.nodes[nodes - 1];
        if (victim === undefined) throw new Error('no such node');
        victim.alive = false;
        cluster.runUntil(killMs + 200);
        const others = cluster.nodes.filter((node) => node.alive);
        const limits = others.map((node) => {
          const seen = node.state.byName.get(victim.name);
          return (seen?.lastStatusMs ?? 0) + (seen?.advertisedDeadMs ?? 0);
        });
        cluster.runUntil(killMs + 2 * deadtimeMs + 3000);
        others.forEach((node, index) => {
          const found = deaths(node);
          expect(found.map((death) => death.node)).toEqual([victim.name]);
          // The board has whole nanoseconds.
          expect(found[0]?.decidedMs).toBeCloseTo(limits[index] ?? 0, 5);
          expect(found[0]?.atMs).toBeCloseTo(limits[index] ?? 0, 5);
          expect(found[0]?.wasHeard).toBe(true);
        });
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  it('a stalled node never declares living peers dead; stalled too long, it asks for its own restart', () => {
    fc.assert(
      fc.property(
        size,
        seed,
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        // Mostly around the dead time, where a peer's deadline passes during the stall but our own does not.
        fc.oneof(fc.integer({ min: deadtimeMs - keepaliveMs, max: deadtimeMs }), fc.integer({ min: 30, max: 9000 })),
        (nodes, randomSeed, loss, stallMs) => {
          const cluster = new Cluster(nodes, randomSeed, { loss, duplication: 0, maxDelayMs: 10 }, media);
          cluster.runUntil(6000);
          expect(allActive(cluster)).toBe(true);
          const [victim] = cluster.nodes;
          if (victim === undefined) throw new Error('no such node');
          victim.stalledUntilMs = cluster.nowMs + stallMs;
          cluster.runUntil(cluster.nowMs + stallMs + 1500);
          expect(deaths(victim)).toEqual([]);
          const restarts = victim.effects.filter((effect) => effect.type === 'restart');
          if (stallMs > deadtimeMs + keepaliveMs) expect(restarts).toMatchObject([{ reason: 'own-heart-stopped' }]);
          if (stallMs < deadtimeMs - keepaliveMs) expect(restarts).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  it('on a good network nearly all heartbeats stay on the board, and are acknowledged and counted all the same', () => {
    const cluster = new Cluster(3, 11, { loss: 0, duplication: 0, maxDelayMs: 0 }, media);
    cluster.runUntil(20_000);
    expect(cluster.left / Math.max(cluster.taken, 1)).toBeGreaterThan(media.boards ? 0.9 : -1);
    for (const node of cluster.nodes) {
      expect(node.state.history.highest - node.state.ackedByAll).toBeLessThan(25);
      for (const peer of node.state.nodes.filter((one) => one !== node.state.self)) {
        const sent = cluster.nodes.find(({ name }) => name === peer.name)?.state.history.highest ?? 0;
        expect(peer.track.last).toBeGreaterThan(sent - 3);
        expect(peer.counters).toMatchObject({ lost: 0, late: 0 });
        // Two links.
        expect(peer.counters.packets).toBeGreaterThan(2 * sent - 10);
        expect(peer.links.map(({ status }) => status)).toEqual(['up', 'up']);
      }
    }
  });

  it('the death of one node does not make the others tell of every heartbeat', () => {
    const cluster = new Cluster(3, 13, { loss: 0, duplication: 0, maxDelayMs: 0 }, media);
    cluster.runUntil(8_000);
    const victim = cluster.nodes[2];
    if (victim === undefined) throw new Error('no such node');
    victim.alive = false;
    cluster.runUntil(14_000);
    expect(cluster.nodes.map((node) => deaths(node).length)).toEqual([1, 1, 0]);
    Object.assign(cluster, { taken: 0, left: 0 });
    cluster.runUntil(24_000);
    expect(cluster.left / Math.max(cluster.taken, 1)).toBeGreaterThan(media.boards ? 0.9 : -1);
  });

  it('a node that restarts quickly is taken back without a death', () => {
    const cluster = new Cluster(2, 7, { loss: 0.2, duplication: 0.1, maxDelayMs: 20 }, media);
    cluster.runUntil(6000);
    const [first, second] = cluster.nodes;
    if (first === undefined || second === undefined) throw new Error('no such node');
    second.alive = false;
    cluster.runUntil(6500);
    const again = { ...second.state.config, generation: second.state.config.generation + 1 };
    const reborn = createMembership(again, ms(cluster.nowMs));
    Object.assign(second, { state: reborn, alive: true });
    cluster.runUntil(12_000);
    expect(deaths(first)).toEqual([]);
    expect(first.events.filter(({ event }) => event.type === 'node-restarted')).toHaveLength(1);
    expect(allActive(cluster)).toBe(true);
  });
});

describe('arbitrary packets', () => {
  const name = fc.constantFrom(
    't',
    'src',
    'ts',
    'seq',
    'hg',
    'st',
    'dt',
    'dest',
    'destuuid',
    'srcuuid',
    'ackseq',
    'firstseq',
    'lastseq',
    'protocol',
    'nodelist',
    'x',
  );
  const text = fc.oneof(
    fc.constantFrom(
      'status',
      'NS_st',
      'NS_ackmsg',
      'NS_rexmit',
      'NS_nak_rexmit',
      'reqnodes',
      'repnodes',
      'hbapi-clstat',
      'node1',
      'node2',
      'active',
      'up',
      'dead',
      '1',
      '0',
      'ff',
      'ffffffffffff',
      '-1',
      '64',
      'c8',
    ),
    fc.string(),
  );
  const anyField = fc.oneof(
    fc.tuple(name, fc.constant(0 as const), text),
    fc.tuple(name, fc.constant(1 as const), fc.uint8Array({ maxLength: 20 })),
    fc.tuple(name, fc.constant(2 as const), fc.constant([field('t', 'inner')])),
    fc.tuple(name, fc.constant(3 as const), fc.array(fc.string(), { maxLength: 3 })),
  );
  const packets = fc.array(fc.tuple(fc.array(anyField, { maxLength: 12 }), fc.boolean()), { maxLength: 30 });

  it('never make the core throw, nor ask for ticks without end', () => {
    fc.assert(
      fc.property(packets, (list) => {
        const state = createMembership(testConfig({ random: seededRandom(1) }), ms(0));
        const peer = new Peer();
        let nowMs = 0;
        const feed = (input: MembershipInput): void => {
          for (const effect of step(state, input, ms(nowMs))) {
            if (effect.type === 'drain') feed({ type: 'drained', untilMs: ms(nowMs) });
          }
        };
        feed({ type: 'tick' });
        for (const [own, wellFormed] of list) {
          const fields = wellFormed ? peer.numbered(own) : own;
          feed({ type: 'packet', link: eth0, fields, heardMs: ms(nowMs) });
          feed({ type: 'send', fields: own });
          for (let ticks = 0; nextDeadlineMs(state) <= nowMs + 200; ticks++) {
            expect(ticks).toBeLessThan(5000);
            nowMs = nextDeadlineMs(state);
            feed({ type: 'tick' });
          }
          nowMs += 200;
        }
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
