/**
 * What is done when a held resource does not run any more (own directive `monitor INTERVAL failures N`).
 *
 * It is started again in place. When its group has failed N times within an hour, the group is given up and offered to the other node. Where
 * that cannot be (the other node is dead, or the group came back from there already), it goes on being started again, at growing
 * distances: a service that runs now and then is better than none, and a broken one must not keep the node busy.
 */
import { type Ms, ms } from '../../runtime/units.ts';
import type { GroupState } from './groups.ts';
import type { Turn } from './turn.ts';

/** How long a failure, and a failover because of failures, is remembered [ms]. */
const MEMORY_MS = 3_600_000;
/** The shortest and longest distance between restarts of a group that has used up its failures here [ms]. */
const BACKOFF_MS = { first: 10_000, longest: 600_000 } as const;

/** What is remembered of a group's failures. Instants are of the monotonic clock. */
export interface GroupFailures {
  failedMs: readonly Ms[];
  /** It was given up because of its failures, last at this time. */
  givenUpMs: Ms | null;
  /** It is not started again before this. */
  restartMs: Ms | null;
}

export const noFailures = (): GroupFailures => ({ failedMs: [], givenUpMs: null, restartMs: null });

/**
 * A status denied that the resource runs, while its group counts as held.
 *
 * @param resource its word in haresources
 */
export function onResourceFailed(turn: Turn, key: string, resource: string): void {
  const { state, nowMs } = turn;
  const group = state.groups.get(key);
  const limit = state.config.monitor?.failures;
  if (group === undefined || limit === undefined || !mayAct(turn, group)) return;
  const { failures } = group;
  if (failures.restartMs !== null && failures.restartMs > nowMs) return;
  failures.failedMs = [...failures.failedMs.filter((at) => at > nowMs - MEMORY_MS), nowMs];
  const count = failures.failedMs.length;
  turn.log('ERROR', `Resource ${resource} of group ${key} does not run any more (failure ${count} of ${limit}).`);
  turn.event({ event: 'resource.failed', group: key, resource, failures: count });
  if (count >= limit && mayGoAway(turn, group)) {
    turn.log('ERROR', `Group ${key} has failed ${count} times here: giving it up for ${state.other?.name}.`);
    failures.givenUpMs = nowMs;
    failures.failedMs = [];
    failures.restartMs = null;
    turn.releaseKeys([key], 'monitor');
    return;
  }
  if (count > limit) {
    const delayMs = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** Math.min(count - limit - 1, 16));
    failures.restartMs = ms(nowMs + delayMs);
    turn.log('WARN', `Group ${key} keeps failing: not started again within the next ${Math.round(delayMs / 1_000)} s.`);
  }
  turn.restart(key);
}

function mayAct({ state }: Turn, group: GroupState): boolean {
  if (group.activity !== 'held' || state.crippled || state.phase === 'shutdown' || state.phase === 'init') return false;
  // Whatever is under way for this group decides about it.
  return ![...state.jobs.values()].some((job) => job.keys.includes(group.spec.key));
}

/** The other node is there to take it, and has not handed it back within the last hour. */
function mayGoAway({ state, nowMs, legacy }: Turn, { failures }: GroupState): boolean {
  const { other } = state;
  if (legacy || other === null || !other.alive || other.leaving !== 'no' || state.standby.step !== 'not') return false;
  return failures.givenUpMs === null || failures.givenUpMs <= nowMs - MEMORY_MS;
}
