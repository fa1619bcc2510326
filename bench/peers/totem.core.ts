/**
 * Packets of corosync's Totem protocol without encryption, over its transport `udpu`, as far as the benchmark looks at them. All numbers are in the
 * sender's byte order: little endian on the machines that the benchmark runs on.
 *
 * Header, 13 bytes: magic 0xc070, version, type, encapsulated, node id, target node id. A join message goes on with the sender, the number of
 * nodes that it sees, and the number of nodes that it holds for failed, 4 bytes each.
 */

/** UDP port of the protocol, `mcastport` in corosync.conf(5). */
export const totemPort = 5405;

const version = 3;
const types = ['token', 'message', 'merge-detect', 'join', 'commit-token', 'token-hold-cancel'] as const;
const failedAt = 21;

/** Null for what is no packet of Totem. */
export function totemType(payload: Buffer): (typeof types)[number] | null {
  if (payload.length < 13 || payload.readUInt16LE(0) !== 0xc070 || payload[2] !== version) return null;
  return types[payload[3] ?? types.length] ?? null;
}

/** Whether the sender says that a node has failed: the first join message after its token and then the consensus timed out. */
export function totemSaysFailed(payload: Buffer): boolean {
  return totemType(payload) === 'join' && payload.length >= failedAt + 4 && payload.readUInt32LE(failedAt) > 0;
}
