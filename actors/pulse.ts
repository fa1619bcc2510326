/**
 * The pulse board: when each node was last heard on each link, in shared memory.
 *
 * Media stamp it at reception, before anything queues; membership reads it before it declares a death. So a slow consumer can never
 * turn a live node into a dead one. A stamp is made only for a status message that is *newer* (generation, then sequence) than what has been
 * seen of that node: for the life of a link on this link, for the life of the node on any. So a replayed packet cannot keep a dead node alive,
 * not even over a link that was down when it was sent.
 */
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import { ms } from '../runtime/units.ts';

/** Names of rows and columns, and the shared memory itself: structured-clone safe, goes into the actors' init. */
export interface PulseBoardShape {
  readonly nodes: readonly NodeName[];
  readonly links: readonly LinkName[];
  /**
   * rows (nodes, then spare ones) × links instants [ns of CLOCK_MONOTONIC], 0 = never; then one such instant for each row; then the newest
   * status of each (generation × 2^32 + sequence).
   */
  readonly memory: SharedArrayBuffer;
  /** Names of the nodes that came at run time, for the spare rows: how many [int32], then {@link nameBytes} for each. */
  readonly added: SharedArrayBuffer;
}

/** Nodes that may be added while we run; a later one is heard all the same, but its heartbeats are not stamped at reception. */
const spareRows = 64;
/** Length byte and name. */
const nameBytes = 128;
const countBytes = 4;

/** Makes an empty board. Called once by the MCP. */
export function createPulseBoard(nodes: readonly NodeName[], links: readonly LinkName[]): PulseBoardShape {
  return {
    nodes,
    links,
    memory: new SharedArrayBuffer((nodes.length + spareRows) * (links.length + 2) * BigInt64Array.BYTES_PER_ELEMENT),
    added: new SharedArrayBuffer(countBytes + spareRows * nameBytes),
  };
}

/** Generations and sequences are compared in 31 and 32 bits; a generation is a count, or seconds since 1970, until 2038. */
const bits = 32n;
const mostGenerations = 0x7fff_ffff;
const mostSequences = 0xffff_ffff;

/** One thread's view of the board. */
export class PulseBoard {
  readonly #stamps: BigInt64Array;
  readonly #rows: Map<string, number>;
  readonly #added: PulseBoardShape['added'];
  readonly #addedCount: Int32Array;
  readonly #firstSpare: number;
  #knownAdded = 0;
  readonly #columns: ReadonlyMap<string, number>;
  readonly #columnCount: number;
  /** The first of the nodes' instants, and of their newest statuses. */
  readonly #heardAt: number;
  readonly #newestAt: number;

  constructor(shape: PulseBoardShape) {
    this.#stamps = new BigInt64Array(shape.memory);
    this.#rows = new Map(shape.nodes.map((name, index) => [name, index]));
    this.#added = shape.added;
    this.#addedCount = new Int32Array(shape.added, 0, 1);
    this.#firstSpare = shape.nodes.length;
    this.#columns = new Map(shape.links.map((name, index) => [name, index]));
    this.#columnCount = shape.links.length;
    const rows = shape.nodes.length + spareRows;
    this.#heardAt = rows * shape.links.length;
    this.#newestAt = this.#heardAt + rows;
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
    const place = Buffer.from(this.#added, countBytes + index * nameBytes, nameBytes);
    place[0] = name.length;
    place.set(name, 1);
    Atomics.store(this.#addedCount, 0, index + 1);
  }

  #learnAdded(): void {
    const count = Atomics.load(this.#addedCount, 0);
    for (; this.#knownAdded < count; this.#knownAdded++) {
      const place = Buffer.from(this.#added, countBytes + this.#knownAdded * nameBytes, nameBytes);
      this.#rows.set(place.toString('latin1', 1, 1 + (place[0] ?? 0)), this.#firstSpare + this.#knownAdded);
    }
  }

  /** Column of a link, or -1. */
  column(link: string): number {
    return this.#columns.get(link) ?? -1;
  }

  /** Stamps a node and its link as heard, whatever was heard: for ping nodes, whose answers the caller has told apart. @param atNs CLOCK_MONOTONIC [ns] */
  stamp(row: number, column: number, atNs: bigint): void {
    Atomics.store(this.#stamps, row * this.#columnCount + column, atNs);
    Atomics.store(this.#stamps, this.#heardAt + row, atNs);
  }

  /**
   * Stamps a link as heard, by a status that is new on this link, and the node, when the status is the newest on all links.
   *
   * @param generation 0 or more; what is over 2^31 counts as 2^31
   * @param sequence   0 or more; what is over 2^32 counts as 2^32
   * @param atNs       CLOCK_MONOTONIC [ns]
   */
  stampStatus(row: number, column: number, generation: number, sequence: number, atNs: bigint): void {
    Atomics.store(this.#stamps, row * this.#columnCount + column, atNs);
    const status = (BigInt(Math.min(generation, mostGenerations)) << bits) + BigInt(Math.min(sequence, mostSequences));
    if (this.#raise(this.#newestAt + row, status)) this.#raise(this.#heardAt + row, atNs);
  }

  /** Makes a number larger, whatever other threads do to it meanwhile. @returns false when it was as large already */
  #raise(at: number, value: bigint): boolean {
    let known = Atomics.load(this.#stamps, at);
    while (known < value) {
      const found = Atomics.compareExchange(this.#stamps, at, known, value);
      if (found === known) return true;
      known = found;
    }
    return false;
  }

  /** When a node was last heard on one link [ms of the monotonic clock]; null = never, or not on this board. */
  heardOn(node: NodeName, link: LinkName): Ms | null {
    const row = this.row(node);
    const column = this.column(link);
    if (row < 0 || column < 0) return null;
    const stampNs = Atomics.load(this.#stamps, row * this.#columnCount + column);
    return stampNs === 0n ? null : ms(Number(stampNs) / 1e6);
  }

  /** When a node was last heard on any link [ms of the monotonic clock]; null = never. */
  heard(node: NodeName): Ms | null {
    const row = this.row(node);
    if (row < 0) return null;
    const latestNs = Atomics.load(this.#stamps, this.#heardAt + row);
    return latestNs === 0n ? null : ms(Number(latestNs) / 1e6);
  }
}
