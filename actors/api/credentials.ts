/**
 * Who is at the other end of a Unix socket, from the kernel; and what tells a process from a later one with the same number.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { SystemCallError } from '../../runtime/errors.ts';
import { libc, solSocket, systemCallError } from '../../runtime/sys/libc.ts';
import { intBytes, readI32, readU32 } from '../../runtime/sys/native.ts';
import type { Credentials } from './authorization.core.ts';

/** SO_PEERCRED of <sys/socket.h>, and its `struct ucred`: pid, uid, gid. */
const soPeercred = 17;
const ucredBytes = 12;

/**
 * The credentials that the peer had when it connected. Costs one system call.
 *
 * @returns null when the connection is gone already
 * @throws SystemCallError when the kernel refuses, or when Node does not show the descriptor
 */
export function peerCredentials(socket: Socket): Credentials | null {
  const fd = descriptorOf(socket);
  if (fd < 0) return null;
  const ucred = new Uint8Array(ucredBytes);
  if (libc().getsockopt(fd, solSocket, soPeercred, ucred, intBytes(ucredBytes)) !== 0)
    throw systemCallError('getsockopt(SO_PEERCRED)', 'see who connects');
  return { pid: readI32(ucred, 0), uid: readU32(ucred, 4), gid: readU32(ucred, 8) };
}

/** Node shows a socket's descriptor on its handle only; -1 when it is closed. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return -1;
  const fd: unknown = Reflect.get(handle, 'fd');
  if (typeof fd === 'number') return fd;
  throw new SystemCallError('HB_SYSTEM_UNSUPPORTED', 'this Node does not show the descriptor of a socket', {});
}

/**
 * When a process was started [clock ticks since boot], which no later process of that number shares.
 *
 * @returns null when there is no such process, or it has ended and only waits for its parent
 */
export function processStart(pid: number): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // Ended, or never there: the only question.
    return null;
  }
  // The second field is the program's name in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  if (state === 'Z' || state === 'X') return null;
  const startTicks = Number(fields[19]);
  return Number.isFinite(startTicks) ? startTicks : null;
}
