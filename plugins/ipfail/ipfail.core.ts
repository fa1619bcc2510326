/**
 * ipfail: the node that sees fewer ping nodes gives its resources to the one that sees more.
 *
 * Pure. The same algorithm, messages and words as Heartbeat's ipfail (client-api.md 5), so that ours and the original can be partners:
 *
 * - Whenever a ping node or a link changes, or the partner's ipfail joins, we count the ping nodes that answer and tell the partner.
 * - Who hears the other's count compares: more here → `you_are_dead`; fewer here → give everything up, after a delay; equal → `abort_giveup`.
 * - The delay (2 × keepalive) lets a failure that both see arrive on both: then the counts are equal again, and nothing moves.
 *
 * ```ts
 * const state = createIpfail({ self: 'node1', partner: 'node2', autoFailback: true, keepaliveMs: 1000 });
 * for (const effect of step(state, { type: 'node', node: '10.0.0.1', status: 'dead' })) perform(effect);
 * ```
 *
 * The effects `count` and `get-resources` are questions: their answers come back as `counted` and `resources`, before anything else is fed.
 */
import { assertNever } from '../../runtime/units.ts';
import type { ClusterMessage, NodeStatus, ResourceStatus } from '../client/events.core.ts';

export interface IpfailConfig {
  readonly self: string;
  /** The other normal node; null in a cluster of one, where nothing ever happens. */
  readonly partner: string | null;
  readonly autoFailback: boolean;
  /** [ms] */
  readonly keepaliveMs: number;
}

type GiveUpSet = 'all' | 'foreign';

export interface IpfailState {
  readonly config: IpfailConfig;
  /** A standby that could not be asked for because resources were moving: asked again when the partner is stable. */
  needStandby: boolean;
  /** The giveup that waits for its delay. */
  timer: { readonly id: number; readonly set: GiveUpSet } | null;
  nextTimerId: number;
}

/** Why the ping nodes are counted. */
type CountFor =
  | { readonly why: 'node-died' }
  | { readonly why: 'ask'; readonly linkDied: boolean }
  | { readonly why: 'compare'; readonly theirs: number };

export type IpfailInput =
  | { readonly type: 'node'; readonly node: string; readonly status: NodeStatus }
  | { readonly type: 'link'; readonly node: string; readonly link: string; readonly status: 'up' | 'dead' }
  /** A client called ipfail came or went on that node. */
  | { readonly type: 'client'; readonly node: string; readonly status: 'join' | 'leave' }
  | { readonly type: 'message'; readonly message: ClusterMessage }
  /** How many nodes have the status `ping`; each of them by name. */
  | { readonly type: 'counted'; readonly purpose: CountFor; readonly pingNodes: readonly string[] }
  | { readonly type: 'resources'; readonly purpose: 'failback' | 'giveup'; readonly status: ResourceStatus }
  /** The pause after which we ask again is over. */
  | { readonly type: 'settled' }
  /** The giveup's delay is over. */
  | { readonly type: 'timer'; readonly id: number };

export type IpfailEffect =
  | { readonly type: 'count'; readonly purpose: CountFor }
  | { readonly type: 'get-resources'; readonly purpose: 'failback' | 'giveup' }
  | {
      readonly type: 'send';
      readonly message: string;
      /** A node; null: all. */
      readonly to: string | null;
      readonly fields: Readonly<Record<string, string>>;
    }
  /** Feed `timer` with this id after the delay [ms]; it takes the place of any earlier one. */
  | { readonly type: 'set-timer'; readonly id: number; readonly delayMs: number }
  | { readonly type: 'cancel-timer' }
  /** Feed `settled` after so long [ms]. (The original hears nothing meanwhile.) */
  | { readonly type: 'pause'; readonly delayMs: number }
  | { readonly type: 'log'; readonly severity: 'info' | 'debug'; readonly text: string };

/** The original's pause before it asks again after a transition [ms]. */
const settleMs = 10_000;

export function createIpfail(config: IpfailConfig): IpfailState {
  return { config, needStandby: false, timer: null, nextTimerId: 1 };
}

/** Takes one input; the state is changed in place, the effects are to be carried out in order. */
export function step(state: IpfailState, input: IpfailInput): IpfailEffect[] {
  switch (input.type) {
    case 'node':
      return onNode(input.node, input.status);
    case 'link':
      return onLink(input);
    case 'client':
      if (input.status !== 'join' || input.node === state.config.self) return [];
      return [debug(`Got join message from another ipfail client. (${input.node})`), ask(false)];
    case 'message':
      return onMessage(state, input.message);
    case 'counted':
      return onCounted(state, input.purpose, input.pingNodes);
    case 'resources':
      return input.purpose === 'giveup' ? giveUp(state, input.status) : failback(state, input.status);
    case 'settled':
      state.needStandby = false;
      return [ask(false)];
    case 'timer':
      if (state.timer?.id !== input.id) return [];
      return [info('giveup() called (timeout worked)'), { type: 'get-resources', purpose: 'giveup' }];
    default:
      return assertNever(input);
  }
}

const info = (text: string): IpfailEffect => ({ type: 'log', severity: 'info', text });
const debug = (text: string): IpfailEffect => ({ type: 'log', severity: 'debug', text });
const ask = (linkDied: boolean): IpfailEffect => ({ type: 'count', purpose: { why: 'ask', linkDied } });

function onNode(node: string, status: NodeStatus): IpfailEffect[] {
  const update = info(`Status update: Node ${node} now has status ${status}`);
  switch (status) {
    case 'dead':
      return [update, { type: 'count', purpose: { why: 'node-died' } }];
    case 'ping':
      return [update, info('A ping node just came up.'), ask(false)];
    default:
      return [update];
  }
}

