/**
 * The pulse board: when each node was last heard on each link, in shared memory.
 *
 * Media stamp it at reception, before anything queues; membership reads it before it declares a death. So a slow consumer can never
 * turn a live node into a dead one. A stamp is made only for a status message that is *newer* (generation, then sequence) than
 * what this medium has seen of that node: a replayed packet cannot keep a dead node alive.
 */
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import { ms } from '../runtime/units.ts';

/** Names of rows and columns, and the shared memory itself: structured-clone safe, goes into the actors' init. */
export interface PulseBoardShape {
  readonly nodes: readonly NodeName[];
  readonly links: readonly LinkName[];
  /** nodes × links instants [ns of CLOCK_MONOTONIC], 0 = never. */
  readonly memory: SharedArrayBuffer;
}

/** Makes an empty board. Called once by the MCP. */
export function createPulseBoard(nodes: readonly NodeName[], links: readonly LinkName[]): PulseBoardShape {
  return {
    nodes,
    links,
    memory: new SharedArrayBuffer(Math.max(1, nodes.length * links.length) * BigInt64Array.BYTES_PER_ELEMENT),
  };
}

/** One thread's view of the board. */
export class PulseBoard {
  readonly #stamps: BigInt64Array;
  readonly #rows: ReadonlyMap<string, number>;
  readonly #columns: ReadonlyMap<string, number>;
  readonly #columnCount: number;

  constructor(shape: PulseBoardShape) {
    this.#stamps = new BigInt64Array(shape.memory);
    this.#rows = new Map(shape.nodes.map((name, index) => [name, index]));
    this.#columns = new Map(shape.links.map((name, index) => [name, index]));
    this.#columnCount = shape.links.length;
  }

  /** Row of a node, or -1 for a stranger. */
  row(node: string): number {
    return this.#rows.get(node) ?? -1;
  }

  /** Column of a link, or -1. */
  column(link: string): number {
    return this.#columns.get(link) ?? -1;
  }

  /** Stamps "heard now". @param atNs CLOCK_MONOTONIC [ns] */
  stamp(row: number, column: number, atNs: bigint): void {
    Atomics.store(this.#stamps, row * this.#columnCount + column, atNs);
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
    let latestNs = 0n;
    for (let column = 0; column < this.#columnCount; column++) {
      const stampNs = Atomics.load(this.#stamps, row * this.#columnCount + column);
      if (stampNs > latestNs) latestNs = stampNs;
    }
    return latestNs === 0n ? null : ms(Number(latestNs) / 1e6);
  }
}
