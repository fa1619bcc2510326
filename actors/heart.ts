/**
 * The heart board: proof that this node beats, in memory that the daemon's threads and its guardian process share.
 *
 * Membership notes every heartbeat that it has sent, the MCP every turn of its own loop. The watchdog kicks its device only for new beats; the
 * guardian releases what the node holds when the beats stop although the daemon is still there (frozen by SIGSTOP, a debugger, a machine
 * without CPU), and leaves its own note, so that a daemon that goes on starts nothing.
 *
 * It is an anonymous file in memory (memfd), mapped by everyone: a note is one store, and the guardian inherits the descriptor. The monotonic clock
 * is the same one in all processes.
 */
import { writeSync } from 'node:fs';
import { libc, mapShared, systemCallError } from '../runtime/sys/libc.ts';
import { type Ms, ms } from '../runtime/units.ts';

/** The descriptor's number: valid in all threads of the process that opened it. */
export type HeartFd = number;

/** How far the node's life is: the watchdog's device is opened in `running` and let go only in `released`. */
export type HeartPhase = 'starting' | 'running' | 'released';

const phases: readonly HeartPhase[] = ['starting', 'running', 'released'];

/** 8 bytes each, in the machine's byte order. */
const places = { membership: 0, mcp: 8, phase: 16, seized: 24 } as const;

/** Size of the board; the guardian's ledger (guardian/ledger.ts) lies behind it [bytes]. */
export const heartBoardBytes = 32;
export const ledgerBytes = 64 * 1_024;

/** MFD_CLOEXEC of <linux/memfd.h>: scripts and a restarted daemon do not get it. */
const closeOnExec = 1;

/** What the board says. Instants are of the monotonic clock; null = never. */
export interface HeartView {
  readonly membershipMs: Ms | null;
  readonly mcpMs: Ms | null;
  readonly phase: HeartPhase;
  /** When the guardian took over what a frozen daemon held. */
  readonly seizedMs: Ms | null;
}

/** Makes an empty board; called once by the main thread. Throws SystemCallError. */
export function openHeart(): HeartFd {
  const fd = libc().memfd_create('systole-heart', closeOnExec);
  if (fd < 0) throw systemCallError('memfd_create', 'share memory with the guardian');
  const sizeBytes = heartBoardBytes + ledgerBytes;
  writeSync(fd, new Uint8Array(sizeBytes), 0, sizeBytes, 0);
  return fd;
}

/** One thread's or process's end of the board. */
export class Heart {
  readonly #all: BigInt64Array;

  /** Throws SystemCallError for a descriptor that is no board. */
  constructor(fd: HeartFd) {
    this.#all = new BigInt64Array(mapShared(fd, heartBoardBytes));
  }

  /** A heartbeat was sent, or the main thread's loop has turned. */
  beat(who: 'membership' | 'mcp'): void {
    this.#write(places[who], process.hrtime.bigint());
  }

  enter(phase: HeartPhase): void {
    this.#write(places.phase, BigInt(phases.indexOf(phase)));
  }

  /** From the guardian: from now on the daemon must start nothing. */
  seize(): void {
    this.#write(places.seized, process.hrtime.bigint());
  }

  read(): HeartView {
    const instant = (place: number): Ms | null => {
      const ns = Atomics.load(this.#all, place / 8);
      return ns === 0n ? null : ms(Number(ns) / 1e6);
    };
    return {
      membershipMs: instant(places.membership),
      mcpMs: instant(places.mcp),
      phase: phases[Number(Atomics.load(this.#all, places.phase / 8))] ?? 'starting',
      seizedMs: instant(places.seized),
    };
  }

  #write(place: number, value: bigint): void {
    Atomics.store(this.#all, place / 8, value);
  }
}
