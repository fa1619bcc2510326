/**
 * The typed result of reading ha.cf, haresources and authkeys: plain, structured-clone safe data that the MCP hands to the actors.
 * Readers make it (conf/ha-cf.ts, conf/haresources.ts, conf/authkeys.ts); nobody else does. Times are milliseconds.
 */
import type { AuthMethodName } from '../plugins/auth/method.ts';
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';

/** Where something was written: for diagnostics and for "line 7 of ha.cf" in logs. Line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ClusterNode {
  readonly name: NodeName;
  /** `ping` nodes come from ping, ping6 and ping_group lines; they only answer. */
  readonly type: 'normal' | 'ping';
}

/** One way to send. bcast and serial lines with several devices give one spec for each device. */
export type MediumSpec =
  | {
      readonly kind: 'bcast';
      readonly link: LinkName;
      readonly device: string;
      readonly port: number;
      readonly place: Place;
    }
  | {
      readonly kind: 'ucast' | 'ucast6';
      readonly link: LinkName;
      readonly device: string;
      readonly peer: string;
      readonly port: number;
      readonly bindAddress: string | null;
      readonly place: Place;
    }
  | {
      readonly kind: 'mcast' | 'mcast6';
      readonly link: LinkName;
      readonly device: string;
      readonly group: string;
      readonly port: number;
      readonly ttl: number;
      readonly loop: boolean;
      readonly place: Place;
    }
  | {
      readonly kind: 'serial';
      readonly link: LinkName;
      readonly device: string;
      readonly baud: number;
      readonly place: Place;
    }
  | { readonly kind: 'ping' | 'ping6'; readonly link: LinkName; readonly host: string; readonly place: Place }
  | {
      readonly kind: 'ping_group';
      readonly link: LinkName;
      readonly name: NodeName;
      readonly hosts: readonly string[];
      readonly place: Place;
    };

/** A program that the node keeps running: a `respawn` or `failfast` line. */
export interface RespawnSpec {
  readonly user: string;
  /** The user's numbers; null when this machine lacks it (for a built-in plugin only). */
  readonly account: { readonly uid: number; readonly gid: number } | null;
  /** The program is not installed, and our own plugin of this name takes its place. */
  readonly builtIn: 'ipfail' | null;
  /** The command line as written: the original runs it by `/bin/sh -c exec`. */
  readonly command: string;
  /** failfast: the machine reboots when the command dies by a signal or non-zero. */
  readonly failfast: boolean;
  readonly place: Place;
}

/** Who may sign on under a client name: a user or a group is enough. Heartbeat's built-in rules are among them. */
export interface ApiAuth {
  readonly client: string;
  readonly uids: readonly number[] | null;
  readonly gids: readonly number[] | null;
}

/** One fencing device that this node may use; they are tried in their order. */
export interface StonithSpec {
  /** Node name the line is for, or `*`; `null` for a `stonith type file` line. */
  readonly host: string | null;
  /** A type of cluster-glue (`external/ipmi`), or a fence agent (`fence_ipmilan`, or its path). */
  readonly type: string;
  /** Parameters as written; for a `stonith` line the name of the parameter file. */
  readonly parameters: string;
  readonly place: Place;
}

/** One slot of authkeys. `key` is empty for crc. Never logged, never in a status. */
export interface AuthKey {
  readonly index: number;
  readonly method: AuthMethodName;
  readonly key: string;
}

export interface AuthKeys {
  /** Index of the key that signs what we send. */
  readonly selected: number;
  readonly keys: readonly AuthKey[];
}

/** One resource of a group: `script::arg1::arg2`, or an address, which stands for `IPaddr::address`. */
export interface ResourceSpec {
  /** The word as written; the first word of a group is the group's key. */
  readonly word: string;
  readonly script: string;
  readonly args: readonly string[];
}

