/**
 * The floor: a minimal C program with epoll and timerfd (floor.c), the yardstick of every table.
 */

import type { Host } from '../../test/net/lab/host.ts';
import type { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import type { CapturedPacket } from '../detect/referee.ts';
import type { Arena, Fault, Match, Peer, Timing } from './peer.ts';
import { endOf, endProcess } from './processes.ts';

const port = 6_000;

interface Statement {
  readonly word: 'up' | 'dead' | 'address';
  readonly atMs: number;
}

/** One running program and what it has said. */
class Node {
  readonly process: LabProcess;
  readonly statements: Statement[] = [];
  #rest = '';

  constructor(process: LabProcess) {
    this.process = process;
    process.onStdout((chunk) => this.#take(chunk.toString('latin1')), { keep: false });
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [word, time] = line.split(' ');
      if (word === 'up' || word === 'dead' || word === 'address')
        this.statements.push({ word, atMs: Number(time) / 1e6 });
    }
  }

  get alive(): boolean {
    return this.statements.findLast((statement) => statement.word !== 'address')?.word === 'up';
  }
}

export const floor: Peer = {
  name: 'floor',
  takesAddress: true,
  statesDeaths: true,
  missing: () => null,
  supports: ({ deadtimeMs }) => ({ ok: true, deadtimeMs }),
  start: async (arena, timing) => new FloorMatch(arena, timing),
};

class FloorMatch implements Match {
  readonly #arena: Arena;
  readonly #timing: Timing;
  readonly #survivor: Node;
  #victim: Node;

  constructor(arena: Arena, timing: Timing) {
    this.#arena = arena;
    this.#timing = timing;
    this.#survivor = this.#start('survivor');
    this.#victim = this.#start('victim');
  }

  #start(role: 'survivor' | 'victim'): Node {
    const { survivorAddress, victimAddress, serviceAddress, device, realtimePriority, tools } = this.#arena;
    const addresses = role === 'survivor' ? [survivorAddress, victimAddress] : [victimAddress, survivorAddress];
    const times = [this.#timing.keepaliveMs, this.#timing.deadtimeMs].map((value) => String(Math.round(value * 1_000)));
    const takeover = role === 'survivor' ? [serviceAddress, '24', device] : [];
    const args = [...addresses, String(port), ...times, String(realtimePriority ?? 0), ...takeover];
    return new Node(this.#arena[role].spawn([tools.floor, ...args], { stdin: '' }));
  }

  async steady(): Promise<void> {
    await eventually(() => this.#survivor.alive && this.#victim.alive, { what: 'both floor programs', intervalMs: 5 });
  }

  victimPids(): readonly number[] {
    return programsOf(this.#arena.victim);
  }

  survivorPids(): readonly number[] {
    return programsOf(this.#arena.survivor);
  }

  async recover(fault: Fault): Promise<void> {
    if (fault === 'cut') return;
    for (const pid of this.victimPids()) endProcess(pid);
    await endOf(this.#victim.process);
    await eventually(() => !this.#survivor.alive, { what: 'the floor program to miss its peer', intervalMs: 5 });
    this.#victim = this.#start('victim');
  }

  decidedMs(sinceMs: number): number | null {
    return this.#survivor.statements.find(({ word, atMs }) => word === 'dead' && atMs >= sinceMs)?.atMs ?? null;
  }

  deaths(): number {
    return this.#survivor.statements.filter((statement) => statement.word === 'dead').length;
  }

  isHeartbeat(packet: CapturedPacket): boolean {
    return packet.way === 'in' && packet.destinationPort === port;
  }

  isReaction(packet: {
    readonly way: 'in' | 'out';
    readonly destinationPort: number;
    readonly payload: Buffer;
  }): boolean {
    return (
      packet.way === 'out' && packet.destinationPort === port && packet.payload.subarray(0, 4).toString() === 'dead'
    );
  }

  async stop(): Promise<void> {
    for (const pid of [...this.survivorPids(), ...this.victimPids()]) endProcess(pid);
    for (const { process } of [this.#survivor, this.#victim]) await endOf(process);
  }
}

function programsOf(host: Host): number[] {
  return host
    .processes()
    .filter((entry) => entry.name === 'floor')
    .map((entry) => entry.pid);
}
