/**
 * ha.cf `mcast INTERFACE GROUP PORT TTL LOOP` and `mcast6 …`: UDP to a multicast group on one interface.
 */
import { linkUp } from '../../runtime/sys/netlink.core.ts';
import { listAddresses, listLinks } from '../../runtime/sys/netlink.ts';
import { socketAddress } from '../../runtime/sys/socket-address.ts';
import { defineMedium, openError, type SpecOf } from './medium.ts';
import { openUdpMedium, receiveBufferBytes } from './udp-medium.ts';

type McastSpec = SpecOf<'mcast' | 'mcast6'>;

/** Heartbeat wants an interface that is there, up and (IPv4) has an address. Throws MediumError. */
function checkDevice(spec: McastSpec): void {
  const found = listLinks().find((candidate) => candidate.name === spec.device);
  const usable =
    found !== undefined &&
    (found.flags & linkUp) !== 0 &&
    (spec.kind === 'mcast6' || listAddresses().some((address) => address.linkIndex === found.index));
  if (!usable) {
    throw openError(
      spec.link,
      found === undefined ? 'ENODEV' : 'EADDRNOTAVAIL',
      `${spec.kind} device [${spec.device}] is invalid or not set up properly: ${found === undefined ? 'there is no such interface' : 'bring it up and give it an address'}`,
    );
  }
}

export const plugin = defineMedium({
  name: 'mcast',
  kinds: ['mcast', 'mcast6'],
  open: async (spec, handlers, log, options) => {
    checkDevice(spec);
    const family = spec.kind === 'mcast' ? 4 : 6;
    const { device, group, port, ttl, loop } = spec;
    const index = (): number => listLinks().find((candidate) => candidate.name === device)?.index ?? 0;
    return openUdpMedium(
      {
        title: `${spec.kind} ${device}`,
        link: spec.link,
        device,
        port,
        destination: group,
        target: () => socketAddress(family, group, port, index()),
        sendSocket: { family, multicast: { join: null, device, ttl, loop } },
        receiveSocket: {
          family,
          // IPv6 compares the group only, not the interface of the membership: without this, eth1 would vouch for the link eth0.
          ...(family === 6 ? { device } : {}),
          reuseAddress: true,
          receiveBufferBytes,
          multicast: { join: group, device, ttl, loop },
          bind: { address: family === 4 ? group : '::', port },
        },
        bindAttempts: 50,
        logOpened: (line) =>
          line(
            'info',
            family === 4
              ? `UDP multicast heartbeat started for group ${group} port ${port} interface ${device} (ttl=${ttl} loop=${loop ? 1 : 0})`
              : `UDP multicast heartbeat started for [${group}]:${port} on interface ${device} (hops=${ttl} loop=${loop ? 1 : 0})`,
          ),
      },
      handlers,
      log,
      options,
    );
  },
});
