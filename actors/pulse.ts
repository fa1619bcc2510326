/**
 * The pulse board: when each node was last heard by each medium, in shared memory.
 *
 * Media stamp it at reception, before anything queues; membership reads it before it declares a death. So a slow consumer can never
 * turn a live node into a dead one. A stamp is made only for a status message that is *newer* (generation, then sequence) than what this medium has
 * seen of that node; and a node counts as heard when its newest status on any medium was. So a replayed packet cannot keep a dead node alive,
 * not even over a link that was down when it was sent.
 *
 * The board also carries the heartbeats that nobody has to be told of (beats.ts): `from` is the first number of an unbroken run of them, which
 * ends with the newest status. And it carries membership's two wishes to the media.
 *
 * Each place (node, medium) has one writer, that medium's thread. Its version is odd while it writes; readers look again then.
 */
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import { ms } from '../runtime/units.ts';

/** Names of rows and columns, and the shared memory itself: structured-clone safe, goes into the actors' init. */
export interface PulseBoardShape {
  readonly nodes: readonly NodeName[];
  /** The link of each medium, in the order of the media: two media may be one link. */
  readonly links: readonly LinkName[];
  /** rows (nodes, then spare ones) × media places of {@link placeInts} numbers [int32]. */
  readonly memory: SharedArrayBuffer;
  /** {@link wish} [int32]. */
  readonly wishes: SharedArrayBuffer;
  /** Names of the nodes that came at run time, for the spare rows: how many [int32], then {@link nameBytes} for each. */
  readonly added: SharedArrayBuffer;
}

/** What a medium has heard of a node last. Filled in by {@link PulseBoard.read}. */
export interface Beats {
  generation: number;
  /** First and last number of the run of heartbeats that were not told; none when `from` is the greater one. */
  from: number;
  to: number;
  /** Reception of the newest status [monotonic ms]. */
  heardMs: number;
}

/** Nodes that may be added while we run; a later one is heard all the same, but its heartbeats are not stamped at reception. */
const spareRows = 64;
/** Length byte and name. */
const nameBytes = 128;
const countBytes = 4;

/** Numbers of a place: version; instant as seconds and nanoseconds of CLOCK_MONOTONIC (both 0 = never); the newest status; the run's beginning. */
const place = { version: 0, seconds: 1, nanoseconds: 2, generation: 3, sequence: 4, from: 5 } as const;
/** Half a cache line. */
const placeInts = 8;
/** Membership's wishes: every packet is to be told (0 or 1); how often everybody's next one was to be told whole. */
const wish = { everything: 0, wholes: 1, length: 2 } as const;

/** Makes an empty board. Called once by the MCP. @param links the link of each medium */
export function createPulseBoard(nodes: readonly NodeName[], links: readonly LinkName[]): PulseBoardShape {
  const places = (nodes.length + spareRows) * links.length;
  return {
    nodes,
    links,
    memory: new SharedArrayBuffer(places * placeInts * Int32Array.BYTES_PER_ELEMENT),
    wishes: new SharedArrayBuffer(wish.length * Int32Array.BYTES_PER_ELEMENT),
    added: new SharedArrayBuffer(countBytes + spareRows * nameBytes),
  };
}

/**
 * A medium writes for a microsecond. One that stands still in it has not "taken everything" either, so no verdict is near; one that was killed in it
 * leaves a place that says nothing until its successor writes.
 */
const mostTries = 200;

/** Generations are counts, or seconds since 1970, until 2038; what is beyond is cut off. */
const mostGenerations = 0x7fff_ffff;
const mostSequences = 0xffff_ffff;

/** One thread's view of the board. */
export class PulseBoard {
  readonly #places: Int32Array;
  readonly #wishes: Int32Array;
  readonly #rows: Map<string, number>;
  readonly #added: PulseBoardShape['added'];
  readonly #addedCount: Int32Array;
  readonly #firstSpare: number;
  #knownAdded = 0;
  /** The link of each medium. */
  readonly columns: readonly LinkName[];
  readonly #beats: Beats = { generation: 0, from: 0, to: 0, heardMs: 0 };

  constructor(shape: PulseBoardShape) {
    this.#places = new Int32Array(shape.memory);
    this.#wishes = new Int32Array(shape.wishes);
    this.#rows = new Map(shape.nodes.map((name, index) => [name, index]));
    this.#added = shape.added;
    this.#addedCount = new Int32Array(shape.added, 0, 1);
    this.#firstSpare = shape.nodes.length;
    this.columns = shape.links;
  }

