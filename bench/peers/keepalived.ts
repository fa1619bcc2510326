/**
 * keepalived, twice: VRRP, which takes the address, and its BFD, which is a detector alone.
 */
import type { CapturedPacket } from '../detect/referee.ts';
import { bfdEpisodeMs, bfdPort, bfdSaysDead, bfdState } from './bfd.core.ts';
import { installed } from './installed.ts';
import { Pair, type Program, type Role } from './pair.ts';
import type { Arena, Peer, Timing } from './peer.ts';

const vrrpProtocol = 112;
/** Priorities: the victim is master while it lives. */
const priorities = { survivor: 253, victim: 254 } as const;
/** VRRP and BFD count missed packets: the dead time is this many intervals. */
const intervals = 3;
const missing = (): string | null => installed('keepalived', 'keepalived');
/** Third byte of an advertisement (RFC 5798); 0: the master resigns. */
const vrrpPriority = (payload: Buffer): number | undefined => payload[2];
const notThree = { ok: false, why: `the dead time is ${intervals} intervals` } as const;

export const keepalivedVrrp: Peer = {
  name: 'keepalived-vrrp',
  takesAddress: true,
  hasOwnMedium: true,
  missing,
  supports: ({ keepaliveMs, deadtimeMs }) => {
    if (deadtimeMs !== intervals * keepaliveMs) return notThree;
    if (keepaliveMs % 10 !== 0) return { ok: false, why: 'advertisements come in steps of 10 ms' };
    // RFC 5798: three intervals and the skew of the lower priority.
    return { ok: true, deadtimeMs: deadtimeMs + ((256 - priorities.survivor) / 256) * keepaliveMs };
  },
  start: async (arena, timing) => new Pair(arena, vrrp(arena, timing)),
};

export const keepalivedBfd: Peer = {
  name: 'keepalived-bfd',
  takesAddress: false,
  episodeMs: bfdEpisodeMs,
  hasOwnMedium: true,
  missing,
  supports: ({ keepaliveMs, deadtimeMs }) =>
    deadtimeMs === intervals * keepaliveMs ? { ok: true, deadtimeMs } : notThree,
  start: async (arena, timing) => new Pair(arena, bfd(arena, timing)),
};

function globals(priority: number | null): string {
  const realtime = ['vrrp', 'bfd'].flatMap((part) =>
    // Without a limit of its own, keepalived gives its real-time processes one that a busy machine exceeds.
    priority === null ? [] : [`  ${part}_rt_priority ${priority}`, `  ${part}_rlimit_rttime 10000000`],
  );
  return ['global_defs {', '  router_id bench', '  vrrp_version 3', ...realtime, '}', ''].join('\n');
}

const command = (own: string): readonly string[] =>
  // Files of its own in the host's private directory; no health checkers.
  [
    'keepalived',
    '-n',
    '-l',
    '-f',
    own,
    '-p',
    '/run/kd.pid',
    '-r',
    '/run/kd-vrrp.pid',
    '-c',
    '/run/kd-check.pid',
    '-b',
    '/run/kd-bfd.pid',
  ];

function vrrp(arena: Arena, { keepaliveMs }: Timing): Program {
  return {
    name: 'keepalived',
    prepare: (host, role: Role) => {
      host.writeFile(
        '/etc/ha.d/keepalived.conf',
        `${globals(arena.realtimePriority)}
vrrp_instance bench {
  state BACKUP
  interface ${arena.device}
  virtual_router_id 77
  priority ${priorities[role]}
  advert_int ${keepaliveMs / 1_000}
  virtual_ipaddress {
    ${arena.serviceAddress}/24 dev ${arena.device}
  }
}
`,
      );
      return command('/etc/ha.d/keepalived.conf');
    },
    isHeartbeat: (packet) => packet.way === 'in' && packet.protocol === vrrpProtocol,
    isReaction: (packet) => packet.way === 'out' && packet.protocol === vrrpProtocol,
    isSteady: ({ referee }) =>
      referee.lastPacket((packet) => packet.way === 'in' && packet.protocol === vrrpProtocol, 500) !== null &&
      referee.lastPacket((packet) => packet.way === 'out' && packet.protocol === vrrpProtocol, 500) === null,
  };
}

function bfd(arena: Arena, { keepaliveMs }: Timing): Program {
  return {
    name: 'keepalived',
    prepare: (host, role: Role) => {
      const [own, other] =
        role === 'survivor'
          ? [arena.survivorAddress, arena.victimAddress]
          : [arena.victimAddress, arena.survivorAddress];
      // keepalived runs no BFD without something that uses it, and its BFD packets show a death only at their next turn: a VRRP instance, out of the
      // way on the loopback device, whose master is the survivor. It resigns, by a packet, as soon as BFD finds the victim dead.
      host.writeFile(
        '/etc/ha.d/keepalived.conf',
        `${globals(arena.realtimePriority)}
bfd_instance bench {
  neighbor_ip ${other}
  source_ip ${own}
  min_rx ${keepaliveMs}
  min_tx ${keepaliveMs}
  multiplier ${intervals}
}
vrrp_instance bench {
  state BACKUP
  interface ${arena.device}
  virtual_router_id 77
  priority ${priorities[role === 'survivor' ? 'victim' : 'survivor']}
  advert_int 1
  virtual_ipaddress {
    192.0.2.1/32 dev lo
  }
  track_bfd {
    bench
  }
}
`,
      );
      return command('/etc/ha.d/keepalived.conf');
    },
    isHeartbeat: (packet) => packet.way === 'in' && packet.destinationPort === bfdPort,
    isReaction: (packet) =>
      packet.way === 'out' &&
      ((packet.destinationPort === bfdPort && bfdSaysDead(packet.payload)) ||
        (packet.protocol === vrrpProtocol && vrrpPriority(packet.payload) === 0)),
    isSteady: ({ referee }) => {
      const advertised = (way: 'in' | 'out', withinMs: number): CapturedPacket | null =>
        referee.lastPacket((packet) => packet.way === way && packet.protocol === vrrpProtocol, withinMs);
      const own = advertised('out', 2_000);
      return (
        referee.bothSay(
          (packet) => packet.destinationPort === bfdPort,
          (packet) => bfdState(packet.payload) === 'up',
        ) &&
        own !== null &&
        vrrpPriority(own.payload) !== 0 &&
        advertised('in', 1_500) === null
      );
    },
  };
}
