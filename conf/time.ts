/**
 * The time grammar of ha.cf: `2`, `1.5`, `500ms`, `250000us`.
 */
import { type Ms, ms } from '../runtime/units.ts';

/** Largest time that is read [ms]: whole milliseconds are exact up to here, and no cluster waits 285,000 years. */
const largestMs = Number.MAX_SAFE_INTEGER;
/** From here on nobody means microseconds [ms]. */
const exactBelowMs = 100;

/**
 * Reads a time as Heartbeat does: digits and dots, then nothing (seconds), `ms…`, `us…` or `usec…`, of which only the start is compared,
 * in any case. A second dot ends the number (`1.5.2` is 1.5). Rounded to whole milliseconds, halves up.
 *
 * @returns the time [ms, >= 0], or null when the text is no time: a sign, `s`, `sec`, `m`, an exponent
 */
export function parseTime(text: string): Ms | null {
  const valueMs = readTime(text);
  return valueMs === null ? null : ms(wholeMs(valueMs));
}

/**
 * The same to the microsecond below {@link exactBelowMs}: for the times of a heartbeat, where half a millisecond is worth having. What Heartbeat takes
 * for nothing (less than half a millisecond) is nothing here too.
 */
export function parseExactTime(text: string): Ms | null {
  const valueMs = readTime(text);
  if (valueMs === null) return null;
  return ms(valueMs < 0.5 || valueMs >= exactBelowMs ? wholeMs(valueMs) : Math.round(valueMs * 1_000) / 1_000);
}

function readTime(text: string): number | null {
  const match = /^[ \t]*([0-9.]+)[ \t]*(.*)$/s.exec(text);
  if (match === null) return null;
  const [, digits = '', unit = ''] = match;
  const perUnit = unitMs(unit.toLowerCase());
  if (perUnit === null) return null;
  const number = Number(/^[0-9]*(\.[0-9]*)?/.exec(digits)?.[0].replace(/^\.?$/, '0') ?? '0');
  const valueMs = (number * perUnit.times) / perUnit.dividedBy;
  return wholeMs(valueMs) <= largestMs ? valueMs : null;
}

const wholeMs = (valueMs: number): number => Math.floor(valueMs + 0.5);

/** As a fraction, since a microsecond has no exact binary form: 500us must round up. */
function unitMs(unit: string): { readonly times: number; readonly dividedBy: number } | null {
  if (unit === '') return { times: 1000, dividedBy: 1 };
  if (unit.startsWith('ms')) return { times: 1, dividedBy: 1 };
  if (unit.startsWith('us')) return { times: 1, dividedBy: 1000 };
  return null;
}

/** A time as the original writes computed defaults: `6000ms`. */
export function formatMs(value: number): string {
  return `${value}ms`;
}
