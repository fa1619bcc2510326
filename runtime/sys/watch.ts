/** Waiting for descriptors that Node does not know, beside everything else that a thread does. */
import { createSocket } from 'node:dgram';
import { afInet, lastErrno, libc, sockCloexec, sockDgram, sockNonblock, systemCallError, type Watch } from './libc.ts';
import { writeU32 } from './native.ts';
import { sleeperOfThread } from './sleeper.ts';

/** EPOLL_CTL_ADD, EPOLLIN and the size of struct epoll_event (12 bytes on x86-64) of <sys/epoll.h>. */
const epollAdd = 1;
const epollIn = 1;
const epollEventBytes = 16;

/**
 * Calls back in the thread's event loop whenever a descriptor can be read or was hung up, until closed. Throws SystemCallError for a descriptor
 * that cannot be waited for (EPERM: a plain file).
 */
export function watchReadable(fd: number, onReadable: () => void): Watch {
  return sleeperOfThread()?.watch(fd, onReadable) ?? watchInNode(fd, onReadable);
}

/**
 * The same in a thread that sleeps in Node's own event loop. Costs some 20 µs a call, more when its code is in no cache.
 *
 * koffi has a watch of its own, but a thread that is killed while it has something to report ends the whole process (koffi calls into an
 * environment that takes no calls any more). Node's own handles stand that. So the descriptor goes into an epoll set, which can be waited
 * for like any descriptor; and the set takes the number of a UDP socket that Node waits for already, and closes with its thread. Node's
 * attempt to receive from what is no socket any more is the news: it fails (ENOTSOCK) and takes nothing from the descriptor itself.
 */
function watchInNode(fd: number, onReadable: () => void): Watch {
  const c = libc();
  const set = c.epoll_create1(sockCloexec);
  if (set < 0) throw systemCallError('epoll_create1', 'watch a descriptor');
  const event = new Uint8Array(epollEventBytes);
  writeU32(event, 0, epollIn);
  if (c.epoll_ctl(set, epollAdd, fd, event) < 0) {
    const error = systemCallError('epoll_ctl', 'watch a descriptor');
    c.close(set);
    throw error;
  }
  const place = c.socket(afInet, sockDgram | sockCloexec | sockNonblock, 0);
  if (place < 0) {
    const error = systemCallError('socket', 'watch a descriptor');
    c.close(set);
    throw error;
  }
  const watcher = createSocket('udp4');
  watcher.bind({ fd: place });
  // In the same turn: Node begins to wait for the number when the event loop comes by.
  const replaced = c.dup3(set, place, sockCloexec);
  const errno = replaced < 0 ? lastErrno() : null;
  c.close(set);
  if (errno !== null) {
    watcher.close();
    throw systemCallError('dup3', 'watch a descriptor', errno);
  }
  watcher.on('error', onReadable);
  let closed = false;
  return {
    close() {
      if (closed) return;
      closed = true;
      watcher.off('error', onReadable);
      // A report that is on its way already is nobody's.
      watcher.on('error', () => undefined);
      watcher.close();
    },
    unref: () => void watcher.unref(),
    ref: () => void watcher.ref(),
  };
}
