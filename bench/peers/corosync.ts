/**
 * corosync: a membership protocol, so the figures end at its decision. Its sign of life is the token that goes round; when none came for `token`
 * ms it asks who is there, for `consensus` ms (at least 1.2 × token, which it refuses to go below), and only then holds the other node for failed: the
 * packet that says so is its decision. The dead time is its token, so the overhead contains the consensus.
 *
 * The transport is udpu: the default one, knet, watches its links by a timer of its own and cuts them when the token is below 500 ms.
 */
import type { Host } from '../../test/net/lab/host.ts';
import { installed } from './installed.ts';
import { Pair, type Program, type Role } from './pair.ts';
import type { Arena, Peer, Timing } from './peer.ts';
import { totemPort, totemSaysFailed, totemType } from './totem.core.ts';

/** corosync.conf(5), token_retransmit: "The minimum is 30 milliseconds". */
const leastRetransmitMs = 30;
/** The token is sent again after so many keepalive times without an answer: between its hold and the next one. */
const retransmitPerKeepalive = 1.5;
/** What corosync demands of consensus. */
const consensusPerToken = 1.2;
/** A ring that was formed so long ago stands [ms]. */
const settledMs = 600;

const stateDirectory = '/run/corosync-state';
const configuration = '/etc/ha.d/corosync.conf';

export const corosync: Peer = {
  name: 'corosync',
  takesAddress: false,
  hasOwnMedium: true,
  missing: () => installed('corosync', 'corosync'),
  supports: ({ keepaliveMs, deadtimeMs }) => {
    const leastKeepaliveMs = leastRetransmitMs / retransmitPerKeepalive;
    if (![keepaliveMs, deadtimeMs].every(Number.isInteger))
      return { ok: false, why: 'its times are whole milliseconds' };
    if (keepaliveMs < leastKeepaliveMs)
      return {
        ok: false,
        why: `token_retransmit is at least ${leastRetransmitMs} ms, so the token is held for ${leastKeepaliveMs} ms or more`,
      };
    // One lost or late token must not break the ring.
    if (deadtimeMs < 2 * retransmitPerKeepalive * keepaliveMs)
      return { ok: false, why: 'a token below 3 hold times leaves no room to send it again' };
    return { ok: true, deadtimeMs };
  },
  start: async (arena, timing) => new Pair(arena, program(arena, timing)),
};

function program(arena: Arena, { keepaliveMs, deadtimeMs }: Timing): Program {
  return {
    name: 'corosync',
    prepare: (host: Host, _role: Role) => {
      host.writeFile(configuration, configurationOf(arena, keepaliveMs, deadtimeMs));
      const command = [
        'sh',
        '-c',
        `mkdir -p ${stateDirectory} && exec "$@"`,
        'sh',
        'corosync',
        '-f',
        '-c',
        configuration,
      ];
      return arena.realtimePriority === null ? command : ['chrt', '-r', String(arena.realtimePriority), ...command];
    },
    isHeartbeat: (packet) =>
      packet.way === 'in' && packet.destinationPort === totemPort && totemType(packet.payload) === 'token',
    isReaction: (packet) =>
      packet.way === 'out' && packet.destinationPort === totemPort && totemSaysFailed(packet.payload),
    isSteady: ({ referee }) =>
      (['in', 'out'] as const).every((way) => {
        const seen = (type: string): boolean =>
          referee.lastPacket(
            (packet) =>
              packet.way === way && packet.destinationPort === totemPort && totemType(packet.payload) === type,
            settledMs,
          ) !== null;
        return seen('token') && !seen('join') && !seen('commit-token');
      }),
  };
}

/** The same for both nodes: corosync finds itself by its address. */
function configurationOf(arena: Arena, keepaliveMs: number, deadtimeMs: number): string {
  const node = (address: string, id: number): string => `  node {
    ring0_addr: ${address}
    nodeid: ${id}
  }
`;
  return `totem {
  version: 2
  cluster_name: bench
  transport: udpu
  crypto_cipher: none
  crypto_hash: none
  token: ${deadtimeMs}
  hold: ${keepaliveMs}
  token_retransmit: ${Math.floor(retransmitPerKeepalive * keepaliveMs)}
  consensus: ${Math.ceil(consensusPerToken * deadtimeMs)}
}
nodelist {
${node(arena.survivorAddress, 1)}${node(arena.victimAddress, 2)}}
system {
  state_dir: ${stateDirectory}
  sched_rr: no
  priority: 0
}
logging {
  to_syslog: no
  to_stderr: yes
}
`;
}
