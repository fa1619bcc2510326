/**
 * The same program on both hosts, started in the foreground: what the adapters of other programs have in common.
 */

import type { Host } from '../../test/net/lab/host.ts';
import type { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import type { Arena, Fault, Match } from './peer.ts';
import { endOf, endProcess } from './processes.ts';

export type Role = 'survivor' | 'victim';

export interface Program {
  /** The short name of all its processes. */
  readonly name: string;
  /** Writes the configuration of one host and returns the command line. */
  prepare(host: Host, role: Role): readonly string[];
  isHeartbeat(packet: CapturedPacket): boolean;
  isReaction(packet: CapturedPacket): boolean;
  /** Both have met and all is as it should be. */
  isSteady(arena: Arena): boolean;
}

/** A match of a program that says nothing itself: all is known from its packets and addresses. */
export class Pair implements Match {
  readonly #arena: Arena;
  readonly #program: Program;
  readonly #processes: Record<Role, LabProcess>;

  constructor(arena: Arena, program: Program) {
    this.#arena = arena;
    this.#program = program;
    this.#processes = { survivor: this.#start('survivor'), victim: this.#start('victim') };
  }

  #start(role: Role): LabProcess {
    const host = this.#arena[role];
    return host.spawn(this.#program.prepare(host, role), { stdin: '' });
  }

  async steady(): Promise<void> {
    await eventually(
      () => {
        for (const { running, stderr } of Object.values(this.#processes)) if (!running) throw new Error(stderr.trim());
        return this.#program.isSteady(this.#arena);
      },
      { what: `two ${this.#program.name} to meet`, timeoutMs: 30_000, intervalMs: 20 },
    );
  }

  victimPids(): readonly number[] {
    return this.#pids('victim');
  }

  survivorPids(): readonly number[] {
    return this.#pids('survivor');
  }

  #pids(role: Role): number[] {
    return this.#arena[role].processes().flatMap((entry) => (entry.name === this.#program.name ? [entry.pid] : []));
  }

  async recover(fault: Fault): Promise<void> {
    if (fault === 'cut') return;
    await this.#end('victim');
    this.#processes.victim = this.#start('victim');
  }

  async #end(role: Role): Promise<void> {
    for (const pid of this.#pids(role)) endProcess(pid);
    await endOf(this.#processes[role]);
  }

  decidedMs(): null {
    return null;
  }

  deaths(): null {
    return null;
  }

  isHeartbeat(packet: CapturedPacket): boolean {
    return this.#program.isHeartbeat(packet);
  }

  isReaction(packet: CapturedPacket): boolean {
    return this.#program.isReaction(packet);
  }

  async stop(): Promise<void> {
    await this.#end('survivor');
    await this.#end('victim');
  }
}
