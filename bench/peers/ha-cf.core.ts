/**
 * The configuration of a two-node cluster for Systole and the real heartbeat alike.
 */
import type { Medium, Timing } from './peer.ts';

interface Place {
  readonly survivor: { readonly name: string };
  readonly victim: { readonly name: string };
  readonly device: string;
  readonly survivorAddress: string;
  readonly victimAddress: string;
  readonly serviceAddress: string;
  readonly realtimePriority: number | null;
  readonly medium: Medium;
}

/** ha.cf of one of the two nodes: one link, a log file, nothing else. */
export function clusterHaCf(place: Place, role: 'survivor' | 'victim', { keepaliveMs, deadtimeMs }: Timing): string {
  const peer = role === 'survivor' ? place.victimAddress : place.survivorAddress;
  return [
    'logfile /var/log/ha-log',
    'logfacility none',
    `keepalive ${keepaliveMs}ms`,
    // Late heartbeats are not what is measured, and each would be a line in the log.
    `warntime ${deadtimeMs}ms`,
    `deadtime ${deadtimeMs}ms`,
    'initdead 3',
    mediumLine(place, peer),
    'auto_failback on',
    `realtime ${place.realtimePriority === null ? 'off' : 'on'}`,
    ...(place.realtimePriority === null ? [] : [`rtprio ${place.realtimePriority}`]),
    `node ${place.survivor.name}`,
    `node ${place.victim.name}`,
    '',
  ].join('\n');
}

function mediumLine({ medium, device }: Place, peer: string): string {
  switch (medium) {
    case 'ucast':
      return `ucast ${device} ${peer}`;
    case 'bcast':
      return `bcast ${device}`;
    case 'mcast':
      return `mcast ${device} 239.77.0.1 694 1 0`;
  }
}

/** The address belongs to the victim, so that its death is a takeover. */
export function haresourcesFor(place: Place): string {
  return `${place.victim.name} IPaddr::${place.serviceAddress}/24/${place.device}\n`;
}
