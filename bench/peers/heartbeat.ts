/**
 * Linux-HA heartbeat 3.0.6 itself, with the same configuration as ours. It says nothing by itself: its decision is the first packet (the
 * `stonith` message, which it sends with or without a fencing device) or address that shows it.
 */

import { eventually } from '../../test/net/lab/wait.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import { advertiseDeadtime, heartbeatPort } from './advertised.ts';
import { clusterHaCf, haresourcesFor } from './ha-cf.core.ts';
import { installed } from './installed.ts';
import type { Arena, Fault, Match, Peer, Timing } from './peer.ts';
import { endProcess } from './processes.ts';

export const heartbeat: Peer = {
  name: 'heartbeat-3.0.6',
  takesAddress: true,
  missing: () => installed('/usr/libexec/heartbeat/heartbeat', 'heartbeat'),
  supports: ({ deadtimeMs }) => ({ ok: true, deadtimeMs }),
  start: async (arena, timing) => {
    const match = new HeartbeatMatch(arena, timing);
    await match.begin();
    return match;
  },
};

class HeartbeatMatch implements Match {
  readonly #arena: Arena;
  readonly #timing: Timing;

  constructor(arena: Arena, timing: Timing) {
    this.#arena = arena;
    this.#timing = timing;
    for (const role of ['survivor', 'victim'] as const)
      arena[role].configure({ haCf: clusterHaCf(arena, role, timing), haresources: haresourcesFor(arena) });
  }

  async begin(): Promise<void> {
    await Promise.all([this.#arena.survivor.startHeartbeat(), this.#arena.victim.startHeartbeat()]);
  }

  async steady(): Promise<void> {
    const { survivor, victim, serviceAddress } = this.#arena;
    await eventually(
      async () => {
        const held = [await survivor.addresses(), await victim.addresses()].map((list) =>
          list.includes(serviceAddress),
        );
        if (held[0] === true || held[1] !== true) throw new Error(`address held: ${held.join(', ')}`);
        return advertiseDeadtime(this.#arena, this.#timing.deadtimeMs);
      },
      { what: 'the address with the victim', timeoutMs: 90_000, intervalMs: 100 },
    );
  }

  victimPids(): readonly number[] {
    return pidsOn(this.#arena, 'victim');
  }

  survivorPids(): readonly number[] {
    return pidsOn(this.#arena, 'survivor');
  }

  async recover(_fault: Fault): Promise<void> {
    // A heartbeat that finds itself cut off restarts by itself some time later: a new one is quicker, and always in the same state.
    for (const pid of this.victimPids()) endProcess(pid);
    await eventually(() => this.victimPids().length === 0, { what: 'heartbeat on the victim to end' });
    const { victim, serviceAddress, device } = this.#arena;
    await victim.exec(['ip', 'address', 'del', `${serviceAddress}/24`, 'dev', device]);
    await victim.startHeartbeat();
  }

  decidedMs(): null {
    return null;
  }

  deaths(): number {
    return [...this.#arena.survivor.log().matchAll(/node victim: is dead/g)].length;
  }

  isHeartbeat(packet: CapturedPacket): boolean {
    return packet.way === 'in' && packet.destinationPort === heartbeatPort && packet.payload.includes('t=status');
  }

  isReaction(packet: CapturedPacket): boolean {
    return packet.way === 'out' && packet.destinationPort === heartbeatPort && packet.payload.includes('t=stonith');
  }

  async stop(): Promise<void> {
    for (const role of ['survivor', 'victim'] as const) {
      for (const pid of pidsOn(this.#arena, role)) endProcess(pid);
      await eventually(() => pidsOn(this.#arena, role).length === 0, { what: 'heartbeat to end' });
    }
  }
}

function pidsOn(arena: Arena, role: 'survivor' | 'victim'): number[] {
  return arena[role].processes().flatMap((entry) => (entry.name === 'heartbeat' ? [entry.pid] : []));
}
