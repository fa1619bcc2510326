/** A machine made of data, for tests of the configuration. */
import type { FileFacts, System } from '../system.ts';

export interface FakeFile {
  readonly text?: string;
  readonly bytes?: Uint8Array;
  /** Default 0o644. */
  readonly mode?: number;
  readonly ownerUid?: number;
  readonly kind?: FileFacts['kind'];
}

export interface FakeMachine {
  readonly files?: Readonly<Record<string, FakeFile>>;
  /** Interface to IPv4 address. */
  readonly interfaces?: Readonly<Record<string, string | null>>;
  readonly users?: Readonly<Record<string, number>>;
  readonly groups?: Readonly<Record<string, number>>;
  readonly services?: Readonly<Record<string, number>>;
  readonly hosts?: Readonly<Record<string, string>>;
  /** Installed fencing types; null when cluster-glue is not installed. */
  readonly stonithTypes?: readonly string[] | null;
  /** Default true. */
  readonly bzip2?: boolean;
  readonly ownUid?: number;
}

export function fakeSystem(machine: FakeMachine): System {
  const services = machine.services ?? {};
  const fileOf = (path: string): FakeFile | undefined =>
    machine.files !== undefined && Object.hasOwn(machine.files, path) ? machine.files[path] : undefined;
  return {
    readFile(path) {
      const file = fileOf(path);
      if (file === undefined) return { ok: false, errno: 'ENOENT' };
      return { ok: true, bytes: file.bytes ?? new TextEncoder().encode(file.text ?? '') };
    },
    stat(path) {
      const file = fileOf(path);
      if (file === undefined) return null;
      const mode = file.mode ?? 0o644;
      return { kind: file.kind ?? 'file', mode, ownerUid: file.ownerUid ?? 0, executable: (mode & 0o111) !== 0 };
    },
    networkInterface: (name) =>
      machine.interfaces !== undefined && Object.hasOwn(machine.interfaces, name)
        ? { address: machine.interfaces[name] ?? null }
        : null,
    userId: (name) => lookUp(machine.users, name),
    groupId: (name) => lookUp(machine.groups, name),
    // Each user has a group of its own number.
    primaryGroup: (user) => lookUp(machine.users, user),
    udpPort: (service) => lookUp(services, service),
    udpService: (port) => Object.keys(services).find((name) => services[name] === port) ?? null,
    resolveIpv4: (host) =>
      /^\d+\.\d+\.\d+\.\d+$/.test(host) && host.split('.').every((part) => Number(part) < 256)
        ? host
        : lookUp(machine.hosts, host.toLowerCase()),
    stonithType: (type) =>
      machine.stonithTypes === undefined || machine.stonithTypes === null
        ? 'unknown'
        : machine.stonithTypes.includes(type)
          ? 'known'
          : 'missing',
    bzip2: () => machine.bzip2 ?? true,
    ownUid: machine.ownUid ?? 0,
  };
}

function lookUp<T>(table: Readonly<Record<string, T>> | undefined, name: string): T | null {
  return table !== undefined && Object.hasOwn(table, name) ? (table[name] ?? null) : null;
}

/** The host on which the corpus was recorded: name node1, interfaces lo and eth0, no name service, Debian with heartbeat and cluster-glue. */
export const recordedHost: FakeMachine = {
  interfaces: { lo: '127.0.0.1', eth0: '10.77.0.1' },
  users: { root: 0, hacluster: 105 },
  groups: { root: 0, haclient: 106 },
  services: { 'ha-cluster': 694, domain: 53, 'afs3-fileserver': 7000, 'afs3-callback': 7001 },
  hosts: { localhost: '127.0.0.1' },
  stonithTypes: ['null', 'ssh', 'meatware', 'baytech', 'suicide', 'external/ssh'],
  files: {
    '/bin/sleep': { mode: 0o755 },
    '/bin/true': { mode: 0o755 },
    '/bin': { mode: 0o755, kind: 'directory' },
    '/etc/passwd': { text: 'root:x:0:0::/root:/bin/sh\n' },
    '/etc/ha.d/stn': { text: 'node1 node2\n' },
    '/dev': { mode: 0o755, kind: 'directory' },
    '/dev/null': { mode: 0o666, kind: 'character-device' },
    '/dev/zero': { mode: 0o666, kind: 'character-device' },
    '/usr/libexec/heartbeat/ccm': { mode: 0o755 },
    '/usr/libexec/heartbeat/ipfail': { mode: 0o755 },
  },
};

/** The recorded host with the three files in /etc/ha.d; null leaves a file out. */
export function hostWith(
  files: {
    readonly haCf?: string | Uint8Array | null;
    readonly authkeys?: string | Uint8Array | null;
    readonly authkeysMode?: number;
    readonly haresources?: string | Uint8Array | null;
  },
  machine: FakeMachine = recordedHost,
): System {
  const entries: Record<string, FakeFile> = { '/etc/ha.d': { kind: 'directory', mode: 0o755 }, ...machine.files };
  const put = (name: string, content: string | Uint8Array | null | undefined, mode: number): void => {
    if (content === null || content === undefined) return;
    entries[`/etc/ha.d/${name}`] = typeof content === 'string' ? { text: content, mode } : { bytes: content, mode };
  };
  put('ha.cf', files.haCf, 0o644);
  put('authkeys', files.authkeys, files.authkeysMode ?? 0o600);
  put('haresources', files.haresources, 0o644);
  return fakeSystem({ ...machine, files: entries });
}
