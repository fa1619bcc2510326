/**
 * ha.cf `ucast INTERFACE PEER` and `ucast6 INTERFACE PEER`: UDP to one peer. Also works where broadcasts do not, and on loopback.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { libc } from '../../runtime/sys/libc.ts';
import { socketAddress } from '../../runtime/sys/socket-address.ts';
import { defineMedium, type MediumLog, openError, type SpecOf } from './medium.ts';
import { openUdpMedium, receiveBufferBytes } from './udp-medium.ts';

type UcastSpec = SpecOf<'ucast' | 'ucast6'>;

/** The peer's address: a literal as it is (its `%scope` left out, since the interface is given), a name by one look-up. Throws MediumError. */
async function resolvePeer(spec: UcastSpec, family: 4 | 6): Promise<string> {
  const literal = spec.peer.replace(/%.*$/, '');
  if (isIP(literal) === family) return literal;
  try {
    return (await lookup(spec.peer, { family })).address;
  } catch (error) {
    const errno = error instanceof Error && 'code' in error ? String(error.code) : 'ENOTFOUND';
    throw openError(
      spec.link,
      errno,
      `${spec.kind}: cannot resolve hostname ${spec.peer} (${errno}): put it into /etc/hosts or write the address`,
      error,
    );
  }
}

/** What Heartbeat 3.0.6 logs while it opens a ucast link (seven lines) or a ucast6 link (four). */
function logOpened(log: MediumLog, { kind, device, port }: UcastSpec, peer: string): void {
  const info = (text: string): void => log('info', `${kind}: ${text}`);
  if (kind === 'ucast') info(`write socket priority set to IPTOS_LOWDELAY on ${device}`);
  info(`bound send socket to device: ${device}`);
  if (kind === 'ucast') {
    info('set SO_REUSEPORT(w)');
    info('set SO_REUSEADDR');
  }
  info(`bound receive socket to device: ${device}`);
  info('set SO_REUSEPORT');
  info(
    kind === 'ucast'
      ? `started on port ${port} interface ${device} to ${peer}`
      : `heartbeat started for [${peer}]:${port} on interface ${device}`,
  );
}

export const plugin = defineMedium({
  name: 'ucast',
  kinds: ['ucast', 'ucast6'],
  open: async (spec, handlers, log, options) => {
    const family = spec.kind === 'ucast' ? 4 : 6;
    const { device, port } = spec;
    const index = (): number => libc().if_nametoindex(device);
    if (index() === 0)
      throw openError(
        spec.link,
        'ENODEV',
        `${spec.kind}: interface [${device}] does not exist: correct the ${spec.kind} line or bring the interface up`,
      );
    const peer = await resolvePeer(spec, family);
    const any = family === 4 ? '0.0.0.0' : '::';
    return openUdpMedium(
      {
        title: `${spec.kind} ${device}`,
        link: spec.link,
        device,
        port,
        destination: peer,
        target: () => socketAddress(family, peer, port, index()),
        sendSocket: { family, device, lowDelay: true, reusePort: true },
        receiveSocket: {
          family,
          device,
          reuseAddress: true,
          reusePort: true,
          receiveBufferBytes,
          bind: { address: spec.bindAddress ?? any, port },
        },
        bindAttempts: 10,
        logOpened: (line) => logOpened(line, spec, peer),
      },
      handlers,
      log,
      options,
    );
  },
});
