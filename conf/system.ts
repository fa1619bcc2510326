/**
 * Facts about the machine that the checks of the configuration need, as an interface that tests fill in, and the real ones.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, type Stats, statSync } from 'node:fs';
import { hasBzip2 } from '../runtime/sys/bzip2.ts';
import { formatIpv4 } from '../runtime/sys/ipv4.ts';
import { listAddresses, listLinks } from '../runtime/sys/netlink.ts';
import { isIpv4 } from './values.ts';

export interface InterfaceFacts {
  /** The first IPv4 address, or null when there is none. */
  readonly address: string | null;
}

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'character-device' | 'other';
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly ownerUid: number;
  /** As access(2) sees it for ourselves. */
  readonly executable: boolean;
}

export type FileContent =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly errno: string };

/** What the readers ask the machine. All synchronous: a configuration is read before anything beats. */
export interface System {
  readFile(path: string): FileContent;
  /** Null when there is no such file, or it cannot be looked at. Links are followed. */
  stat(path: string): FileFacts | null;
  /** An interface or the alias of an address (`eth0:0`); null when it does not exist. */
  networkInterface(name: string): InterfaceFacts | null;
  /** The number of a user or group name; null when it does not exist. */
  userId(name: string): number | null;
  groupId(name: string): number | null;
  /** The number of a user's primary group; null when there is no such user. */
  primaryGroup(user: string): number | null;
  /** The UDP port of a service name; null when it is not known. */
  udpPort(service: string): number | null;
  /** The service name of a UDP port; null when it has none. */
  udpService(port: number): string | null;
  /** The IPv4 address of a host name or address; null when it cannot be found. */
  resolveIpv4(host: string): string | null;
  /** Whether fencing plugins of this type are installed; `unknown` when no fencing plugins are installed at all. */
  stonithType(type: string): 'known' | 'missing' | 'unknown';
  /** Whether the library for `compression bz2` is installed. */
  bzip2(): boolean;
  /** The effective user id of this process. */
  readonly ownUid: number;
}

/** Where Debian's and Red Hat's cluster-glue keep the fencing plugins. */
const stonithDirectories = ['/usr/lib/stonith/plugins', '/usr/lib64/stonith/plugins'];

/** Longest wait for the machine's name service [ms]: past it a name counts as unknown. */
const nameServiceMs = 5_000;

/** The machine itself. Answers are looked up when asked and not kept. */
export function realSystem(): System {
  return {
    readFile(path) {
      try {
        return { ok: true, bytes: readFileSync(path) };
      } catch (error) {
        return { ok: false, errno: errnoOf(error) };
      }
    },
    stat(path) {
      const stats = statsOf(path);
      if (stats === null) return null;
      return {
        kind: stats.isFile()
          ? 'file'
          : stats.isDirectory()
            ? 'directory'
            : stats.isCharacterDevice()
              ? 'character-device'
              : 'other',
        mode: stats.mode & 0o7777,
        ownerUid: stats.uid,
        executable: canExecute(path),
      };
    },
    networkInterface(name) {
      const addresses = listAddresses();
      const labelled = addresses.find((address) => address.label === name);
      if (labelled !== undefined) return { address: formatIpv4(labelled.address) };
      const link = listLinks().find((candidate) => candidate.name === name);
      if (link === undefined) return null;
      const first = addresses.find((address) => address.linkIndex === link.index);
      return { address: first === undefined ? null : formatIpv4(first.address) };
    },
    userId: (name) => idOf('passwd', name),
    groupId: (name) => idOf('group', name),
    primaryGroup(user) {
      const gid = /^[0-9]+$/.test(user) ? undefined : getent('passwd', user).split(':')[3];
      return gid === undefined || gid === '' ? null : Number(gid);
    },
    udpPort: (service) => servicePort(service),
    udpService: (port) => serviceName(port),
    resolveIpv4(host) {
      if (isIpv4(host)) return host;
      return getent('ahostsv4', host).split(/\s/, 1)[0] || null;
    },
    stonithType(type) {
      const installed = stonithDirectories.filter((directory) => statsOf(directory) !== null);
      if (installed.length === 0) return 'unknown';
      if (!/^[\w.-]+(\/[\w.-]+)?$/.test(type)) return 'missing';
      const paths = installed.map((directory) =>
        type.includes('/') ? `${directory}/${type}` : `${directory}/stonith2/${type}.so`,
      );
      return paths.some((path) => statsOf(path)?.isFile() === true) ? 'known' : 'missing';
    },
    bzip2: hasBzip2,
    ownUid: process.geteuid?.() ?? 0,
  };
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
}

function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    // Missing, forbidden, a loop of links or no path at all: nothing that can be used.
    return null;
  }
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // The only question was yes or no.
    return false;
  }
}

/** Asks the name service switch, so that accounts and hosts of every source count, not only those of files. */
function getent(database: string, key: string): string {
  // A name that starts with a dash would be taken for an option.
  if (key === '' || key.startsWith('-') || key.includes('\0')) return '';
  const { status, stdout } = spawnSync('getent', [database, key], {
    encoding: 'utf8',
    timeout: nameServiceMs,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout : '';
}

function idOf(database: 'passwd' | 'group', name: string): number | null {
  // getent takes a number for an id; the files want names there.
  if (/^[0-9]+$/.test(name)) return null;
  const id = getent(database, name).split(':')[2];
  return id === undefined || id === '' ? null : Number(id);
}

function servicePort(service: string): number | null {
  const port = /\s(\d+)\/udp/.exec(getent('services', `${service}/udp`))?.[1];
  return port === undefined ? null : Number(port);
}

function serviceName(port: number): string | null {
  return getent('services', `${port}/udp`).split(/\s/, 1)[0] || null;
}
