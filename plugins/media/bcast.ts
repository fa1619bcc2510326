/**
 * ha.cf `bcast INTERFACE…`: UDP broadcasts on one interface. Every node of the segment hears them, the sender too.
 */
import { formatIpv4 } from '../../runtime/sys/ipv4.ts';
import { listAddresses, listLinks } from '../../runtime/sys/netlink.ts';
import { socketAddress } from '../../runtime/sys/socket-address.ts';
import { defineMedium, openError } from './medium.ts';
import { openUdpMedium, receiveBufferBytes } from './udp-medium.ts';

/** The broadcast address of the interface's own (not an alias's) address. Throws MediumError when there is none. */
function broadcastAddressOf(device: string, link: string): string {
  const found = listLinks().find((candidate) => candidate.name === device);
  if (found === undefined)
    throw openError(
      link,
      'ENODEV',
      `IP interface [${device}] does not exist: correct the bcast line or bring the interface up`,
    );
  const candidates = listAddresses().filter(
    (address) => address.linkIndex === found.index && address.broadcast !== null,
  );
  const own = candidates.find((address) => address.label === device) ?? candidates[0];
  if (own === undefined || own.broadcast === null) {
    throw openError(
      link,
      'EADDRNOTAVAIL',
      `Get broadcast for interface ${device} failed: it has no address with a broadcast address: give it one, or use ucast`,
    );
  }
  return formatIpv4(own.broadcast);
}

export const plugin = defineMedium({
  name: 'bcast',
  kinds: ['bcast'],
  open: async (spec, handlers, log, options) => {
    const { device, port } = spec;
    const destination = broadcastAddressOf(device, spec.link);
    const target = socketAddress(4, destination, port);
    return openUdpMedium(
      {
        title: `bcast ${device}`,
        link: spec.link,
        device,
        port,
        destination,
        target: () => target,
        sendSocket: { family: 4, device, broadcast: true, dontRoute: true },
        receiveSocket: {
          family: 4,
          device,
          reuseAddress: true,
          receiveBufferBytes,
          bind: { address: '0.0.0.0', port },
        },
        bindAttempts: 10,
        logOpened: (line) =>
          line('info', `UDP Broadcast heartbeat started on port ${port} (${port}) interface ${device}`),
        logClosed: (line) =>
          line('info', `UDP Broadcast heartbeat closed on port ${port} interface ${device} - Status: 1`),
      },
      handlers,
      log,
      options,
    );
  },
});
