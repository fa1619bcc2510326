/**
 * BFD control packets (RFC 5880), as far as the benchmark looks at them.
 */

/** UDP port of single-hop BFD (RFC 5881). */
export const bfdPort = 3784;

const states = ['admin-down', 'down', 'init', 'up'] as const;

/** State of the sender's session; null for what is no BFD control packet of version 1. */
export function bfdState(payload: Uint8Array): (typeof states)[number] | null {
  const [first, second] = payload;
  if (payload.length < 24 || first === undefined || second === undefined || first >> 5 !== 1) return null;
  return states[second >> 6] ?? null;
}
