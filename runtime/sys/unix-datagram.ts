/**
 * One datagram to a Unix socket: for syslog and the service manager's notification socket, which Node cannot speak to.
 */
import { afUnix, lastErrno, libc, msgDontwait, msgNosignal, sockDgram, withSocket } from './libc.ts';
import { writeU16 } from './native.ts';

/** struct sockaddr_un: 2 bytes of family, at most 108 of path. */
const pathMaxBytes = 108;

/**
 * Sends without waiting and without keeping a socket (some 10 µs), so a receiver that was restarted is found again at the next call.
 *
 * @param path a path, or `@name` for an abstract name
 * @returns null when the receiver has it, else the errno name: ENOENT or ECONNREFUSED nobody listens, EAGAIN its queue is full,
 *   EMSGSIZE too long, ENAMETOOLONG the path
 */
export function sendUnixDatagram(path: string, bytes: Uint8Array): string | null {
  const pathBytes = new TextEncoder().encode(path);
  const abstract = path.startsWith('@');
  if (pathBytes.length > pathMaxBytes - (abstract ? 0 : 1)) return 'ENAMETOOLONG';
  // A path is ended by NUL; an abstract name begins with one and is as long as the address says.
  const address = new Uint8Array(2 + pathBytes.length + (abstract ? 0 : 1));
  writeU16(address, 0, afUnix);
  address.set(pathBytes, 2);
  if (abstract) address[2] = 0;
  return withSocket(afUnix, sockDgram, 0, (fd) =>
    libc().sendto(fd, bytes, bytes.length, msgDontwait | msgNosignal, address, address.length) < 0 ? lastErrno() : null,
  );
}
