/** Where a node keeps its files: the three directories of the command line and what is in them. */
import { dirname, join, resolve } from 'node:path';

/** Heartbeat's own places: used when the command line names no others. */
export const defaultDirectories = {
  configDir: '/etc/ha.d',
  stateDir: '/var/lib/heartbeat',
  runDir: '/var/run/heartbeat',
} as const;

export interface Directories {
  readonly configDir: string;
  readonly stateDir: string;
  readonly runDir: string;
}

/** Makes absolute paths of the options given; a missing one gets Heartbeat's own place. */
export function directoriesFrom(options: { configDir?: string; stateDir?: string; runDir?: string }): Directories {
  return {
    configDir: resolve(options.configDir ?? defaultDirectories.configDir),
    stateDir: resolve(options.stateDir ?? defaultDirectories.stateDir),
    runDir: resolve(options.runDir ?? defaultDirectories.runDir),
  };
}

/** The socket on which the daemon answers `systole status`, `stop` and `reload`. */
export function adminSocketPath(runDir: string): string {
  return join(runDir, 'systole.sock');
}

/** Longest path of a Unix socket on Linux: sun_path has 108 bytes, the last one is NUL [bytes]. */
const maxSocketPathBytes = 107;

/** Why a socket cannot have this path, as the end of a message; null when it can. */
export function socketPathProblem(socketPath: string): string | null {
  const sizeBytes = Buffer.byteLength(socketPath);
  if (sizeBytes <= maxSocketPathBytes) return null;
  return `${dirname(socketPath)} is too long by ${sizeBytes - maxSocketPathBytes} bytes: sockets cannot have longer paths; give a shorter directory`;
}

/** The pid file: Heartbeat's place beside its run directory for the default, inside the directory for any other. */
export function pidFilePath(runDir: string): string {
  return runDir === defaultDirectories.runDir || runDir === '/run/heartbeat'
    ? '/run/heartbeat.pid'
    : join(runDir, 'heartbeat.pid');
}
