/**
 * The programs that track a crowd: Systole, and the real heartbeat 3.0.6 with the same files.
 */
import * as v from 'valibot';
import { adminEvents, adminRequest, type EventStream } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import type { Host } from '../../test/net/lab/host.ts';
import type { LabProcess } from '../../test/net/lab/process.ts';
import type { LabArena } from '../detect/arena.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import { heartbeatPort } from '../peers/advertised.ts';
import { installed } from '../peers/installed.ts';
import { descendants } from '../peers/processes.ts';
import { memberFound } from './member.core.ts';

/** A program that runs on the survivor of an arena, started. */
export interface Tracker {
  /** How many simulated nodes are active in its eyes. @throws Error when it has ended */
  activePeers(): Promise<number>;
  /** Its processes, as this machine counts them. */
  pids(): readonly number[];
  /** Its death verdicts from now on: the member's number, and when it was decided [ms, CLOCK_MONOTONIC]. */
  onDeath(tell: (number: number, decidedMs: number) => void): void;
  /** A packet at its interface, either way. */
  onPacket(packet: CapturedPacket): void;
  /** Stops telling; its processes end with the arena. */
  close(): void;
}

export const programs = ['systole', 'heartbeat-3.0.6'] as const;
export type Program = (typeof programs)[number];

/** Why the program cannot run on this machine; null when it can. */
export function missingProgram(program: Program): string | null {
  return program === 'systole' ? null : installed('/usr/libexec/heartbeat/heartbeat', 'heartbeat');
}

/** Starts a program on the survivor, which is configured. */
export async function startTracker(program: Program, arena: LabArena): Promise<Tracker> {
  if (program === 'systole') return new SystoleTracker(arena.survivor);
  await arena.survivor.startHeartbeat();
  return new HeartbeatTracker(arena.survivor);
}

const statusAnswer = v.object({ nodes: v.array(v.object({ name: v.string(), status: v.string() })) });
const deathEvent = v.object({ event: v.literal('node.dead'), node: v.string(), decidedMs: v.number() });

class SystoleTracker implements Tracker {
  readonly #host: Host;
  readonly #socket: string;
  readonly #daemon: LabProcess;
  #events: EventStream | null = null;

  constructor(host: Host) {
    this.#host = host;
    this.#socket = host.outside(adminSocketPath('/var/run/heartbeat'));
    this.#daemon = host.startSystole();
  }

  async activePeers(): Promise<number> {
    if (!this.#daemon.running) throw new Error(this.#daemon.stderr.trim());
    const answer = await adminRequest(this.#socket, 'status', {}, 5_000);
    if (answer.kind !== 'result') return 0;
    const { nodes } = v.parse(statusAnswer, answer.result);
    return nodes.filter((one) => one.name !== this.#host.name && one.status === 'active').length;
  }

  pids(): readonly number[] {
    return withDescendants(this.#host.processes().filter((entry) => entry.title.includes('heartbeatd')));
  }

  onDeath(tell: (number: number, decidedMs: number) => void): void {
    this.#events = adminEvents(this.#socket, (event) => {
      const death = v.safeParse(deathEvent, event);
      const number = death.success ? Number(/^m(\d+)$/.exec(death.output.node)?.[1]) : Number.NaN;
      if (death.success && !Number.isNaN(number)) tell(number, death.output.decidedMs);
    });
  }

  onPacket(): void {
    // It says itself what it has decided.
  }

  close(): void {
    this.#events?.close();
  }
}

/** Its log has whole seconds only, so its decision is the `stonith` packet that it sends at each death, with or without a device. */
class HeartbeatTracker implements Tracker {
  readonly #host: Host;
  #tell: ((number: number, decidedMs: number) => void) | null = null;

  constructor(host: Host) {
    this.#host = host;
  }

  activePeers(): Promise<number> {
    if (!this.#host.heartbeatRunning()) throw new Error(this.#host.log().split('\n').slice(-15).join('\n'));
    const lines = this.#host.log().matchAll(/Status update for node (m\d+): status active/g);
    return Promise.resolve(new Set([...lines].map((line) => line[1])).size);
  }

  pids(): readonly number[] {
    return withDescendants(this.#host.processes().filter((entry) => entry.name === 'heartbeat'));
  }

  onDeath(tell: (number: number, decidedMs: number) => void): void {
    this.#tell = tell;
  }

  onPacket(packet: CapturedPacket): void {
    if (packet.way !== 'out' || packet.destinationPort !== heartbeatPort) return;
    const number = memberFound(packet.payload);
    if (number !== null) this.#tell?.(number, packet.atMs);
  }

  close(): void {
    this.#tell = null;
  }
}

/** Each process once. */
function withDescendants(entries: readonly { readonly pid: number }[]): readonly number[] {
  return [...new Set(entries.flatMap(({ pid }) => descendants(pid)))];
}