  /** Row of a node, or -1 for a stranger. */
  row(node: string): number {
    const row = this.#rows.get(node);
    if (row !== undefined) return row;
    if (Atomics.load(this.#addedCount, 0) === this.#knownAdded) return -1;
    this.#learnAdded();
    return this.#rows.get(node) ?? -1;
  }

  /**
   * Gives a node that came at run time a row, which all threads know from then on. Called by membership alone. A node that was here before gets
   * its row back. Without a free row nothing happens.
   */
  add(node: NodeName): void {
    const name = Buffer.from(node, 'latin1');
    const index = Atomics.load(this.#addedCount, 0);
    if (this.row(node) >= 0 || index >= spareRows || name.length >= nameBytes) return;
    const slot = Buffer.from(this.#added, countBytes + index * nameBytes, nameBytes);
    slot[0] = name.length;
    slot.set(name, 1);
    Atomics.store(this.#addedCount, 0, index + 1);
  }

  #learnAdded(): void {
    const count = Atomics.load(this.#addedCount, 0);
    for (; this.#knownAdded < count; this.#knownAdded++) {
      const slot = Buffer.from(this.#added, countBytes + this.#knownAdded * nameBytes, nameBytes);
      this.#rows.set(slot.toString('latin1', 1, 1 + (slot[0] ?? 0)), this.#firstSpare + this.#knownAdded);
    }
  }

  /** The first medium of a link, or -1. */
  column(link: LinkName): number {
    return this.columns.indexOf(link);
  }

  /** Stamps a node as heard, whatever was heard: for ping nodes, whose answers the caller has told apart. @param heardMs monotonic */
  stamp(row: number, column: number, heardMs: number): void {
    this.stampStatus(row, column, 0, 0, heardMs, 1);
  }

  /**
   * Stamps a node as heard by a status that is new on this medium.
   *
   * @param generation 0 or more; what is over 2^31 counts as 2^31
   * @param sequence   0 or more; what is over 2^32 counts as 2^32
   * @param heardMs    reception [monotonic ms]
   * @param from       first number of the run of heartbeats that ends with this one; greater than `sequence` when there is none
   */
  stampStatus(row: number, column: number, generation: number, sequence: number, heardMs: number, from: number): void {
    const places = this.#places;
    const at = (row * this.columns.length + column) * placeInts;
    const seconds = Math.floor(heardMs / 1_000);
    const version = Atomics.load(places, at + place.version) | 1;
    Atomics.store(places, at + place.version, version);
    Atomics.store(places, at + place.seconds, seconds);
    Atomics.store(places, at + place.nanoseconds, Math.round((heardMs - seconds * 1_000) * 1e6));
    Atomics.store(places, at + place.generation, Math.min(generation, mostGenerations));
    Atomics.store(places, at + place.sequence, Math.min(sequence, mostSequences));
    Atomics.store(places, at + place.from, Math.min(from, mostSequences));
    Atomics.store(places, at + place.version, version + 1);
  }

  /** Begins a new run after a numbered message that was told: the next heartbeat may be the first of it. */
  beginRun(row: number, column: number, from: number): void {
    const at = (row * this.columns.length + column) * placeInts;
    const version = Atomics.load(this.#places, at + place.version) | 1;
    Atomics.store(this.#places, at + place.version, version);
    Atomics.store(this.#places, at + place.from, Math.min(from, mostSequences));
    Atomics.store(this.#places, at + place.version, version + 1);
  }

  /**
   * What a medium has heard of a node last.
   *
   * @param column index of {@link columns}
   * @returns false when it has heard nothing
   */
  read(node: NodeName, column: number, into: Beats): boolean {
    const row = this.row(node);
    if (row < 0) return false;
    const places = this.#places;
    const at = (row * this.columns.length + column) * placeInts;
    for (let tries = 0; tries < mostTries; tries++) {
      const version = Atomics.load(places, at + place.version);
      const seconds = Atomics.load(places, at + place.seconds);
      const nanoseconds = Atomics.load(places, at + place.nanoseconds);
      into.generation = Atomics.load(places, at + place.generation);
      into.to = Atomics.load(places, at + place.sequence) >>> 0;
      into.from = Atomics.load(places, at + place.from) >>> 0;
      if ((version & 1) !== 0 || Atomics.load(places, at + place.version) !== version) continue;
      into.heardMs = seconds * 1_000 + nanoseconds / 1e6;
      return into.heardMs > 0;
    }
    return false;
  }

  /** When a node was last heard on one link [ms of the monotonic clock]; null = never, or not on this board. */
  heardOn(node: NodeName, link: LinkName): Ms | null {
    let latestMs: number | null = null;
    for (let column = 0; column < this.columns.length; column++) {
      if (this.columns[column] !== link || !this.read(node, column, this.#beats)) continue;
      const { heardMs } = this.#beats;
      if (latestMs === null || heardMs > latestMs) latestMs = heardMs;
    }
    return latestMs === null ? null : ms(latestMs);
  }

  /** When the newest status of a node came first [ms of the monotonic clock], a ping node's answer last; null = never. */
  heard(node: NodeName): Ms | null {
    let newest = -1;
    let newestGeneration = -1;
    let firstMs: number | null = null;
    for (let column = 0; column < this.columns.length; column++) {
      if (!this.read(node, column, this.#beats)) continue;
      const { generation, to, heardMs } = this.#beats;
      if (generation < newestGeneration || (generation === newestGeneration && to < newest)) continue;
      const isCopy = generation === newestGeneration && to === newest;
      // Copies of one status: the first one counts. Ping answers have no number.
      if (!isCopy || firstMs === null || (to === 0 ? heardMs > firstMs : heardMs < firstMs)) firstMs = heardMs;
      newestGeneration = generation;
      newest = to;
    }
    return firstMs === null ? null : ms(firstMs);
  }

  /** From membership: every packet is to be told, because somebody looks at all of them. */
  set everything(wanted: boolean) {
    Atomics.store(this.#wishes, wish.everything, wanted ? 1 : 0);
  }

  get everything(): boolean {
    return Atomics.load(this.#wishes, wish.everything) !== 0;
  }

  /** From membership: the next heartbeat of each node is to be told as a whole message. */
  askForWhole(): void {
    Atomics.add(this.#wishes, wish.wholes, 1);
  }

  /** How often that was wished. */
  get wholes(): number {
    return Atomics.load(this.#wishes, wish.wholes);
  }
}
