/**
 * What the network tests need of a machine. Used by test/prepare.ts, which installs it, and by `requireLab()`, which checks it.
 */

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { labEnvironment } from './process.ts';

/** A Debian package and the file by which its presence shows. */
interface Requirement {
  readonly package: string;
  /** A command, or an absolute path. */
  readonly file: string;
}

const requirements: readonly Requirement[] = [
  { package: 'util-linux', file: 'unshare' },
  { package: 'util-linux', file: 'nsenter' },
  { package: 'util-linux', file: 'setpriv' },
  { package: 'iproute2', file: 'ip' },
  { package: 'iputils-ping', file: 'ping' },
  { package: 'iputils-arping', file: 'arping' },
  { package: 'nftables', file: 'nft' },
  { package: 'tcpdump', file: 'tcpdump' },
  { package: 'socat', file: 'socat' },
  { package: 'procps', file: 'ps' },
  { package: 'net-tools', file: 'ifconfig' },
  { package: 'heartbeat', file: '/usr/libexec/heartbeat/heartbeat' },
  { package: 'resource-agents', file: '/usr/lib/ocf/resource.d/heartbeat/IPaddr' },
  { package: 'cluster-glue', file: '/usr/sbin/stonith' },
  { package: 'faketime', file: 'faketime' },
  // The benchmark's referee and floor are C.
  { package: 'gcc', file: 'gcc' },
  { package: 'libc6-dev', file: 'gencat' },
  { package: 'fence-agents', file: '/usr/sbin/fence_dummy' },
];

/** The packages that are missing, each once, in a fixed order. */
export function missingPackages(): readonly string[] {
  return [...new Set(requirements.filter(({ file }) => !present(file)).map((requirement) => requirement.package))];
}

/** Why this process cannot make a lab although every package is there; null when it can. */
export function labObstacle(): string | null {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid?.() !== 0) return 'not root';
  const missing = missingPackages();
  if (missing.length > 0) return `missing Debian packages: ${missing.join(' ')}`;
  // A container may be root and still be refused namespaces, mounts or nftables: try them all once.
  const trial = 'mount -t proc proc /proc && ip link add br0 type bridge && nft "add table bridge trial"';
  const flags = ['--net', '--mount', '--uts', '--pid', '--fork', '--kill-child=KILL', '--propagation', 'private'];
  try {
    execFileSync('unshare', [...flags, 'sh', '-c', trial], {
      env: labEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 10_000,
    });
    return null;
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return `this system refuses namespaces, mounts or nftables: ${stderr || String(error)}`;
  }
}

function present(file: string): boolean {
  const places = isAbsolute(file)
    ? [file]
    : (labEnvironment.PATH ?? '').split(delimiter).map((folder) => join(folder, file));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false; // not there or not for us: the next place may have it
    }
  });
}
