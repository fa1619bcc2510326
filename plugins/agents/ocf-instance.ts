/**
 * Heartbeat's word for an OCF agent: `OCF::TYPE::INSTANCE`, with the parameters in the file `conf/OCF/TYPE/INSTANCE` of the configuration directory.
 * Pure.
 *
 * ```sh
 * # /etc/ha.d/conf/OCF/Filesystem/data
 * OCF_RESKEY_device=/dev/sdb1
 * export OCF_RESKEY_directory="/srv/data"
 * ```
 *
 * Heartbeat's wrapper script sources that file in a shell. Here it is read: plain assignments only, so that nothing in it is run.
 */
import type { ResourceSpec } from '../../conf/settings.ts';

export type InstanceReading =
  | { readonly ok: true; readonly variables: Readonly<Record<string, string>> }
  /** @field line from 1 */
  | { readonly ok: false; readonly line: number; readonly problem: string };

export interface OcfInstance {
  readonly type: string;
  readonly instance: string;
}

/** Takes `OCF::TYPE::INSTANCE` apart; null when the resource is something else, or has no names that could be files. */
export function parseInstanceWord({ script, args }: Pick<ResourceSpec, 'script' | 'args'>): OcfInstance | null {
  const [type, instance, ...more] = args;
  const named = /^[\w-][\w.-]*$/;
  if (script !== 'OCF' || type === undefined || instance === undefined || more.length > 0) return null;
  return named.test(type) && named.test(instance) ? { type, instance } : null;
}

/** Below the configuration directory. */
export function instancePath({ type, instance }: OcfInstance): string {
  return `conf/OCF/${type}/${instance}`;
}

/** Reads the assignments of an instance file: `NAME=value`, `export NAME=value`, with or without quotes; `#` begins a comment. */
export function parseInstance(text: string): InstanceReading {
  const variables: Record<string, string> = {};
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const bad = (problem: string): InstanceReading => ({ ok: false, line: index + 1, problem });
    // `export NAME` alone changes nothing: every variable is exported.
    if (/^export(?:\s+[A-Za-z_]\w*)+$/.test(line)) continue;
    const [, name, rest] = /^(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) return bad('this is no assignment');
    const value = plainValue(rest);
    if (value === null)
      return bad('only plain values are read: no $, no backquote, no backslash, no blank outside quotes');
    variables[name] = value;
  }
  return { ok: true, variables };
}

/** One word of the shell without anything that it would have to work out; null for all else. */
function plainValue(text: string): string | null {
  const [whole, ...parts] = /^(?:'([^']*)'|"([^"$`\\]*)"|([^\s'"$`\\;&|<>()#]*))\s*;?\s*(?:\s#.*)?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  return parts.find((part) => part !== undefined) ?? '';
}
