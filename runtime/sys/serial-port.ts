/**
 * A serial port (or pseudo-terminal) with Heartbeat's line settings. Nothing here waits.
 *
 * Node opens the descriptor, so it is closed when its thread ends in whatever way; reading, writing and settings go through koffi, since
 * Node's own terminal streams would take the settings over and its file reads would hold a thread of the pool each.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { lastErrno, libc, systemCallError, type Watch } from './libc.ts';
import { intBytes, readI32 } from './native.ts';
import { flushQueue, heartbeatLineSettings, terminalRequest, termiosBytes } from './termios.core.ts';
import { watchReadable } from './watch.ts';

/** Outcome of a read or write: a number of bytes, or an errno's name. `EAGAIN`: nothing there, or no room; try later. */
type Transferred = number | string;

export interface SerialPort {
  /** Reads what is there. A line that was hung up gives `EIO`. */
  read(buffer: Uint8Array): Transferred;
  /** Writes as much as the line takes now. */
  write(bytes: Uint8Array): Transferred;
  /** Calls back when there is something to read, or the line was hung up; one watch a port. */
  onReadable(handler: () => void): void;
  /** Bytes written that the driver has not put on the line yet; 0 where it does not tell. */
  unsentBytes(): number;
  /** Forgets what was written and is not yet on the line. */
  flushOutput(): void;
  /** Begins or ends a break condition. Pseudo-terminals have none. */
  setBreak(on: boolean): void;
  /** Forgets what is unsent, so that closing never waits for a line that takes nothing. May be called twice. */
  close(): void;
}

/** Machines whose terminals have other numbers than those of termios.core.ts. */
const otherTermbits: ReadonlySet<string> = new Set(['ppc64', 'ppc', 'mips', 'mipsel']);
const lockExclusiveNow = 2 | 4;

/**
 * Opens a port, locks it against other users that ask (flock), and sets the line.
 *
 * @param baud see {@link heartbeatLineSettings}
 * Throws SystemCallError (details `call`, `errno`): ENOENT, ENXIO, EIO no such device (any more); EACCES; ENOTTY no terminal; EAGAIN somebody
 * has locked it.
 */
export function openSerialPort(path: string, baud: number): SerialPort {
  if (otherTermbits.has(process.arch))
    throw new SystemCallError('HB_SYSTEM_UNSUPPORTED', `serial ports are not supported on ${process.arch}`, {
      call: 'ioctl',
      errno: 'ENOSYS',
    });
  const c = libc();
  const fd = openDescriptor(path);
  try {
    if (c.flock(fd, lockExclusiveNow) < 0) throw systemCallError('flock', `lock ${path}: another program uses it`);
    const present = new Uint8Array(termiosBytes + 64);
    if (c.ioctl(fd, terminalRequest.getSettings, present) < 0)
      throw systemCallError('ioctl(TCGETS)', `read the settings of ${path}: is it a terminal?`);
    // What waits from before is nobody's heartbeat.
    c.ioctlNumber(fd, terminalRequest.flush, flushQueue.both);
    if (c.ioctl(fd, terminalRequest.setSettings, heartbeatLineSettings(present, baud)) < 0)
      throw systemCallError('ioctl(TCSETS)', `set ${path} to ${baud} baud`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }

  let watch: Watch | null = null;
  let closed = false;
  return {
    read(buffer) {
      const size = closed ? 0 : c.read(fd, buffer, buffer.length);
      if (size > 0) return size;
      return size === 0 ? 'EIO' : lastErrno();
    },
    write(bytes) {
      const size = closed ? -1 : c.write(fd, bytes, bytes.length);
      if (size >= 0) return size;
      return closed ? 'EIO' : lastErrno();
    },
    onReadable(handler) {
      watch?.close();
      watch = watchReadable(fd, handler);
    },
    unsentBytes() {
      const count = intBytes(0);
      return !closed && c.ioctl(fd, terminalRequest.unsentBytes, count) >= 0 ? readI32(count, 0) : 0;
    },
    flushOutput() {
      if (!closed) c.ioctlNumber(fd, terminalRequest.flush, flushQueue.output);
    },
    setBreak(on) {
      if (!closed) c.ioctlNumber(fd, on ? terminalRequest.breakOn : terminalRequest.breakOff, 0);
    },
    close() {
      if (closed) return;
      c.ioctlNumber(fd, terminalRequest.flush, flushQueue.output);
      closed = true;
      watch?.close();
      closeSync(fd);
    },
  };
}

function openDescriptor(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = error instanceof Error && 'code' in error ? String(error.code) : 'EIO';
    throw systemCallError('open', `open ${path}`, errno);
  }
}