function onLink({ node, link, status }: Extract<IpfailInput, { type: 'link' }>): IpfailEffect[] {
  const update = info(`Link Status update: Link ${node}/${link} now has status ${status}`);
  return status === 'dead' ? [update, ask(true)] : [update];
}

function onMessage(state: IpfailState, { type, from, client, fields }: ClusterMessage): IpfailEffect[] {
  const { partner } = state.config;
  if (from !== partner) return [];
  switch (type) {
    case 'num_ping_nodes': {
      if (client !== 'ipfail') return [];
      const theirs = Number.parseInt(fields.num_ping ?? '', 10);
      if (!Number.isInteger(theirs)) return [];
      return [debug('Got asked for num_ping.'), { type: 'count', purpose: { why: 'compare', theirs } }];
    }
    case 'you_are_dead':
      if (client !== 'ipfail') return [];
      return [info('Giving up because we were told that we have less ping nodes.'), ...startGiveUp(state, 'all')];
    case 'abort_giveup':
      return client === 'ipfail' ? [abort(state) ?? info('No giveup timer to abort.')].flat() : [];
    case 'resource':
      return onResource(state, fields);
    default:
      return [];
  }
}

function onResource(state: IpfailState, fields: ClusterMessage['fields']): IpfailEffect[] {
  if (fields.isstable === '0') return [debug('Other side is unstable.')];
  if (fields.isstable !== '1' || fields.info !== undefined) return [];
  const stable = debug('Other side is now stable.');
  return state.needStandby ? [stable, { type: 'pause', delayMs: settleMs }] : [stable];
}

function onCounted(state: IpfailState, purpose: CountFor, pingNodes: readonly string[]): IpfailEffect[] {
  const ours = pingNodes.length;
  const found = pingNodes.map((node) => debug(`Found ping node ${node}!`));
  switch (purpose.why) {
    case 'node-died':
      return [...found, info(ours > 0 ? 'NS: We are still alive!' : 'NS: We are dead. :<')];
    case 'ask':
      return [
        ...found,
        ...(purpose.linkDied && ours === 0 ? [info('We are dead. :<')] : []),
        ...tellCount(state, ours),
        ...(purpose.linkDied && ours > 0 ? [info('Checking remote count of ping nodes.')] : []),
      ];
    case 'compare':
      return [...found, ...compare(state, ours, purpose.theirs)];
    default:
      return assertNever(purpose);
  }
}

function tellCount({ config }: IpfailState, ours: number): IpfailEffect[] {
  return [
    info('Asking other side for ping node count.'),
    ...toPartner(config, 'num_ping_nodes', { src: config.self, num_ping: String(ours) }),
    debug('Message [num_ping] sent.'),
  ];
}

function toPartner(
  { partner }: IpfailConfig,
  message: string,
  fields: Readonly<Record<string, string>>,
): IpfailEffect[] {
  return partner === null ? [] : [{ type: 'send', message, to: partner, fields }];
}

function compare(state: IpfailState, ours: number, theirs: number): IpfailEffect[] {
  const { config } = state;
  if (ours > theirs)
    return [
      info('Telling other node that we have more visible ping nodes.'),
      debug('Sending you_are_dead.'),
      ...toPartner(config, 'you_are_dead', {}),
      debug('Message [you_are_dead] sent.'),
    ];
  if (ours < theirs) return [info('Giving up because we have less visible ping nodes.'), ...startGiveUp(state, 'all')];
  const balanced: IpfailEffect[] = [
    info('Ping node count is balanced.'),
    ...toPartner(config, 'abort_giveup', { src: config.self }),
    debug('Abort message sent.'),
  ];
  const aborted = abort(state);
  if (aborted !== null) return [...balanced, ...aborted];
  return config.autoFailback ? [...balanced, { type: 'get-resources', purpose: 'failback' }] : balanced;
}

/** Both sides see the same: what prefers the partner goes back to it. */
function failback(state: IpfailState, status: ResourceStatus): IpfailEffect[] {
  if (status === 'transition') return [];
  return [info('Giving up foreign resources (auto_failback).'), ...startGiveUp(state, 'foreign')];
}

function startGiveUp(state: IpfailState, set: GiveUpSet): IpfailEffect[] {
  const overriding = state.timer === null ? [] : [debug('Detected existing delay timer, overriding')];
  const id = state.nextTimerId++;
  state.timer = { id, set };
  const delayMs = 2 * state.config.keepaliveMs;
  return [
    ...overriding,
    info(`Delayed giveup in ${Math.trunc(delayMs / 1_000)} seconds.`),
    { type: 'set-timer', id, delayMs },
  ];
}

function abort(state: IpfailState): IpfailEffect[] | null {
  const { timer } = state;
  if (timer === null) return null;
  state.timer = null;
  return [
    { type: 'cancel-timer' },
    info(`Aborted delayed giveup (${timer.id})`),
    debug('giveup timeout has been destroyed.'),
  ];
}

/** The delay is over and nobody objected. */
function giveUp(state: IpfailState, status: ResourceStatus): IpfailEffect[] {
  const { timer, config } = state;
  if (timer === null) return [];
  state.timer = null;
  const destroyed = debug('giveup timeout has been destroyed.');
  if (status === 'transition') {
    state.needStandby = true;
    return [destroyed];
  }
  state.needStandby = false;
  return [
    { type: 'send', message: 'ask_resources', to: null, fields: { rsc_hold: timer.set, src: config.self, info: 'me' } },
    debug('Message [ask_resources] sent.'),
    destroyed,
  ];
}
