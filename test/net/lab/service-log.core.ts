/**
 * The log of the stand-in service script (service.sh) as data. Pure.
 */

/** One line of the log: a call began, the service went up or down, or the call ended. */
export type ServiceLogEntry =
  | { readonly what: 'call'; readonly atMs: number; readonly name: string; readonly action: string }
  | { readonly what: 'up' | 'down'; readonly atMs: number; readonly name: string }
  | {
      readonly what: 'exit';
      readonly atMs: number;
      readonly name: string;
      readonly action: string;
      readonly code: number;
    };

/**
 * Reads the log; `atMs` is wall-clock time since the epoch [ms, with fraction].
 *
 * A last line without its newline is still being written and is left out. Lines that are not the script's are left out too.
 */
export function parseServiceLog(text: string): ServiceLogEntry[] {
  const entries: ServiceLogEntry[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [stamp, name, what, action, code] = line.split(' ');
    if (stamp === undefined || !/^\d{19}$/.test(stamp) || name === undefined) continue;
    const atMs = nanosecondsToMs(stamp);
    if (what === 'up' || what === 'down') entries.push({ what, atMs, name });
    else if (what === 'call') entries.push({ what, atMs, name, action: action ?? '' });
    else if (what === 'exit') entries.push({ what, atMs, name, action: action ?? '', code: Number(code) });
  }
  return entries;
}

/** Whole milliseconds and the rest apart: 19 digits do not fit in a double. */
function nanosecondsToMs(digits: string): number {
  return Number(digits.slice(0, -6)) + Number(digits.slice(-6)) / 1e6;
}
