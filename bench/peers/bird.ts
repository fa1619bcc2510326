/**
 * BFD of BIRD 2: a detector alone, so the figures end at its decision, which its next packet shows.
 */
import type { Host } from '../../test/net/lab/host.ts';
import { bfdEpisodeMs, bfdPort, bfdSaysDead, bfdState } from './bfd.core.ts';
import { installed } from './installed.ts';
import { Pair, type Program, type Role } from './pair.ts';
import type { Arena, Peer, Timing } from './peer.ts';

/** BFD counts missed packets: the dead time is this many intervals. */
const multiplier = 3;

export const bird: Peer = {
  name: 'bird-bfd',
  takesAddress: false,
  episodeMs: bfdEpisodeMs,
  hasOwnMedium: true,
  missing: () => installed('bird', 'bird2'),
  supports: ({ keepaliveMs, deadtimeMs }) =>
    deadtimeMs === multiplier * keepaliveMs
      ? { ok: true, deadtimeMs }
      : { ok: false, why: `the dead time is ${multiplier} intervals` },
  start: async (arena, timing) => new Pair(arena, program(arena, timing)),
};

function program(arena: Arena, { keepaliveMs }: Timing): Program {
  return {
    name: 'bird',
    prepare: (host: Host, role: Role) => {
      const [own, other] =
        role === 'survivor'
          ? [arena.survivorAddress, arena.victimAddress]
          : [arena.victimAddress, arena.survivorAddress];
      host.writeFile(
        '/etc/ha.d/bird.conf',
        `router id ${own};
protocol device {}
protocol bfd {
  interface "${arena.device}" {
    min rx interval ${keepaliveMs} ms; min tx interval ${keepaliveMs} ms; idle tx interval 100 ms; multiplier ${multiplier};
  };
  neighbor ${other} dev "${arena.device}" local ${own};
}
`,
      );
      const command = ['bird', '-f', '-c', '/etc/ha.d/bird.conf', '-s', '/run/bird.ctl'];
      return arena.realtimePriority === null ? command : ['chrt', '-r', String(arena.realtimePriority), ...command];
    },
    isHeartbeat: (packet) => packet.way === 'in' && packet.destinationPort === bfdPort,
    isReaction: (packet) => packet.way === 'out' && packet.destinationPort === bfdPort && bfdSaysDead(packet.payload),
    isSteady: ({ referee }) =>
      referee.bothSay(
        (packet) => packet.destinationPort === bfdPort,
        (packet) => bfdState(packet.payload) === 'up',
      ),
  };
}
