/**
 * The resource core: what this node takes, keeps and gives up. One state, one input at a time, effects out; time is an argument.
 *
 * ```ts
 * const state = initialResources(settings);
 * const effects = step(state, { type: 'comm-up', deadNodes: [] }, clock.now()); // carry them out, in order
 * const wakeMs = nextDeadlineMs(state); // then: step(state, { type: 'timer' }, clock.now())
 * ```
 *
 * Two promises are kept whatever happens: nothing is acquired that the other node may still run, as far as that can be known; and what is
 * reported as held is what the engine really holds or is starting.
 *
 * @see resources.md for the protocol; the parts are negotiation.ts, takeover.ts, standby.ts, legacy.ts and balance.ts
 */
import type { FieldList } from '../../runtime/message/message.ts';
import type { Ms, NodeName } from '../../runtime/units.ts';
import { assertNever } from '../../runtime/units.ts';
import { keepBalance } from './balance.ts';
import { type GroupActivity, makeGroups } from './groups.ts';
import { type Holding, mirrorSet, type ResourceSet } from './holdings.ts';
import {
  beginLegacy,
  divideOnContact,
  onIpRequest,
  onIpResponse,
  onProbed,
  onRequestReleased,
  requestAgain,
} from './legacy.ts';
import { parseClusterMessage } from './messages.ts';
import { onResourceFailed } from './monitor.core.ts';
import { beginNegotiation, onContact, onReport, onStarting, settle } from './negotiation.ts';
import { followOperator, operatorAsks, scriptAsks } from './operator.ts';
import { noticeReport, onAsk, onStandbyJob, onStandbyTimeout, requestStandby } from './standby.ts';
import { acceptDeath, endFencing, giveUpAll, onAllReleased, onFenced, onShutdone, onTakeoverDone } from './takeover.ts';
import { Turn } from './turn.ts';
import {
  type GroupOutcome,
  type Job,
  noDeadlines,
  type ResourcesConfig,
  type ResourcesEffect,
  type ResourcesInput,
  type ResourcesState,
} from './types.ts';

/**
 * The state before communication is up.
 *
 * The v1 protocol knows one partner: the first other node of the configuration. Groups of further nodes are taken with the partner's.
 */
export function initialResources(config: ResourcesConfig): ResourcesState {
  const others = config.nodes.filter((node) => node.type === 'normal' && node.name !== config.self);
  const [partner] = others;
  return {
    config,
    groups: makeGroups(config.groups, config.self),
    other: partner === undefined ? null : makeOther(partner.name, true),
    roster: new Map(others.map((node) => [node.name, false])),
    phase: 'init',
    claims: 'none',
    standby: { step: 'not' },
    takeoverFrom: null,
    fencing: 'no',
    brokenExchange: null,
    needsFailback: false,
    offers: new Set(),
    contested: new Map(),
    asking: null,
    operator: null,
    requested: new Set(),
    crippled: false,
    jobs: new Map(),
    nextJob: 1,
    deadlines: { ...noDeadlines },
    takeBackAsked: false,
    work: { local: false, foreign: false, told: false },
    audit: new Set(),
    earlyDeath: null,
    shownHolding: 'none',
    joined: false,
    told: { holding: 'none', stable: false },
  };
}

function makeOther(name: NodeName, alive: boolean): NonNullable<ResourcesState['other']> {
  return { name, alive, holding: 'none', stable: false, reported: false, leaving: 'no', sequence: -1, deaf: false };
}

/**
 * Takes one input. The state is changed in place; the effects are to be carried out in their order.
 *
 * @param nowMs the monotonic time [ms]
 */
export function step(state: ResourcesState, input: ResourcesInput, nowMs: Ms): ResourcesEffect[] {
  const turn = new Turn(state, nowMs);
  apply(turn, input);
  if (state.phase !== 'init' && state.phase !== 'shutdown') {
    keepBalance(turn);
    tellChanges(turn);
  }
  followOperator(turn);
  if (state.claims !== state.shownHolding) {
    state.shownHolding = state.claims;
    turn.event({ event: 'holding', holding: state.claims });
  }
  return turn.effects;
}

/** When `timer` is due [ms, monotonic]; null: there is nothing to wait for. */
export function nextDeadlineMs(state: ResourcesState): Ms | null {
  const { settleMs, retryMs, yieldMs, takeBackMs, adoptMs, askMs } = state.deadlines;
  const standbyMs = 'deadlineMs' in state.standby ? state.standby.deadlineMs : null;
  let first: Ms | null = null;
  for (const at of [
    settleMs,
    retryMs,
    yieldMs,
    takeBackMs,
    adoptMs,
    askMs,
    standbyMs,
    state.operator?.beginMs ?? null,
  ]) {
    if (at !== null && (first === null || at < first)) first = at;
  }
  return first;
}

