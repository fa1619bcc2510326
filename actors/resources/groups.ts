/**
 * Which groups there are, whose they are, and what each one does at the moment.
 */
import type { GroupSpec } from '../../conf/settings.ts';
import type { NodeName } from '../../runtime/units.ts';
import { type Holding, includes, type Kind } from './holdings.ts';
import { type GroupFailures, noFailures } from './monitor.core.ts';

/**
 * What one group does on this node.
 *
 * `idle`: not here. `claimed`: about to run or being started. `held`: every resource of it runs. `releasing`: being stopped. `failed`: could
 * not be started and was stopped again. `stuck`: could not be stopped, so nobody else may start it.
 */
export type GroupActivity = 'idle' | 'claimed' | 'held' | 'releasing' | 'failed' | 'stuck';

export interface GroupState {
  readonly spec: GroupSpec;
  readonly kind: Kind;
  activity: GroupActivity;
  /** The last job that was given this group; what older jobs say about it is out of date. */
  job: number;
  /** A failed start was offered to the other node already: once is enough, or a broken group would wander for ever. */
  offered: boolean;
  readonly failures: GroupFailures;
}

/** All groups by key, in the order of haresources. */
export type Groups = ReadonlyMap<string, GroupState>;

/**
 * Sorts the groups into local and foreign ones.
 *
 * @param specs keys are unique: the reader of haresources refuses duplicates; of two equal ones the first counts here
 */
export function makeGroups(specs: readonly GroupSpec[], self: NodeName): Groups {
  const groups = new Map<string, GroupState>();
  for (const spec of specs) {
    if (groups.has(spec.key)) continue;
    const kind = spec.owner === self ? 'local' : 'foreign';
    groups.set(spec.key, { spec, kind, activity: 'idle', job: 0, offered: false, failures: noFailures() });
  }
  return groups;
}

/** The groups of a set, in file order. */
export function groupsOf(groups: Groups, set: Holding): readonly GroupState[] {
  return [...groups.values()].filter((group) => includes(set, group.kind));
}

/** The keys of a set, in file order. */
export function keysOf(groups: Groups, set: Holding): readonly string[] {
  return groupsOf(groups, set).map((group) => group.spec.key);
}
