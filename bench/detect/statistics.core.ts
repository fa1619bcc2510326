/**
 * Figures in short.
 */

export interface Spread {
  readonly count: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly worst: number;
}

/** Null of nothing. Quantiles are the nearest rank: the smallest value that is not exceeded by that part of all. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const worst = sorted.at(-1);
  if (worst === undefined) return null;
  const rank = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? worst;
  return { count: sorted.length, median: rank(0.5), p90: rank(0.9), p99: rank(0.99), worst };
}

/** Two or three digits that mean something: `0.08`, `1.4`, `250`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 1 ? 2 : size < 10 ? 1 : 0);
}

/** `0.08 / 0.12 / 0.31`, `–` of nothing. */
export function spreadText(values: readonly number[]): string {
  const spread = spreadOf(values);
  return spread === null ? '–' : [spread.median, spread.p90, spread.worst].map(shortNumber).join(' / ');
}
