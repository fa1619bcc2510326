/**
 * Event scripts: which one an event calls, and its environment (resources.md section 10.2). Pure.
 *
 * `rc.d/TYPE` in the configuration directory is run with TYPE as its argument for each event of that type, on all nodes, and after it every
 * program in `rc.d/TYPE.d` in the order of their names (an addition of Systole's, and the place for hooks on `status`). The
 * scripts that Heartbeat ships do what Systole does itself: `status` would take over a dead node's groups a second time. Scripts of
 * these names are not run, whoever wrote them.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { field, getString } from '../../runtime/message/message.ts';
import { assertNever, type NodeName } from '../../runtime/units.ts';
import type { MembershipEvent } from '../protocols.ts';

/** An event that scripts may be run for. */
export interface HookEvent {
  /** In lower case: the script's name and argument. */
  readonly type: string;
  /** What is exported: each string field as `HA_<name>`. */
  readonly fields: FieldList;
}

/** Names in rc.d whose work the resource engine does. */
const builtIn = new Set(['status', 'ip-request', 'ip-request-resp', 'ask_resources', 'hb_takeover']);

/** Messages that never reach rc.d. */
const silent = new Set(['starting', 'resource', 'ask_resources', 'shutdone']);

/**
 * The event behind something that membership told; null: no script is ever run for it.
 *
 * @param wallClockS for the time stamp of a death, which has no message [s since 1970]
 */
export function hookEvent(event: MembershipEvent, self: NodeName, wallClockS: number): HookEvent | null {
  switch (event.type) {
    case 'node-status':
      if (event.node === self || event.nodeType === 'ping' || event.fields === undefined) return null;
      return { type: 'status', fields: event.fields };
    case 'node-dead': {
      const fields = [
        field('t', 'status'),
        field('st', 'dead'),
        field('src', event.node),
        field('ts', wallClockS.toString(16)),
        field('seq', '1'),
      ];
      if (event.nodeType === 'ping') fields.push(field('info', 'ping'));
      return { type: 'status', fields };
    }
    case 'link-status':
      return {
        type: 'ifstat',
        fields: [
          field('t', 'ifstat'),
          field('node', event.node),
          field('ifname', event.link),
          field('st', event.status),
        ],
      };
    case 'message': {
      const type = getString(event.fields, 't')?.toLowerCase();
      // The name becomes a path below rc.d.
      if (type === undefined || silent.has(type) || !/^[a-z0-9_][\w.-]*$/.test(type) || type.endsWith('.d'))
        return null;
      return { type, fields: event.fields };
    }
    case 'comm-up':
    case 'partition-healed':
    case 'node-restarted':
    case 'node-added':
    case 'node-removed':
      return null;
    default:
      return assertNever(event);
  }
}

/** Whether `rc.d/TYPE` itself may be run. */
export function isOwnScript(type: string): boolean {
  return !builtIn.has(type);
}

export interface HookSurroundings {
  /** As for resource scripts. */
  readonly environment: Readonly<Record<string, string>>;
  readonly configDir: string;
  readonly stateDir: string;
  /** Our own status word. */
  readonly ownStatus: string;
  readonly autoFailback: 'on' | 'off' | 'legacy';
}

/**
 * What a script finds in its environment beside that of resource scripts.
 *
 * A message cannot set what the daemon has set: `HA_FUNCS` names a file that scripts execute as root, and messages come from ordinary users
 * too. For the same reason only names with a lower case letter are exported, as all of Heartbeat's fields have.
 */
export function hookEnvironment(
  { fields }: HookEvent,
  surroundings: HookSurroundings,
): Readonly<Record<string, string>> {
  const { environment, configDir, stateDir, ownStatus, autoFailback } = surroundings;
  const directory = configDir.replace(/\/$/, '');
  const set: Record<string, string> = {
    HA_BIN: '/usr/libexec/heartbeat',
    HA_FIFO: `${stateDir}/fifo`,
    HA_RCDIR: `${directory}//rc.d`,
    HA_RESOURCEDIR: `${directory}//resource.d`,
    HA_OSTATUS: ownStatus,
    OCF_AGENTS: '/usr/lib/ocf/resource.d/heartbeat/',
  };
  if (autoFailback !== 'legacy') set.HA_NICEFAILBACK = 'yes';
  for (const [name, type, value] of fields) {
    const variable = `HA_${name}`;
    const known = variable in set || variable in environment;
    if (type === 0 && !known && /^\w*[a-z]\w*$/.test(name) && !value.includes('\0')) set[variable] = value;
  }
  return set;
}
