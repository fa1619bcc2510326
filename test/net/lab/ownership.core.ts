/**
 * Who held which resource when: the referee's book. Pure, so that its judgement can be tested by tables.
 *
 * A resource is a service address or a stand-in service; an owner is a host. All times are wall-clock milliseconds since the epoch,
 * since all hosts of a lab run on one machine and share its clock.
 */

/** A host took hold of a resource, or let it go. */
export interface OwnershipEvent {
  readonly atMs: number;
  readonly host: string;
  readonly resource: string;
  readonly held: boolean;
}

/** A time during which one host held a resource: from `fromMs` up to, but without, `toMs`. */
export interface Holding {
  readonly resource: string;
  readonly host: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A time during which the set of owners did not change. */
export interface Span {
  readonly resource: string;
  /** Sorted; empty in a gap. */
  readonly owners: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly lengthMs: number;
}

/** What a query looks at. */
export interface Range {
  /** Only this resource; all when missing. */
  readonly resource?: string;
  /** Earlier times are cut off [epoch ms]. */
  readonly fromMs?: number;
  /** Later times are cut off [epoch ms]. */
  readonly toMs?: number;
  /** Shorter spans are left out [ms, >= 0]; measured after cutting. */
  readonly atLeastMs?: number;
}

/**
 * The history of all resources up to one moment.
 *
 * @example
 * const timeline = await observer.timeline();
 * expect(timeline.overlaps()).toEqual([]);
 * expect(timeline.owners('10.77.0.100', killedAtMs + 5_000)).toEqual(['node2']);
 */
export class Timeline {
  /** Holdings that have not ended reach up to here. */
  readonly endMs: number;
  readonly #spans: ReadonlyMap<string, readonly Span[]>;

  /** @param events in any order, except that those of one host at the same time stay in theirs; a host that takes what it holds, or lets go what it does not hold, changes nothing */
  constructor(events: readonly OwnershipEvent[], endMs: number) {
    this.endMs = endMs;
    const byResource = new Map<string, OwnershipEvent[]>();
    for (const event of events) {
      if (event.atMs > endMs) continue;
      const list = byResource.get(event.resource);
      if (list === undefined) byResource.set(event.resource, [event]);
      else list.push(event);
    }
    this.#spans = new Map([...byResource].map(([resource, list]) => [resource, spansOf(resource, list, endMs)]));
  }

  /** Every resource that was ever mentioned, sorted. */
  get resources(): readonly string[] {
    return [...this.#spans.keys()].sort();
  }

  /** The hosts that hold a resource at a moment, sorted; by default at the end. */
  owners(resource: string, atMs: number = this.endMs): readonly string[] {
    const spans = this.#spans.get(resource) ?? [];
    const span = spans.findLast((candidate) => candidate.fromMs <= atMs);
    return span === undefined || atMs > this.endMs ? [] : span.owners;
  }

  /** When each host held each resource, by resource and start. */
  holdings(range: Range = {}): readonly Holding[] {
    const holdings: Holding[] = [];
    for (const resource of this.#resourcesIn(range)) {
      const open = new Map<string, number>();
      for (const span of this.#cut(resource, range)) {
        for (const host of span.owners) if (!open.has(host)) open.set(host, span.fromMs);
        for (const [host, fromMs] of open) {
          if (span.owners.includes(host)) continue;
          holdings.push({ resource, host, fromMs, toMs: span.fromMs });
          open.delete(host);
        }
      }
      const toMs = Math.min(range.toMs ?? this.endMs, this.endMs);
      for (const [host, fromMs] of open) holdings.push({ resource, host, fromMs, toMs });
    }
    return holdings.filter((holding) => holding.toMs - holding.fromMs >= (range.atLeastMs ?? 0));
  }

  /** Times with two or more owners: what must not be. */
  overlaps(range: Range = {}): readonly Span[] {
    return this.#select(range, (span) => span.owners.length >= 2);
  }

  /** Times without an owner, from the first owner ever to the end: how long a service was away. */
  gaps(range: Range = {}): readonly Span[] {
    return this.#select(range, (span) => span.owners.length === 0);
  }

  #select(range: Range, wanted: (span: Span) => boolean): readonly Span[] {
    return this.#resourcesIn(range)
      .flatMap((resource) => this.#cut(resource, range))
      .filter((span) => wanted(span) && span.lengthMs > 0 && span.lengthMs >= (range.atLeastMs ?? 0));
  }

  #resourcesIn(range: Range): readonly string[] {
    return range.resource === undefined ? this.resources : [range.resource];
  }

  #cut(resource: string, range: Range): readonly Span[] {
    const cut: Span[] = [];
    for (const span of this.#spans.get(resource) ?? []) {
      const fromMs = Math.max(span.fromMs, range.fromMs ?? span.fromMs);
      const toMs = Math.min(span.toMs, range.toMs ?? span.toMs);
      if (fromMs <= toMs) cut.push({ ...span, fromMs, toMs, lengthMs: toMs - fromMs });
    }
    return cut;
  }
}

/** The spans of one resource from its first owner on; neighbours differ in their owners. */
function spansOf(resource: string, events: readonly OwnershipEvent[], endMs: number): readonly Span[] {
  const changes: { readonly fromMs: number; readonly owners: readonly string[] }[] = [];
  const holders = new Set<string>();
  // Of what happens in one moment only the outcome counts, so a handover without a pause is neither a gap nor an overlap.
  const ordered = events.toSorted((a, b) => a.atMs - b.atMs);
  for (const event of ordered) {
    if (holders.has(event.host) === event.held) continue;
    if (event.held) holders.add(event.host);
    else holders.delete(event.host);
    const owners = [...holders].sort();
    if (changes.at(-1)?.fromMs === event.atMs) changes.pop();
    if (changes.at(-1)?.owners.join() !== owners.join()) changes.push({ fromMs: event.atMs, owners });
  }
  return changes.map(({ fromMs, owners }, index) => {
    const toMs = changes[index + 1]?.fromMs ?? endMs;
    return { resource, owners, fromMs, toMs, lengthMs: toMs - fromMs };
  });
}
