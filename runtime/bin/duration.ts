/** Durations on the command line: `5s`, `500ms`, `2m`, `1.5s`; a bare number is seconds. (ha.cf has its own grammar: conf/time.ts.) */
import { InvalidArgumentError } from 'commander';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, '': 1_000 };

/** What a timer of Node can wait [ms]; a longer one would fire at once. */
const longestMs = 24 * 24 * 3_600_000;

/** @returns milliseconds. @throws InvalidArgumentError (commander prints it and exits) for anything else */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text);
  const factor = match === null ? undefined : unitMs[match[2] ?? ''];
  if (match === null || factor === undefined) throw new InvalidArgumentError('write a duration like 5s, 500ms or 2m');
  const durationMs = Number(match[1]) * factor;
  if (durationMs > longestMs) throw new InvalidArgumentError('a duration is at most 24 days');
  return durationMs;
}
