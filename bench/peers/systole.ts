/**
 * Systole itself, as an operator runs it: real-time scheduling as by default, signed messages, a log file, one address in haresources.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { adminEvents, adminRequest, type EventStream } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import type { Host } from '../../test/net/lab/host.ts';
import type { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import { advertiseDeadtime, heartbeatPort } from './advertised.ts';
import { clusterHaCf, haresourcesFor } from './ha-cf.core.ts';
import type { Arena, Fault, Match, Peer, Timing } from './peer.ts';
import { descendants, endOf, endProcess } from './processes.ts';

const deathEvent = v.object({ event: v.literal('node.dead'), node: v.string(), decidedMs: v.number() });
const statusAnswer = v.object({
  status: v.string(),
  nodes: v.array(v.object({ name: v.string(), status: v.string() })),
  resources: v.object({ rscstatus: v.string() }),
});

/** How often each node is asked for its status under stress: as soon as it has answered, and this much later [ms]. */
const statusPauseMs = 20;

/** Nodes that work while they beat: garbage is collected all the time, scripts are run, and clients ask for the status in a loop. */
const stressEnvironment = {
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('../soak/force-gc.mjs', import.meta.url))}`,
};
const stressDirectives = 'monitor 1s\n';
const stressResources = (arena: Arena): string =>
  [arena.survivor.name, arena.victim.name].map((name) => `${name} service::of-${name}\n`).join('');

function systolePeer(stressed: boolean): Peer {
  return {
    name: 'systole',
    takesAddress: true,
    statesDeaths: true,
    missing: () => null,
    supports: ({ deadtimeMs }) => ({ ok: true, deadtimeMs }),
    start: async (arena, timing) => {
      const match = new SystoleMatch(arena, timing, stressed);
      await match.begin();
      return match;
    },
  };
}

export const systole: Peer = systolePeer(false);

/** For the soak test: collections are forced, scripts fork all the time, clients read. */
export const stressedSystole: Peer = systolePeer(true);

class SystoleMatch implements Match {
  readonly #arena: Arena;
  readonly #timing: Timing;
  readonly #deaths: number[] = [];
  readonly #processes: Record<'survivor' | 'victim', LabProcess>;
  readonly #stressed: boolean;
  #events: EventStream | null = null;
  #stopped = false;

  constructor(arena: Arena, timing: Timing, stressed: boolean) {
    this.#arena = arena;
    this.#timing = timing;
    this.#stressed = stressed;
    for (const role of ['survivor', 'victim'] as const) {
      arena[role].configure({
        haCf: clusterHaCf(arena, role, timing) + (stressed ? stressDirectives : ''),
        haresources: haresourcesFor(arena) + (stressed ? stressResources(arena) : ''),
      });
    }
    this.#processes = { survivor: this.#start('survivor'), victim: this.#start('victim') };
  }

  #start(role: 'survivor' | 'victim'): LabProcess {
    return this.#arena[role].startSystole([], this.#stressed ? stressEnvironment : {});
  }

  /** A client that asks as long as it is answered, and does not care what. */
  async #readStatus(role: 'survivor' | 'victim'): Promise<void> {
    while (!this.#stopped) {
      await adminRequest(socketOf(this.#arena[role]), 'status', {}, 10_000);
      await delay(statusPauseMs);
    }
  }

  async begin(): Promise<void> {
    await this.#status('survivor');
    await this.#listen();
    if (this.#stressed) for (const role of ['survivor', 'victim'] as const) void this.#readStatus(role);
  }

  /** Resolves once the survivor tells its events; again after the survivor has restarted itself. */
  async #listen(): Promise<void> {
    if (this.#events !== null) return;
    await new Promise<void>((resolve) => {
      const stream = adminEvents(
        socketOf(this.#arena.survivor),
        (event) => {
          const death = v.safeParse(deathEvent, event);
          // A node whose own heart has stood still calls itself dead and starts anew: that is told by its silence.
          if (death.success && death.output.node === this.#arena.victim.name) this.#deaths.push(death.output.decidedMs);
        },
        resolve,
      );
      this.#events = stream;
      void stream.ended.then(() => {
        if (this.#events === stream) this.#events = null;
        resolve();
      });
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
        await this.#listen();
        const [survivor, victim] = [await this.#status('survivor'), await this.#status('victim')];
        const seen = survivor.nodes.find((node) => node.name === this.#arena.victim.name)?.status;
        if (seen !== 'active' || survivor.resources.rscstatus !== 'local' || victim.resources.rscstatus !== 'local')
          throw new Error(`${seen}, ${survivor.resources.rscstatus}, ${victim.resources.rscstatus}`);
        return advertiseDeadtime(this.#arena, this.#timing.deadtimeMs);
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
    this.#processes.victim = this.#start('victim');
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
    this.#stopped = true;
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
