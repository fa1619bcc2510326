/**
 * Every directive of ha.cf as data: shape, default, effect. The source of `recorded`, of hints and of the reference page.
 */

/**
 * - `active`: has its effect in this version.
 * - `not-active`: read and checked as Heartbeat does; the daemon says at start that it has no effect yet.
 * - `ignored`: read and checked; it tunes something of Heartbeat's inside that Systole does not have.
 */
export type DirectiveState = 'active' | 'not-active' | 'ignored';

export interface Directive {
  readonly name: string;
  /** `words`: the rest is split at blanks and commas, each word is applied in turn. `line`: the rest of the line is one statement. */
  readonly form: 'words' | 'line';
  /** What is written after the name. */
  readonly syntax: string;
  /** As written in ha.cf; null when there is none, or when it follows from other directives (then `meaning` says how). */
  readonly default: string | null;
  readonly meaning: string;
  readonly state: DirectiveState;
  /** Heartbeat does not know it and would refuse the file. */
  readonly systoleOnly: boolean;
  /** Exported to resource scripts as `HA_<name>`, with the last written value or the default. */
  readonly recorded: boolean;
}

type Extra = Partial<Pick<Directive, 'form' | 'state' | 'systoleOnly' | 'recorded'>>;

function directive(
  name: string,
  syntax: string,
  defaultValue: string | null,
  meaning: string,
  extra: Extra = {},
): Directive {
  return {
    name,
    syntax,
    default: defaultValue,
    meaning,
    form: 'words',
    state: 'active',
    systoleOnly: false,
    recorded: true,
    ...extra,
  };
}

const list: Extra = { recorded: false };
const statement: Extra = { form: 'line', recorded: false };
const notActive: Extra = { state: 'not-active' };
const ignored: Extra = { state: 'ignored' };
const own: Extra = { systoleOnly: true };

