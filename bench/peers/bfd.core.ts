/**
 * BFD control packets (RFC 5880), as far as the benchmark looks at them.
 */

/** UDP port of single-hop BFD (RFC 5881). */
export const bfdPort = 3784;

/** A session that is down sends once a second at most (RFC 5880, 6.8.3): packets that say "down" so close together speak of one death [ms]. */
export const bfdEpisodeMs = 1_500;

const states = ['admin-down', 'down', 'init', 'up'] as const;

/** State of the sender's session; null for what is no BFD control packet of version 1. */
export function bfdState(payload: Uint8Array): (typeof states)[number] | null {
  const [first, second] = payload;
  if (payload.length < 24 || first === undefined || second === undefined || first >> 5 !== 1) return null;
  return states[second >> 6] ?? null;
}

/** Diagnostic code for "the detection time has expired" (RFC 5880, 4.1); others tell that the peer has said so, or an operator. */
const expired = 1;

/** Whether the sender says that it has found its peer dead by itself. */
export function bfdSaysDead(payload: Uint8Array): boolean {
  return bfdState(payload) === 'down' && ((payload[0] ?? 0) & 31) === expired;
}
