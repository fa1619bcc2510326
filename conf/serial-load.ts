/**
 * Whether the serial lines of ha.cf can carry the heartbeats that it asks for.
 */
import type { MediumSpec } from './settings.ts';

/** Start bit, eight data bits, stop bit. */
const bitsPerByte = 10;
/**
 * A status in classic text, without its sender's name [bytes]: 201 to 207 with a name of five letters and sha1 in recordings of Heartbeat
 * 3.0.6 (one of md5 has 8 less, one of our own longer signatures 24 more).
 */
const statusBytes = 200;
/**
 * Share of a line that heartbeats may take. The rest is for what comes in bursts: the dialogue of a start or a takeover is about ten messages
 * each way, and lost ones are sent again.
 */
const sensibleShare = 0.5;

interface Times {
  readonly keepaliveMs: number;
  /** Names of the nodes, ping nodes left out. */
  readonly nodes: readonly string[];
}

export interface SlowLine {
  readonly medium: Extract<MediumSpec, { readonly kind: 'serial' }>;
  /** What the line is given in each keepalive time [bytes], and how long it takes for that [ms]. */
  readonly bytes: number;
  readonly takesMs: number;
  /** The least speed of ha.cf `baud` that is enough [bit/s], and the least keepalive time at the present speed [ms]. */
  readonly enoughBaud: number | null;
  readonly enoughKeepaliveMs: number;
}

const speeds = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

/**
 * The serial lines that heartbeats alone fill by more than half.
 *
 * A line carries our own status in each keepalive time; in a ring (three nodes or more, several ports) also those of the others, which are
 * passed on.
 */
export function slowLines(media: readonly MediumSpec[], { keepaliveMs, nodes }: Times): readonly SlowLine[] {
  const lines = media.filter((medium) => medium.kind === 'serial');
  const isRing = lines.length > 1 && nodes.length > 2;
  const longestName = Math.max(0, ...nodes.map(({ length }) => length));
  const bytes = (isRing ? nodes.length - 1 : 1) * (statusBytes + longestName);
  return lines.flatMap((medium) => {
    const takesMs = (baud: number): number => (bytes * bitsPerByte * 1_000) / baud;
    if (takesMs(medium.baud) <= sensibleShare * keepaliveMs) return [];
    return [
      {
        medium,
        bytes,
        takesMs: Math.round(takesMs(medium.baud)),
        enoughBaud: speeds.find((speed) => takesMs(speed) <= sensibleShare * keepaliveMs) ?? null,
        enoughKeepaliveMs: Math.ceil(takesMs(medium.baud) / sensibleShare / 10) * 10,
      },
    ];
  });
}