/** In the order in which Heartbeat lists its configuration; statements and Systole's own ones behind. */
export const directives: readonly Directive[] = [
  directive('cluster', 'NAME', 'linux-ha', 'Name of the cluster, told to clients.'),
  directive(
    'hopfudge',
    '0-255',
    '1',
    'A packet on a serial ring is passed on at most (number of nodes + hopfudge) times.',
  ),
  directive('keepalive', 'TIME > 0', '1000ms', 'Interval between two heartbeats.'),
  directive('deadtime', 'TIME', '30000ms', 'Silence after which a node is dead. More than 2 × keepalive.'),
  directive(
    'deadping',
    'TIME',
    null,
    'Silence after which a ping node is dead. More than 2 × keepalive. Default: deadtime.',
  ),
  directive(
    'initdead',
    'TIME',
    null,
    'Takes the place of deadtime until communication is up: peers may still be booting. At least deadtime. Default: deadtime if that is over 10 s, 12 s if it is under 6 s, else 2 × deadtime.',
  ),
  directive('warntime', 'TIME > 0', null, 'Silence that is logged as a late heartbeat. Default: half of deadtime.'),
  directive(
    'watchdog',
    'DEVICE',
    null,
    'Watchdog device, usually /dev/watchdog: it restarts the machine when this node stops beating. At most once.',
  ),
  directive(
    'baud',
    '9600|19200|38400|57600|115200|230400|460800',
    '19200',
    'Speed of serial ports opened later in the file. At most once.',
  ),
  directive(
    'udpport',
    '1-65535',
    '694',
    'Port of bcast, ucast and ucast6 media opened later in the file. Default: the service ha-cluster/udp, else 694.',
  ),
  directive(
    'logfacility',
    'FACILITY|none',
    null,
    'Syslog facility in lower case (local0, daemon, …); none switches syslog off.',
  ),
  directive(
    'logfile',
    'PATH',
    null,
    'File for all messages but those of debug level. It and `debugfile` are given to hacluster:haclient at each start, so that clients can write to them.',
  ),
  directive('debugfile', 'PATH', null, 'File for all messages, those of debug level included.'),
  directive(
    'auto_failback',
    'on|off|legacy',
    'legacy',
    'Whether resources go back to their preferred node when it returns.',
  ),
  directive('nice_failback', 'BOOLEAN', null, 'Obsolete. on means auto_failback off, off means auto_failback legacy.', {
    recorded: false,
  }),
  directive('rtprio', '1-99', null, 'Priority of the threads that beat, under SCHED_RR.'),
  directive(
    'hbgenmethod',
    'file|time',
    'file',
    'Where the generation number comes from: a stored counter, or the seconds since 1970.',
  ),
  directive('realtime', 'BOOLEAN', 'true', 'Run the threads that beat with realtime priority.'),
  directive('debug', '0-255', '0', 'Debug level; 0 is off.'),
  directive('msgfmt', 'classic|netstring', 'classic', 'Form of the packets that are sent. Both forms are understood.'),
  directive('use_logd', 'BOOLEAN', null, 'Log through the log daemon of cluster-glue.', notActive),
  directive('conn_logd_time', 'TIME > 0', '60', 'Interval between attempts to reach the log daemon.', ignored),
  directive('log_badpack', 'BOOLEAN', 'true', 'Log packets that cannot be understood or have a bad signature.'),
  directive('syslogmsgfmt', 'BOOLEAN', 'true', 'Write log files in the form of syslog lines.'),
  directive('coredumps', 'BOOLEAN', 'true', 'Allow core dumps.', ignored),
  directive('coreroot', 'PATH', null, 'Directory for core dumps; an absolute path.', ignored),
  directive(
    'pacemaker',
    'BOOLEAN|respawn|minimal|manual|ccm-only|valgrind',
    'false',
    'Anything but false: haresources is not used, a cluster resource manager is expected to run. At most once, crm included.',
    notActive,
  ),
  directive('crm', 'as pacemaker', null, 'The older name of pacemaker.', { state: 'not-active', recorded: false }),
  directive('crm_daemon_dir', 'DIRECTORY', null, 'Where the programs of Pacemaker are.', {
    state: 'ignored',
    recorded: false,
  }),
  directive('crmd_spawns_pengine', 'BOOLEAN', null, 'Whether Pacemaker starts its policy engine itself.', {
    state: 'ignored',
    recorded: false,
  }),
  directive(
    'autojoin',
    'none|other|any',
    'none',
    'Take nodes in that are not declared, when they speak: others than this one, or this one too. Refused while haresources is in use.',
  ),
  directive(
    'uuidfrom',
    'file|nodename',
    'file',
    "Where the node's uuid comes from: the file hb_uuid, or computed from the node's name.",
  ),
  directive(
    'compression',
    'zlib|bz2',
    'zlib',
    'How messages over the threshold are compressed, and such as fit no datagram.',
  ),
  directive(
    'compression_threshold',
    'KILOBYTES > 0',
    '2',
    'With traditional_compression, messages larger than this are compressed.',
  ),
  directive(
    'traditional_compression',
    'BOOLEAN',
    'no',
    'Compress whole messages over compression_threshold. Otherwise only what fits no datagram (65507 bytes) is compressed.',
  ),
  directive(
    'max_rexmit_delay',
    'MILLISECONDS > 0',
    '250',
    'Longest random delay before lost packets are asked for again.',
  ),
  directive('record_config_changes', 'BOOLEAN', 'on', 'For Pacemaker.', ignored),
  directive('record_pengine_inputs', 'BOOLEAN', 'on', 'For Pacemaker.', ignored),
  directive('enable_config_writes', 'BOOLEAN', 'on', 'For Pacemaker.', ignored),
  directive('memreserve', 'KILOBYTES > 0', '6500', 'Memory that Heartbeat preallocates.', ignored),
  directive('quorum_server', 'HOST', null, 'Host of the quorum server.', notActive),
  directive('use_apphbd', 'BOOLEAN', null, 'Register with the application heartbeat daemon.', notActive),
  directive(
    'node',
    'NAME...',
    null,
    'Members of the cluster, by their `uname -n`; names are compared in lower case. At most 100, ping nodes included.',
    list,
  ),
  directive(
    'env',
    'NAME=VALUE...',
    null,
    'Exported as HA_NAME to everything that is run. Values hold no blanks, commas or #.',
    list,
  ),
  directive('bcast', 'INTERFACE...', null, 'Beat by UDP broadcast on these interfaces.', list),
  directive('udp', 'INTERFACE...', null, 'The older name of bcast.', list),
  directive(
    'ucast',
    'INTERFACE PEER',
    null,
    "Beat by UDP to one peer's address or host name, through this interface.",
    statement,
  ),
  directive(
    'mcast',
    'INTERFACE GROUP PORT TTL LOOP',
    null,
    'Beat by UDP multicast: group of 224.0.0.0/4, port 1-65535, ttl 0-255, loop 0 or 1.',
    statement,
  ),
  directive(
    'ucast6',
    'INTERFACE PEER',
    null,
    'As ucast over IPv6; the peer is a link-local or other unicast address, with %scope if wanted.',
    statement,
  ),
  directive('mcast6', 'INTERFACE GROUP PORT HOPS LOOP', null, 'As mcast over IPv6.', statement),
  directive(
    'serial',
    'DEVICE...',
    null,
    'Beat over a null-modem cable; the speed is that of baud. In a cluster of three nodes or more with two ports each, a port passes on what the other one hears (Heartbeat 3.0.6 does not): a ring, which may be cut at one place.',
    list,
  ),
  directive('ping', 'HOST...', null, 'Hosts that only answer pings: each a ping node of that name.', list),
  directive('ping6', 'ADDRESS...', null, 'As ping, IPv6 addresses.', list),
  directive(
    'ping_group',
    'NAME HOST...',
    null,
    'One ping node of that name, alive while any of the hosts answers.',
    statement,
  ),
  directive(
    'respawn',
    'USER COMMAND...',
    null,
    'Run a program as this user while the node runs; start it again when it ends, but not after exit code 100 or more than ten short lives in a row. A missing `…/heartbeat/ipfail` is replaced by ours, and the log says so.',
    statement,
  ),
  directive(
    'failfast',
    'USER COMMAND...',
    null,
    'As respawn, but the machine reboots when the program fails.',
    statement,
  ),
  directive(
    'apiauth',
    'CLIENT [uid=LIST] [gid=LIST]',
    null,
    'Users and groups that may connect under this client name.',
    statement,
  ),
  directive(
    'stonith',
    'TYPE FILE',
    null,
    'A fencing device that every node can use; its parameters are in the file. The type is one of `stonith -L`, or a fence agent (`fence_NAME` or its path).',
    statement,
  ),
  directive(
    'stonith_host',
    'NODE|* TYPE PARAMETERS...',
    null,
    'A fencing device that this node (or every node: *) can use. Several lines: tried in their order.',
    statement,
  ),
  directive(
    'bindaddr',
    'IPv4|any',
    'any',
    'Local address that ucast media opened later in the file receive on; any is all of them.',
    own,
  ),
  directive(
    'media_failure',
    'emergency|restart',
    'emergency',
    "What a medium's death means: give the node up at once, or start the medium again first.",
    own,
  ),
  directive(
    'guardian',
    'release|reboot|off',
    'release',
    'What happens when the daemon dies without a handover: give up what it held, reboot the machine, or nothing.',
    own,
  ),
  directive(
    'stop_failure',
    'reboot|hold|fence',
    'reboot',
    'What follows when a resource cannot be stopped: restart the machine at once (as Heartbeat), keep it and take nothing more, or fall silent so that the other node fences this one.',
    own,
  ),
  directive('stonith_timeout', 'TIME > 0', '60', 'How long one reset or status of a fencing device may take.', own),
  directive(
    'resource_timeout',
    'TIME > 0',
    '60',
    'How long one start, stop or status of a resource script may take.',
    own,
  ),
  directive(
    'monitor',
    'INTERVAL [failures N]',
    null,
    'How often the status of held resources is asked for. One that does not run any more is started again; a group that failed N times (default 3) within an hour is offered to the other node. Default: never.',
    { ...own, form: 'line', recorded: false },
  ),
];

const byName: ReadonlyMap<string, Directive> = new Map(directives.map((entry) => [entry.name, entry]));

/** The directive of this name (case sensitive), or null. */
export function findDirective(name: string): Directive | null {
  return byName.get(name) ?? null;
}

/** The name that was probably meant: another case, or at most two typing errors away; null when nothing is close. */
export function nearestDirective(name: string): string | null {
  if (name.length > 40) return null;
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const { name: candidate } of directives) {
    const distance = editDistance(name.toLowerCase(), candidate);
    const allowed = candidate.length <= 4 ? 1 : 2;
    if (distance <= allowed && (best === null || distance < best.distance)) best = { name: candidate, distance };
  }
  return best?.name ?? null;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
