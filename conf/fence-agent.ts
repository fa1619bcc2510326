/**
 * Fence agents (`fence_*`) in `stonith` and `stonith_host` lines: how a type names one, and what its parameters say.
 *
 * A parameter is `name=value`, or `name="value with blanks"`. Those that begin with `pcmk_` are for us and have Pacemaker's meaning; the
 * others are the agent's own.
 */

/** Where Debian and Red Hat install the agents. */
const fenceAgentDirectories = ['/usr/sbin', '/sbin', '/usr/local/sbin'] as const;

/** True for `fence_NAME` and for `/any/path/fence_NAME`. */
export function isFenceAgentType(type: string): boolean {
  return /^(?:\/(?:[^/]+\/)*)?fence_[\w.-]+$/.test(type);
}

/** The paths at which an agent may be, best first. */
export function fenceAgentPaths(type: string): readonly string[] {
  return type.startsWith('/') ? [type] : fenceAgentDirectories.map((directory) => `${directory}/${type}`);
}

export interface FenceAgentParameters {
  /** What the agent is given, in the order written; without `action`, which is ours. */
  readonly options: readonly (readonly [name: string, value: string])[];
  /** `pcmk_host_list`: the nodes that this device can reset, in lower case; null: not said. `pcmk_host_map` adds its own. */
  readonly hosts: readonly string[] | null;
  /** `pcmk_host_map=node1:1;node2:2`: what the agent calls a node, by the node's name in lower case. */
  readonly plugs: ReadonlyMap<string, string>;
  /** `pcmk_reboot_action`: `off` for a device that cannot, or shall not, switch on again. */
  readonly action: 'reboot' | 'off';
}

export type FenceAgentReading =
  | { readonly ok: true; readonly parameters: FenceAgentParameters }
  /** Says what is wrong without showing a value. */
  | { readonly ok: false; readonly problem: string };

/** Reads the parameters of a `stonith_host` line. */
export function readFenceAgentLine(text: string): FenceAgentReading {
  const entries: [string, string][] = [];
  let rest = text.trim();
  while (rest !== '') {
    const match = /^([A-Za-z_][\w-]*)=(?:"([^"]*)"|(\S*))(?:\s+|$)/.exec(rest);
    if (match === null) return { ok: false, problem: `parameter ${entries.length + 1} is not NAME=VALUE` };
    entries.push([match[1] ?? '', match[2] ?? match[3] ?? '']);
    rest = rest.slice(match[0].length);
  }
  return interpret(entries);
}

/** Reads a parameter file of a `stonith` line: one `name=value` a line, the value as it stands; `#` begins a comment line. */
export function readFenceAgentFile(text: string): FenceAgentReading {
  const entries: [string, string][] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const match = /^\s*([A-Za-z_][\w-]*)=(.*?)\r?$/.exec(line);
    if (match === null) return { ok: false, problem: `line ${index + 1} is not NAME=VALUE` };
    entries.push([match[1] ?? '', match[2] ?? '']);
  }
  return interpret(entries);
}

function interpret(entries: readonly (readonly [string, string])[]): FenceAgentReading {
  const own = new Map(entries.filter(([name]) => name.startsWith('pcmk_')));
  for (const name of own.keys()) {
    if (!['pcmk_host_list', 'pcmk_host_map', 'pcmk_reboot_action'].includes(name))
      return { ok: false, problem: `${name} is not known here` };
  }
  const action = own.get('pcmk_reboot_action') ?? 'reboot';
  if (action !== 'reboot' && action !== 'off') return { ok: false, problem: 'pcmk_reboot_action is reboot or off' };
  const plugs = new Map<string, string>();
  for (const pair of listOf(own.get('pcmk_host_map') ?? '', /[\s;,]+/)) {
    const colon = pair.indexOf(':');
    if (colon < 1 || colon === pair.length - 1) return { ok: false, problem: 'pcmk_host_map is NODE:PLUG;NODE:PLUG…' };
    plugs.set(pair.slice(0, colon).toLowerCase(), pair.slice(colon + 1));
  }
  const listed = own.get('pcmk_host_list');
  const hosts = [...listOf(listed?.toLowerCase() ?? '', /[\s;,]+/), ...plugs.keys()];
  return {
    ok: true,
    parameters: {
      options: entries.filter(([name]) => !name.startsWith('pcmk_') && name !== 'action' && name !== 'option'),
      hosts: listed === undefined && plugs.size === 0 ? null : [...new Set(hosts)],
      plugs,
      action,
    },
  };
}

function listOf(text: string, separator: RegExp): readonly string[] {
  return text.split(separator).filter((word) => word !== '');
}
