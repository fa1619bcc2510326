/**
 * Where a resource's script is, and whether a resource is an address that the built-in agent handles.
 */
import { accessSync, constants, statSync } from 'node:fs';
import type { ResourceSpec } from '../../conf/settings.ts';

/** The directory of LSB init scripts, searched after `resource.d`. */
const INIT_DIR = '/etc/init.d';

/** What an operation on a resource runs. */
export type Target =
  | {
      readonly kind: 'address';
      readonly script: 'IPaddr' | 'IPaddr2';
      readonly path: string;
      readonly args: readonly string[];
    }
  | { readonly kind: 'script'; readonly path: string; readonly args: readonly string[] }
  | { readonly kind: 'missing'; readonly script: string };

/**
 * Finds what stands behind a resource word: the first executable regular file of `configDir/resource.d/NAME` and `/etc/init.d/NAME`.
 *
 * `IPaddr` and `IPaddr2` are the built-in address agent; their path is only what the log lines show. A name with a slash is never a script.
 */
export function locate(resource: ResourceSpec, configDir: string, initDir: string = INIT_DIR): Target {
  const { script, args } = resource;
  const own = `${configDir.replace(/\/$/, '')}/resource.d/${script}`;
  if (script === 'IPaddr' || script === 'IPaddr2') return { kind: 'address', script, path: own, args };
  if (!script.includes('/') && script !== '' && script !== '.' && script !== '..') {
    for (const path of [own, `${initDir}/${script}`]) if (isExecutable(path)) return { kind: 'script', path, args };
  }
  return { kind: 'missing', script };
}

function isExecutable(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
