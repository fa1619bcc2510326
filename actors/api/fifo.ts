/**
 * The FIFO by which scripts of this machine speak to the cluster in the daemon's name: root only.
 *
 * It is opened for reading and for writing, so that it never ends however many writers come and go, and it is read by the event loop: no thread waits in it.
 */
import { chmodSync, closeSync, constants, lstatSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { libc, systemCallError } from '../../runtime/sys/libc.ts';
import { type FifoItem, FifoReader } from './fifo.core.ts';

const mode = 0o600;

/** Makes the FIFO when the path is none yet; a plain file there is replaced. Throws SystemCallError when it cannot be made. */
export function makeFifo(path: string): void {
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing?.isFIFO() !== true) {
    rmSync(path, { force: true });
    if (libc().mkfifo(path, mode) !== 0) throw systemCallError('mkfifo', `make the FIFO ${path}`);
  }
  chmodSync(path, mode);
}

/** The open FIFO. */
export interface Fifo {
  /** While paused nothing is read, and writers wait. */
  pause(paused: boolean): void;
  /** Ends the reading; the FIFO stays, and its writers block from then on. */
  close(): void;
}

/**
 * Reads messages until closed.
 *
 * @param onItem called from the event loop
 * @param onFailure the FIFO cannot be read any more
 */
export function readFifo(path: string, onItem: (item: FifoItem) => void, onFailure: (error: Error) => void): Fifo {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  let socket: Socket;
  try {
    socket = new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const reader = new FifoReader();
  let paused = false;
  const read = (): void => {
    while (!paused) {
      const item = reader.next();
      if (item === null) return;
      onItem(item);
    }
  };
  socket.on('data', (chunk) => {
    if (typeof chunk === 'string') return;
    reader.push(chunk);
    read();
  });
  socket.on('error', onFailure);
  return {
    pause: (wanted) => {
      if (wanted === paused) return;
      paused = wanted;
      if (paused) socket.pause();
      else {
        socket.resume();
        read();
      }
    },
    close: () => {
      paused = true;
      socket.destroy();
    },
  };
}
