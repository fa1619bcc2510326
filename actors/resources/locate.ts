/**
 * Where a resource's program is, and whether a resource is an address that a built-in agent handles.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import type { ResourceSpec } from '../../conf/settings.ts';
import type { AddressScript, AgentProgram } from '../../plugins/agents/agent.ts';
import { isOcf, ocfEnvironment, ocfPath, ocfRoot, parseOcf } from '../../plugins/agents/ocf.ts';
import { instancePath, type OcfInstance, parseInstance, parseInstanceWord } from '../../plugins/agents/ocf-instance.ts';
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
 * `IPaddr`, `IPaddr2` and `IPv6addr` are built in; `ocf:…` and `OCF::TYPE::INSTANCE` are OCF agents, `systemd:…` a unit; any other name is the first executable regular
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
  const instance = parseInstanceWord(resource);
  if (instance !== null) return locateInstance(instance, places, own);
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

/** The agent with the variables of its file; a file that needs a shell is left to Heartbeat's wrapper script, where that is installed. */
function locateInstance(named: OcfInstance, places: Places, wrapper: string): Target {
  const word = `OCF::${named.type}::${named.instance}`;
  const root = places.ocfRoot ?? ocfRoot;
  const path = ocfPath({ provider: 'heartbeat', type: named.type, parameters: {} }, root);
  const file = `${places.configDir.replace(/\/$/, '')}/${instancePath(named)}`;
  const text = readText(file);
  const reading = text === null ? null : parseInstance(text);
  if (reading?.ok === true && isExecutable(path)) {
    const resource = { provider: 'heartbeat', type: named.type, parameters: {} };
    const environment = {
      ...ocfEnvironment(resource, places.timeoutMs ?? 60_000, root),
      OCF_RESOURCE_INSTANCE: `${named.type}_${named.instance}`,
      ...reading.variables,
    };
    return { kind: 'script', agent: 'ocf', path, args: [], environment };
  }
  if (isExecutable(wrapper))
    return { kind: 'script', agent: 'resource.d', path: wrapper, args: [named.type, named.instance] };
  if (reading === null) return missing(word, `${file} cannot be read`);
  return reading.ok
    ? missing(word, `there is no executable ${path}: is its package installed?`)
    : missing(word, `${file}:${reading.line}: ${reading.problem}`);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Whatever the reason is, there are no parameters; the operator is told which file.
    return null;
  }
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