function apply(turn: Turn, input: ResourcesInput): void {
  const { state } = turn;
  const other = state.other;
  noteRoster(state, input);
  switch (input.type) {
    case 'comm-up':
      if (state.phase !== 'init') return;
      if (turn.legacy) beginLegacy(turn, input.deadNodes);
      else beginNegotiation(turn, input.deadNodes);
      return;
    case 'node-dead':
      if (other === null || input.node !== other.name || input.nodeType === 'ping') return;
      if (state.phase === 'init') state.earlyDeath = { wasHeard: input.wasHeard };
      else if (other.alive) acceptDeath(turn, input.wasHeard);
      return;
    case 'node-status':
      if (other !== null && input.node === other.name && input.status !== 'dead')
        onAlive(turn, input.previous === 'dead' && input.status === 'active');
      return;
    case 'partition-healed':
      if (other !== null && input.node === other.name) onAlive(turn, true);
      return;
    case 'node-restarted':
      if (other === null || input.node !== other.name) return;
      // A new life: whatever ended the last one, it is over.
      if (state.fencing === 'done') state.fencing = 'no';
      other.sequence = -1;
      other.deaf = false;
      other.leaving = 'no';
      // What it said in its last life holds no more: it is not stable before it says so.
      other.reported = false;
      other.stable = false;
      return;
    case 'node-added':
      // Alone until now. It is a partner when it speaks; before communication is up, as one of the configuration.
      if (other === null) state.other = makeOther(input.node, state.phase === 'init');
      return;
    case 'node-removed':
      if (input.node === other?.name) changePartner(turn);
      return;
    case 'link-status':
      return;
    case 'message':
      onMessage(turn, input.from, input.own, input.fields);
      return;
    case 'give-up-all':
      giveUpAll(turn);
      return;
    case 'standby':
    case 'takeover':
      operatorAsks(turn, input.type, input.set, input.request ?? null);
      return;
    case 'resource-failed':
      onResourceFailed(turn, input.key, input.resource);
      return;
    case 'job-done':
      onJobDone(turn, input.job, input.outcomes);
      return;
    case 'fenced':
      onFenced(turn, input.node);
      return;
    case 'timer':
      onTimer(turn);
      return;
    default:
      assertNever(input);
  }
}

/** Which other nodes there are, and which of them speak: one of them may have to be the partner. */
function noteRoster(state: ResourcesState, input: ResourcesInput): void {
  switch (input.type) {
    case 'node-added':
      state.roster.set(input.node, false);
      return;
    case 'node-removed':
      state.roster.delete(input.node);
      return;
    case 'node-status':
      if (state.roster.has(input.node)) state.roster.set(input.node, true);
      return;
    case 'node-dead':
      if (state.roster.has(input.node)) state.roster.set(input.node, false);
      return;
    default:
      return;
  }
}

/** The partner, which is dead, was removed from the cluster: the next node takes its place, with whom we begin as after a long silence. */
function changePartner(turn: Turn): void {
  const { state } = turn;
  // Whoever removes a node that is still to be fenced has not made it safe: it stays the one whose end is waited for.
  if (state.fencing === 'pending') return;
  state.fencing = 'no';
  const [next] = state.roster;
  state.other = next === undefined ? null : makeOther(next[0], next[1]);
  if (next?.[1] !== true) return;
  if (turn.legacy) divideOnContact(turn);
  else onContact(turn);
}

/** @param inItsLife it did not start again: it may hold what we took when it was silent */
function onAlive(turn: Turn, inItsLife: boolean): void {
  const { state } = turn;
  const other = state.other;
  if (other === null) return;
  if (state.phase === 'init') state.earlyDeath = null;
  const wasDead = !other.alive;
  other.alive = true;
  endFencing(turn, 'returned', inItsLife);
  if (!inItsLife || !wasDead) return;
  if (turn.legacy) divideOnContact(turn);
  else onContact(turn);
}

function onMessage(turn: Turn, from: NodeName, own: boolean, fields: FieldList): void {
  const { state } = turn;
  if (!own && from !== state.other?.name) return;
  const message = parseClusterMessage(fields);
  if (message === undefined) return;
  if (message.type === 'ask_resources') {
    onAsk(turn, own, message);
    return;
  }
  // A script of ours asks for a group through the FIFO (`req_resource`).
  if (own && message.type === 'ip-request-resp') scriptAsks(turn, message);
  // The rest of our own words took effect when they were sent.
  if (own || state.phase === 'init') return;
  switch (message.type) {
    case 'starting':
      if (!turn.legacy) onStarting(turn);
      return;
    case 'resource':
      if (turn.legacy) return;
      onReport(turn, message);
      noticeReport(turn, message);
      return;
    case 'shutdone':
      onShutdone(turn);
      return;
    case 'stonith':
      if (state.other !== null && message.node === state.config.self) state.other.deaf = true;
      return;
    case 'hb_takeover':
      onTakeoverRequest(turn, message.set);
      return;
    case 'ip-request':
      onIpRequest(turn, message);
      return;
    case 'ip-request-resp':
      onIpResponse(turn, message);
      return;
    default:
      assertNever(message);
  }
}

/** The other node asks for a set; it names the groups as it sees them. */
function onTakeoverRequest(turn: Turn, set: ResourceSet | undefined): void {
  const { state } = turn;
  turn.script('harc', `info: Running ${state.config.configDir}/rc.d/hb_takeover hb_takeover`);
  if (set !== undefined) requestStandby(turn, mirrorSet(set));
}