export interface GroupSpec {
  readonly key: string;
  /** Preferred node. */
  readonly owner: NodeName;
  /** In start order; stopped in reverse. */
  readonly resources: readonly ResourceSpec[];
  readonly place: Place;
}

export interface LogSettings {
  /** A syslog facility in lower case; `none` or null switches syslog off. */
  readonly facility: string | null;
  readonly logFile: string | null;
  readonly debugFile: string | null;
  readonly useLogd: boolean;
  /** `Mon DD HH:MM:SS host heartbeat: [pid]: …` when true (default), `heartbeat[pid]: YYYY/MM/DD_HH:MM:SS …` when false. */
  readonly syslogMsgFmt: boolean;
  readonly logBadPackets: boolean;
  /** 0 (off) to 255. */
  readonly debug: number;
}

export interface Settings {
  readonly configDir: string;
  /** Own name: `uname -n` or the first line of nodeinfo. */
  readonly self: NodeName;
  /** In the order of the file, ping nodes included: their place matters to the original's link timeouts and to ttl. */
  readonly nodes: readonly ClusterNode[];
  readonly media: readonly MediumSpec[];
  readonly keepaliveMs: Ms;
  readonly warntimeMs: Ms;
  readonly deadtimeMs: Ms;
  readonly initdeadMs: Ms;
  readonly deadpingMs: Ms;
  /** 0 to 255. */
  readonly hopfudge: number;
  /** 1 to 65535; the value in force at the end of the file (each medium carries its own). */
  readonly udpPort: number;
  readonly maxRexmitDelayMs: Ms;
  readonly msgFmt: 'classic' | 'netstring';
  readonly compression: {
    readonly module: 'zlib' | 'bz2';
    readonly thresholdKb: number;
    readonly traditional: boolean;
  };
  readonly generationMethod: 'file' | 'time';
  readonly uuidFrom: 'file' | 'nodename';
  readonly autojoin: 'none' | 'other' | 'any';
  readonly autoFailback: 'on' | 'off' | 'legacy';
  /** False when crm/pacemaker is on: haresources is then not used. */
  readonly managesResources: boolean;
  readonly watchdog: string | null;
  readonly realtime: boolean;
  /** SCHED_RR priority 1 to 99, or null for the default. */
  readonly rtprio: number | null;
  readonly cluster: string;
  readonly log: LogSettings;
  readonly respawn: readonly RespawnSpec[];
  readonly apiAuth: readonly ApiAuth[];
  readonly stonith: readonly StonithSpec[];
  /** `env NAME=value` lines: exported as HA_NAME. */
  readonly env: Readonly<Record<string, string>>;
  /** Every recorded directive with its written or default value, in the directive's spelling: exported as HA_<directive>. */
  readonly recorded: Readonly<Record<string, string>>;
  readonly groups: readonly GroupSpec[];

  /** Own directive `media_failure emergency|restart`: what the death of a medium means. */
  readonly mediaFailure: 'emergency' | 'restart';
  /** Own directive `guardian release|reboot|off`: what the guardian does when the daemon dies without a handover. */
  readonly guardian: 'release' | 'reboot' | 'off';
  /** Own directive `stop_failure reboot|hold|fence`: what follows when a resource cannot be stopped. */
  readonly stopFailure: 'reboot' | 'hold' | 'fence';
  /** Own directive `resource_timeout TIME` (default 60 s): how long one start, stop or status of a resource script may take. */
  readonly resourceTimeoutMs: Ms;
  /** Own directive `monitor INTERVAL [failures N]`: how often held groups are looked at [ms], and after how many failures one is offered to the other node. Null: never. */
  readonly monitor: { readonly intervalMs: Ms; readonly failures: number } | null;
  /** Own directive `stonith_timeout TIME` (default 60 s): how long one reset or status of a fencing device may take. */
  readonly stonithTimeoutMs: Ms;
  /** Directives that are read and checked but have no effect yet in this version: reported once at start. */
  readonly notActive: readonly { readonly directive: string; readonly place: Place }[];
}
