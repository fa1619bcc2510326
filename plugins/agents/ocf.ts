/**
 * The word for an OCF agent in haresources: `ocf:PROVIDER:TYPE::name=value::name=value…`. Pure.
 *
 * ```text
 * node1 ocf:heartbeat:Filesystem::device=/dev/sdb1::directory=/data::fstype=ext4 10.0.0.10/24/eth0 ocf:heartbeat:nginx
 * ```
 *
 * A value may be empty and may hold any character but a blank, `#` and `::`; those are written as in a URL: `%20`, `%23`, `%3A%3A` (and a
 * percent sign as `%25`). Heartbeat's own form `OCF::TYPE::INSTANCE` is in ocf-instance.ts.
 */
import { createHash } from 'node:crypto';
import type { ResourceSpec } from '../../conf/settings.ts';

/** An agent of the OCF root with its parameters. */
export interface OcfResource {
  readonly provider: string;
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export type OcfReading =
  | { readonly ok: true; readonly resource: OcfResource }
  | { readonly ok: false; readonly problem: string };

/** Directory of the agents of all providers, below the root that the standard fixes. */
export const ocfRoot = '/usr/lib/ocf';

const bad = (problem: string): OcfReading => ({ ok: false, problem });

/** Whether a script name is of this form (well written or not). */
export function isOcf(script: string): boolean {
  return /^ocf:/i.test(script);
}

/** Takes the word apart. */
export function parseOcf({ script, args }: Pick<ResourceSpec, 'script' | 'args'>): OcfReading {
  const [, provider, type, ...more] = script.split(':');
  const named = /^[\w-][\w.-]*$/;
  if (provider === undefined || type === undefined || more.length > 0 || !named.test(provider) || !named.test(type))
    return bad(`${script} is no OCF agent: write ocf:PROVIDER:TYPE, for example ocf:heartbeat:Filesystem`);
  const parameters: Record<string, string> = {};
  for (const arg of args) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(arg) ?? [];
    if (name === undefined || value === undefined) return bad(`${arg} is no parameter: write ::name=value`);
    if (Object.hasOwn(parameters, name)) return bad(`parameter ${name} is written twice`);
    const decoded = decode(value);
    if (decoded === null) return bad(`${arg}: % is followed by two hexadecimal digits; write %25 for the sign itself`);
    parameters[name] = decoded;
  }
  return { ok: true, resource: { provider, type, parameters } };
}

function decode(value: string): string | null {
  try {
    return decodeURIComponent(value);
  } catch {
    // Its only failure is what is asked here.
    return null;
  }
}

/** Where the agent is. */
export function ocfPath({ provider, type }: OcfResource, root: string = ocfRoot): string {
  return `${root}/resource.d/${provider}/${type}`;
}

/**
 * What an agent finds in its environment, beside that of all scripts.
 *
 * @param timeoutMs how long an operation may take; some agents fit their own waits to it [ms]
 */
export function ocfEnvironment(
  resource: OcfResource,
  timeoutMs: number,
  root: string = ocfRoot,
): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {
    OCF_ROOT: root,
    OCF_RA_VERSION_MAJOR: '1',
    OCF_RA_VERSION_MINOR: '0',
    OCF_RESOURCE_TYPE: resource.type,
    OCF_TYPE: resource.type,
    OCF_RESOURCE_PROVIDER: resource.provider,
    OCF_RESOURCE_INSTANCE: instanceName(resource),
    OCF_RESKEY_CRM_meta_timeout: String(timeoutMs),
  };
  for (const [name, value] of Object.entries(resource.parameters)) environment[`OCF_RESKEY_${name}`] = value;
  return environment;
}

/**
 * A name that stays the same and is the resource's alone, since agents name state files by it: the type, the first value as far as it fits
 * into a file name, and a digest where that is not all there is.
 */
function instanceName({ type, parameters }: OcfResource): string {
  const [first, ...others] = Object.values(parameters);
  if (first === undefined) return type;
  const readable = first.replaceAll(/[^\w.-]+/g, '-').slice(0, 32);
  const digest = createHash('sha256').update(JSON.stringify(parameters)).digest('hex').slice(0, 8);
  return others.length === 0 && readable === first ? `${type}_${first}` : `${type}_${readable}-${digest}`;
}