function onTimer(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.deadlines.settleMs !== null && state.deadlines.settleMs <= nowMs) {
    state.deadlines.settleMs = null;
    if (state.phase === 'reported') settle(turn);
  }
  if (state.deadlines.retryMs !== null && state.deadlines.retryMs <= nowMs) state.deadlines.retryMs = null;
  if (state.deadlines.askMs !== null && state.deadlines.askMs <= nowMs) requestAgain(turn);
  if ('deadlineMs' in state.standby && state.standby.deadlineMs <= nowMs) onStandbyTimeout(turn);
}

const activityAfter: Readonly<Record<Exclude<GroupOutcome['result'], 'skipped'>, GroupActivity>> = {
  held: 'held',
  failed: 'failed',
  released: 'idle',
  stuck: 'stuck',
};

function onJobDone(turn: Turn, id: number, outcomes: readonly GroupOutcome[]): void {
  const { state } = turn;
  const job = state.jobs.get(id);
  if (job === undefined) return;
  state.jobs.delete(id);
  if (job.verb === 'probe') {
    onProbed(turn, outcomes);
    return;
  }
  for (const outcome of outcomes) takeOutcome(turn, job, outcome);
  const stuck = outcomes.filter((outcome) => outcome.result === 'stuck').map((outcome) => outcome.key);
  if (stuck.length > 0) {
    state.crippled = true;
    turn.effects.push({ type: 'reboot-required', keys: stuck });
  }
  turn.correctClaims();
  afterJob(turn, job, outcomes);
  if (stuck.length > 0 && state.phase !== 'shutdown') turn.report({ stable: false });
}

function takeOutcome(turn: Turn, job: Job, outcome: GroupOutcome): void {
  const { state } = turn;
  const group = state.groups.get(outcome.key);
  if (group === undefined || outcome.result === 'skipped') return;
  if (job.why === 'verify-idle' && outcome.result !== 'stuck') return;
  // A later job has the group in hand, except that nothing later makes a stuck group right.
  if (group.job !== job.id && outcome.result !== 'stuck') return;
  group.activity = activityAfter[outcome.result];
  if (outcome.result === 'held') group.offered = false;
  if (outcome.result === 'failed' && !group.offered && state.phase !== 'shutdown') state.offers.add(group.kind);
  if (job.why === 'monitor' && outcome.result === 'released' && state.phase !== 'shutdown') {
    // Given up because it keeps failing: the other node's turn.
    group.activity = 'failed';
    group.offered = false;
    state.offers.add(group.kind);
  }
}

function afterJob(turn: Turn, job: Job, outcomes: readonly GroupOutcome[]): void {
  switch (job.why) {
    case 'takeover':
      onTakeoverDone(turn, job, outcomes);
      return;
    case 'standby':
      onStandbyJob(turn, job, outcomes);
      return;
    case 'shutdown':
      onAllReleased(turn, outcomes);
      return;
    case 'ip-request':
      onRequestReleased(turn, job, outcomes);
      return;
    case 'ip-request-resp':
      turn.workDone('local', 'ip-request-resp');
      return;
    case 'own':
    case 'double-holding':
    case 'verify-idle':
    case 'monitor':
      return;
    default:
      assertNever(job.why);
  }
}

/** Reports again when what we said last is not true any more, or when we have become stable since. */
function tellChanges(turn: Turn): void {
  const { state } = turn;
  if (state.standby.step !== 'not' || !turn.isStable || state.takeoverFrom !== null) return;
  if (state.told.holding !== state.claims || !state.told.stable) turn.report();
}

/** The answer to `cl_status rscstatus` and to `systole status`. */
export interface ResourcesView {
  /** `transition` while anything is under way; in legacy mode always `none`. */
  readonly rscstatus: Holding | 'transition';
  readonly holding: Holding;
  readonly otherHolding: Holding | null;
  readonly stuck: boolean;
  readonly groups: readonly {
    readonly key: string;
    readonly owner: NodeName;
    readonly resources: readonly string[];
    readonly activity: GroupActivity;
    readonly running: boolean;
  }[];
}

export function viewResources(state: ResourcesState): ResourcesView {
  const busy = [...state.jobs.values()].some((job) => job.why !== 'verify-idle');
  const settled = state.phase === 'stable' || state.phase === 'shutdown' || state.phase === 'init';
  const stable =
    settled && !busy && state.standby.step === 'not' && state.takeoverFrom === null && (state.other?.stable ?? true);
  const holding = stable ? state.claims : 'transition';
  return {
    rscstatus: state.config.autoFailback === 'legacy' ? (busy ? 'transition' : 'none') : holding,
    holding: state.claims,
    otherHolding: state.other?.holding ?? null,
    stuck: state.crippled,
    groups: [...state.groups.values()].map((group) => ({
      key: group.spec.key,
      owner: group.spec.owner,
      resources: group.spec.resources.map((resource) => resource.word),
      activity: group.activity,
      running: group.activity === 'held',
    })),
  };
}
