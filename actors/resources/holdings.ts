/**
 * Sets of resource groups as the wire names them. A kind is seen from one node: `local` are the groups that prefer it, `foreign` the others.
 */

/** The bit set `rsc_hold` of the wire: bit 0 local, bit 1 foreign. */
export type Holding = 'none' | 'local' | 'foreign' | 'all';
/** What may be given up or taken: any holding but none. */
export type ResourceSet = Exclude<Holding, 'none'>;
export type Kind = 'local' | 'foreign';

const bits: Readonly<Record<Holding, number>> = { none: 0, local: 1, foreign: 2, all: 3 };
const words: readonly Holding[] = ['none', 'local', 'foreign', 'all'];
const word = (value: number): Holding => words[value & 3] ?? 'none';

/** Reads `rsc_hold`; undefined for any other word. */
export function parseHolding(text: string | undefined): Holding | undefined {
  return words.find((known) => known === text);
}

export function plus(a: Holding, b: Holding): Holding {
  return word(bits[a] | bits[b]);
}

export function minus(a: Holding, b: Holding): Holding {
  return word(bits[a] & ~bits[b]);
}

/** True when `holding` covers every kind of `part`. */
export function includes(holding: Holding, part: Holding): boolean {
  return (bits[holding] & bits[part]) === bits[part];
}

export function kindsOf(holding: Holding): readonly Kind[] {
  return (['local', 'foreign'] as const).filter((kind) => includes(holding, kind));
}

/** The same groups as the other node calls them: what is local here is foreign there. */
export function mirrorSet(set: ResourceSet): ResourceSet {
  if (set === 'local') return 'foreign';
  return set === 'foreign' ? 'local' : set;
}

/**
 * The word of an operator (`hb_standby WORD`) as a set: `failback` stands for the groups that prefer the other node.
 *
 * @returns undefined for a word that is none of `all`, `foreign`, `local`, `failback`
 */
export function parseSet(text: string | undefined): ResourceSet | undefined {
  if (text === 'failback') return 'foreign';
  return text === 'all' || text === 'local' || text === 'foreign' ? text : undefined;
}

/**
 * The word of `hb_takeover WORD`: the set as the asking node sees it. There `failback` stands for what prefers the asker (3.0.6 means this but
 * takes the word for `all`).
 */
export function parseTakeoverSet(text: string | undefined): ResourceSet | undefined {
  return text === 'failback' ? 'local' : parseSet(text);
}
