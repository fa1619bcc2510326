/**
 * The sockets of the datagram media, as membership uses them: it sends its messages through them itself, and sees whether a medium has taken
 * everything that arrived.
 *
 * A heartbeat that is handed to another thread costs a second wake-up, which is more than all the rest of sending it, and comes later by
 * the time that the other thread needs to wake. The medium keeps what is its own: it opens, binds and heals the link, receives, and sends
 * whenever the short way has failed once; then it offers its sockets again.
 */
import { closeSync } from 'node:fs';
import type { MediumSockets } from '../plugins/media/medium.ts';
import { copyDescriptor } from '../runtime/sys/owned-descriptor.ts';
import { hasWaitingDatagram, sendDatagram } from '../runtime/sys/udp.ts';

interface Outlet extends MediumSockets {
  /** Our own copy of the sending socket: the medium's number may mean something else once that thread has ended. */
  readonly ownFd: number;
}

/** By the media's actor names. */
export class Outlets {
  readonly #outlets = new Map<string, Outlet>();

  /** A medium offers its sockets; older ones of it are let go. */
  offer(medium: string, sockets: MediumSockets): void {
    this.forget(medium);
    const ownFd = copyDescriptor(sockets.sendFd);
    // Closed meanwhile: the medium is on its way out, and its successor will offer anew.
    if (ownFd !== null) this.#outlets.set(medium, { ...sockets, ownFd });
  }

  forget(medium: string): void {
    const outlet = this.#outlets.get(medium);
    if (outlet === undefined) return;
    this.#outlets.delete(medium);
    closeSync(outlet.ownFd);
  }

  /** Sends one datagram. @returns false when the medium itself has to: nothing was offered, or the kernel refused */
  send(medium: string, bytes: Uint8Array): boolean {
    const outlet = this.#outlets.get(medium);
    if (outlet === undefined) return false;
    if (sendDatagram(outlet.ownFd, bytes, outlet.target) === null) {
      Atomics.add(outlet.sentByOthers, 0, 1);
      return true;
    }
    this.forget(medium);
    return false;
  }

  /** Whether every datagram that has arrived so far was taken by its medium, checked and stamped. */
  get settled(): boolean {
    for (const { receiveFd, busy } of this.#outlets.values()) {
      // In this order: a medium is busy before it empties its socket.
      if (hasWaitingDatagram(receiveFd) || Atomics.load(busy, 0) !== 0) return false;
    }
    return true;
  }

  close(): void {
    for (const medium of [...this.#outlets.keys()]) this.forget(medium);
  }
}
