/** Everybody who can take part. */
import { bird } from './bird.ts';
import { corosync } from './corosync.ts';
import { floor } from './floor.ts';
import { heartbeat } from './heartbeat.ts';
import { keepalivedBfd, keepalivedVrrp } from './keepalived.ts';
import type { Peer } from './peer.ts';
import { systole } from './systole.ts';

/** In the order of the tables: the yardstick, ourselves, the others. */
export const peers: readonly Peer[] = [floor, systole, keepalivedVrrp, keepalivedBfd, bird, corosync, heartbeat];
