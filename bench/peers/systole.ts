/**
 * Systole itself, as an operator runs it: real-time scheduling as by default, signed messages, a log file, one address in haresources.
 */
import * as v from 'valibot';
import { adminEvents, adminRequest, type EventStream } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import type { Host } from '../../test/net/lab/host.ts';
import type { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import { clusterHaCf, haresourcesFor } from './ha-cf.core.ts';
import type { Arena, Fault, Match, Peer, Timing } from './peer.ts';
import { descendants, endOf, endProcess } from './processes.ts';

export const heartbeatPort = 694;

/**
 * A node that has just started advertises 2 s more dead time for 5 s: the configured one is in force only after that. Counted from
 * the start of its process [ms].
 */
const settledMs = 7_000;

const deathEvent = v.object({ event: v.literal('node.dead'), decidedMs: v.number() });
const statusAnswer = v.object({
  status: v.string(),
  nodes: v.array(v.object({ name: v.string(), status: v.string() })),
  resources: v.object({ rscstatus: v.string() }),
  process: v.object({ uptimeMs: v.number() }),
});

export const systole: Peer = {
  name: 'systole',
  takesAddress: true,
  missing: () => null,
  supports: ({ deadtimeMs }) => ({ ok: true, deadtimeMs }),
  start: async (arena, timing) => {
    const match = new SystoleMatch(arena, timing);
    await match.begin();
    return match;
  },
};

class SystoleMatch implements Match {
  readonly #arena: Arena;
  readonly #deaths: number[] = [];
  readonly #processes: Record<'survivor' | 'victim', LabProcess>;
  #events: EventStream | null = null;

  constructor(arena: Arena, timing: Timing) {
    this.#arena = arena;
    for (const role of ['survivor', 'victim'] as const) {
      arena[role].configure({
        haCf: clusterHaCf(arena, role, timing),
        haresources: haresourcesFor(arena),
      });
    }
    this.#processes = { survivor: arena.survivor.startSystole(), victim: arena.victim.startSystole() };
  }

  async begin(): Promise<void> {
    await this.#status('survivor');
    this.#events = adminEvents(socketOf(this.#arena.survivor), (event) => {
      const death = v.safeParse(deathEvent, event);
      if (death.success) this.#deaths.push(death.output.decidedMs);
    });
  }

  /** Waits for an answer of a node. */
  async #status(role: 'survivor' | 'victim'): Promise<v.InferOutput<typeof statusAnswer>> {
    return await eventually(
      async () => {
        if (!this.#processes[role].running) throw new Error(this.#processes[role].stderr.trim());
        const answer = await adminRequest(socketOf(this.#arena[role]), 'status', {}, 2_000);
        return answer.kind === 'result' ? v.parse(statusAnswer, answer.result) : null;
      },
      { what: `systole on the ${role}`, timeoutMs: 60_000, intervalMs: 20 },
    );
  }

  async steady(): Promise<void> {
    await eventually(
      async () => {
        const [survivor, victim] = [await this.#status('survivor'), await this.#status('victim')];
        const seen = survivor.nodes.find((node) => node.name === this.#arena.victim.name)?.status;
        if (seen !== 'active' || survivor.resources.rscstatus !== 'local' || victim.resources.rscstatus !== 'local')
          throw new Error(`${seen}, ${survivor.resources.rscstatus}, ${victim.resources.rscstatus}`);
        return victim.process.uptimeMs >= settledMs;
      },
      { what: 'both systole nodes to be active and the address with the victim', timeoutMs: 60_000, intervalMs: 20 },
    );
  }

  victimPids(): readonly number[] {
    const [pid] = hostPids(this.#arena.victim, 'heartbeatd');
    return pid === undefined ? [] : [pid];
  }

  survivorPids(): readonly number[] {
    return hostPids(this.#arena.survivor, 'heartbeatd').flatMap(descendants);
  }

  async recover(fault: Fault): Promise<void> {
    if (fault === 'cut') return;
    for (const pid of this.victimPids()) endProcess(pid);
    await endOf(this.#processes.victim);
    this.#processes.victim = this.#arena.victim.startSystole();
  }

  decidedMs(sinceMs: number): number | null {
    return this.#deaths.find((atMs) => atMs >= sinceMs) ?? null;
  }

  deaths(): number {
    return this.#deaths.length;
  }

  isHeartbeat(packet: CapturedPacket): boolean {
    return packet.way === 'in' && packet.destinationPort === heartbeatPort && packet.payload.includes('t=status');
  }

  isReaction(packet: {
    readonly way: 'in' | 'out';
    readonly destinationPort: number;
    readonly payload: Buffer;
  }): boolean {
    return packet.way === 'out' && packet.destinationPort === heartbeatPort && packet.payload.includes('stonith');
  }

  async stop(): Promise<void> {
    this.#events?.close();
    for (const role of ['survivor', 'victim'] as const) {
      for (const pid of hostPids(this.#arena[role], 'heartbeatd')) endProcess(pid);
      await endOf(this.#processes[role]);
    }
  }
}

function socketOf(host: Host): string {
  return host.outside(adminSocketPath('/var/run/heartbeat'));
}

function hostPids(host: Host, part: string): number[] {
  return host
    .processes()
    .filter((entry) => entry.title.includes(part))
    .map((entry) => entry.pid);
}
