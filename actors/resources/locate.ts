/**
 * Where a resource's program is, and whether a resource is an address that a built-in agent handles.
 */
import { accessSync, constants, statSync } from 'node:fs';
import type { ResourceSpec } from '../../conf/settings.ts';
import type { AddressScript, AgentProgram } from '../../plugins/agents/agent.ts';
import { isOcf, ocfEnvironment, ocfPath, ocfRoot, parseOcf } from '../../plugins/agents/ocf.ts';
import { isSystemd, parseUnit, systemctlPaths, systemdMark } from '../../plugins/agents/systemd.ts';

/** What an operation on a resource runs. */
export type Target =
  | {
      readonly kind: 'address';
      readonly script: AddressScript;
      /** Only what the log lines show. */
      readonly path: string;
      readonly args: readonly string[];
    }
  | ({ readonly kind: 'script' } & AgentProgram)
  | { readonly kind: 'missing'; readonly script: string; readonly reason: string };

/** The places of this machine; tests have their own. */
export interface Places {
  readonly configDir: string;
  /** The directory of LSB init scripts, searched after `resource.d`; default `/etc/init.d`. */
  readonly initDir?: string;
  /** Default `/usr/lib/ocf`. */
  readonly ocfRoot?: string;
  /** Default: those of systemd.ts. */
  readonly systemctl?: readonly string[];
  /** Default: that of systemd.ts. */
  readonly systemdMark?: string;
  /** For OCF agents [ms, default 60 000]. */
  readonly timeoutMs?: number;
}

const missing = (script: string, reason: string): Target => ({ kind: 'missing', script, reason });

/**
 * Finds what stands behind a resource word.
 *
 * `IPaddr`, `IPaddr2` and `IPv6addr` are built in; `ocf:…` is an OCF agent, `systemd:…` a unit; any other name is the first executable regular
 * file of `configDir/resource.d/NAME` and `/etc/init.d/NAME`. A name with a slash is never a script.
 */
export function locate(resource: ResourceSpec, places: Places): Target {
  const { script, args } = resource;
  const own = `${places.configDir.replace(/\/$/, '')}/resource.d/${script}`;
  if (script === 'IPaddr' || script === 'IPaddr2') return { kind: 'address', script, path: own, args };
  // The separator of arguments is part of many IPv6 addresses.
  if (script === 'IPv6addr') return { kind: 'address', script, path: own, args: [args.join('::')] };
  if (isOcf(script)) return locateOcf(resource, places);
  if (isSystemd(script)) return locateUnit(script, places);
  if (script.includes('/') || script === '' || script === '.' || script === '..')
    return missing(script, 'this is no name of a script');
  const init = `${places.initDir ?? '/etc/init.d'}/${script}`;
  if (isExecutable(own)) return { kind: 'script', agent: 'resource.d', path: own, args };
  if (isExecutable(init)) return { kind: 'script', agent: 'lsb', path: init, args };
  return missing(script, `there is no executable ${own} and no ${init}`);
}

function locateOcf(resource: ResourceSpec, places: Places): Target {
  const root = places.ocfRoot ?? ocfRoot;
  const reading = parseOcf(resource);
  if (!reading.ok) return missing(resource.script, reading.problem);
  const path = ocfPath(reading.resource, root);
  if (!isExecutable(path)) return missing(resource.script, `there is no executable ${path}: is its package installed?`);
  const environment = ocfEnvironment(reading.resource, places.timeoutMs ?? 60_000, root);
  return { kind: 'script', agent: 'ocf', path, args: [], environment };
}

function locateUnit(script: string, places: Places): Target {
  const unit = parseUnit(script);
  if (unit === null) return missing(script, 'this is no name of a systemd unit');
  if (statSync(places.systemdMark ?? systemdMark, { throwIfNoEntry: false }) === undefined)
    return missing(script, 'systemd does not run this machine: use the init script or an OCF agent instead');
  const path = (places.systemctl ?? systemctlPaths).find(isExecutable);
  if (path === undefined) return missing(script, 'there is no systemctl on this machine');
  return { kind: 'script', agent: 'systemd', path, args: [unit] };
}

function isExecutable(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Only its permission is asked.
    return false;
  }
}
