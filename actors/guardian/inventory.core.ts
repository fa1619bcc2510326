/**
 * What runs on this node and must be stopped when the daemon dies: the guardian's whole knowledge.
 */
import type { HeldResource } from './protocol.ts';

export class Inventory {
  readonly #held = new Map<string, HeldResource>();

  get size(): number {
    return this.#held.size;
  }

  /** Adds a resource as the last one started; one that is held already keeps its place. */
  hold(resource: HeldResource): void {
    this.#held.set(resource.id, resource);
  }

  /** Removes a resource; one that is not held is no error, since a stop may be reported for what never ran. */
  drop(id: string): void {
    this.#held.delete(id);
  }

  /** In the order they were started. */
  list(): readonly HeldResource[] {
    return [...this.#held.values()];
  }

  /** The order of release: last started, first stopped. */
  releaseOrder(): readonly HeldResource[] {
    return this.list().toReversed();
  }
}
