/** The forms of haresources that Heartbeat does not know: `ocf:PROVIDER:TYPE::name=value` and `systemd:UNIT`. */
import { isOcf, ocfPath, parseOcf } from '../plugins/agents/ocf.ts';
import { isSystemd, parseUnit, systemctlPaths, systemdMark } from '../plugins/agents/systemd.ts';
import type { ResourceSpec } from './settings.ts';
import type { System } from './system.ts';

/** Whether the script name of a resource is of one of these forms. */
export function isOwnForm(script: string): boolean {
  return isOcf(script) || isSystemd(script);
}

/** Why the resource could not be started on this machine, or null. */
export function agentProblem(
  resource: ResourceSpec,
  system: System,
): { readonly message: string; readonly hint: string } | null {
  if (isSystemd(resource.script)) return unitProblem(resource, system);
  const reading = parseOcf(resource);
  if (!reading.ok)
    return {
      message: reading.problem,
      hint: 'write ocf:PROVIDER:TYPE::name=value::name=value, blanks in values as %20',
    };
  const path = ocfPath(reading.resource);
  if (isProgram(system, path)) return null;
  return { message: `there is no executable ${path}`, hint: 'install the package with this agent (resource-agents)' };
}

function unitProblem(
  { script, args }: ResourceSpec,
  system: System,
): { readonly message: string; readonly hint: string } | null {
  if (parseUnit(script) === null || args.length > 0)
    return {
      message: `${[script, ...args].join('::')} is no systemd unit`,
      hint: 'write systemd:NAME or systemd:NAME.service',
    };
  if (system.stat(systemdMark) === null)
    return { message: `${script} cannot be started: systemd does not run this machine`, hint: 'use the init script' };
  return systemctlPaths.some((path) => isProgram(system, path))
    ? null
    : { message: `${script} cannot be started: there is no systemctl`, hint: 'install systemd' };
}

function isProgram(system: System, path: string): boolean {
  const facts = system.stat(path);
  return facts?.kind === 'file' && facts.executable;
}
