/**
 * The lines of `ip -ts -o monitor address` and `ip -o address show` (TZ=UTC) as data. Pure.
 */

/** An address came to an interface or left it. */
export interface AddressChange {
  /** The kernel's news as `ip` stamped it [epoch ms, with fraction]; null in a listing, which has no times. */
  readonly atMs: number | null;
  readonly device: string;
  /** Without the prefix length. */
  readonly address: string;
  readonly present: boolean;
  /** IPv6 before duplicate address detection has passed: not usable yet. */
  readonly tentative: boolean;
}

const linePattern =
  /^(?:\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})\] )?(Deleted )?\d+: (\S+)\s+inet6? ([0-9a-f.:]+)(?:\/\d+)? (.*)$/;

/** One line; null for a line that tells of something else. */
export function parseAddressLine(line: string): AddressChange | null {
  const match = linePattern.exec(line);
  if (match === null) return null;
  const [, seconds, micros, deleted, device = '', address = '', rest = ''] = match;
  const atMs = seconds === undefined ? null : Date.parse(`${seconds}Z`) + Number(micros) / 1_000;
  return { atMs, device, address, present: deleted === undefined, tentative: /\btentative\b/.test(rest) };
}
