/**
 * What goes into and comes out of the resource core: inputs, effects, and the state between them. Plain data throughout.
 */
import type { Settings } from '../../conf/settings.ts';
import type { Severity } from '../../runtime/log.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import type { Ms, NodeName } from '../../runtime/units.ts';
import type { Happening } from '../events.ts';
import type { MembershipEvent } from '../protocols.ts';
import type { Groups } from './groups.ts';
import type { Holding, Kind, ResourceSet } from './holdings.ts';
import type { OperatorAnswer, OperatorWork } from './operator.ts';

/** What the core needs to know of the configuration. */
export type ResourcesConfig = Pick<Settings, 'self' | 'nodes' | 'groups' | 'autoFailback' | 'configDir'> &
  Partial<Pick<Settings, 'monitor'>> & {
    /** A fencing device is configured: nothing of a dead node is taken before it is off. */
    readonly fences?: boolean;
  };

/** Why the engine is asked to do something: it decides what is logged, and what the completion means. */
export type Why =
  /** Our own groups, after the negotiation. */
  | 'own'
  /** The groups of a node that died or left. */
  | 'takeover'
  /** The standby protocol, either side. */
  | 'standby'
  /** We leave. */
  | 'shutdown'
  /** The other node holds them too. */
  | 'double-holding'
  /** Groups that we do not claim must not be running here. */
  | 'verify-idle'
  /** A resource of theirs does not run any more. */
  | 'monitor'
  /** Legacy: the owner asked for its group. */
  | 'ip-request'
  /** Legacy: the other node let us have our group. */
  | 'ip-request-resp';

/** What became of one group of a job. */
export type GroupOutcome =
  | { readonly key: string; readonly result: 'held' }
  /** A resource did not start; the group was stopped again, completely. */
  | { readonly key: string; readonly result: 'failed'; readonly resource: string }
  /** Nothing of the group runs here. `wasHeld`: something did before. */
  | { readonly key: string; readonly result: 'released'; readonly wasHeld: boolean }
  /** A resource could not be stopped: it may still run here. */
  | { readonly key: string; readonly result: 'stuck'; readonly resource: string }
  /** A later job took the group over before this one began with it. */
  | { readonly key: string; readonly result: 'skipped' };

export type ResourcesInput =
  | MembershipEvent
  /** From the MCP: a graceful stop. */
  | { readonly type: 'give-up-all' }
  /** From an operator: give the set up (`standby`), or ask the other node to give the set, as seen from here, to us (`takeover`). */
  | {
      readonly type: 'standby' | 'takeover';
      readonly set: ResourceSet;
      /** Names the asker in the answers (effect `operator`); without it nobody waits for one. */
      readonly request?: number;
    }
  /** From the monitor: a resource of a held group does not run. */
  | { readonly type: 'resource-failed'; readonly key: string; readonly resource: string }
  /** From the engine: an acquire, release or probe is finished; one outcome for each of its keys. */
  | { readonly type: 'job-done'; readonly job: number; readonly outcomes: readonly GroupOutcome[] }
  /** The answer to `fence`: the node is off, so what it held may be taken. */
  | { readonly type: 'fenced'; readonly node: NodeName; readonly by: 'device' | 'operator' }
  /** One of the {@link Deadlines} has come. */
  | { readonly type: 'timer' };

export type ResourcesEffect =
  /** To membership: a cluster message without envelope. */
  | { readonly type: 'send'; readonly fields: FieldList }
  /** To the engine; jobs run one at a time in the order of their numbers. `probe` only asks whether the groups are held; `restart` is for held ones. */
  | {
      readonly type: 'acquire' | 'release' | 'probe' | 'restart';
      readonly job: number;
      readonly keys: readonly string[];
      readonly why: Why;
    }
  /** One log line; `tag` makes it a line of one of Heartbeat's scripts, e.g. `mach_down(default)`. */
  | { readonly type: 'log'; readonly severity: Severity; readonly text: string; readonly tag?: string }
  | { readonly type: 'event'; readonly happening: Happening; readonly atMs: Ms }
  /** Switch this node off; answered by `fenced`, whenever that is, unless `cancel-fencing` comes first. */
  | { readonly type: 'fence'; readonly node: NodeName; readonly wasHeard: boolean }
  /** What was being fenced is heard again, has released everything, or we leave. */
  | { readonly type: 'cancel-fencing'; readonly why: 'returned' | 'left' | 'leaving' }
  /** Held addresses of these groups are to be announced again: the other node had them as well. */
  | { readonly type: 'announce'; readonly keys: readonly string[] }
  /** To an operator who asked: at most two for each request. */
  | { readonly type: 'operator'; readonly request: number; readonly answer: OperatorAnswer }
  /** Everything is given up; the node may leave. `stuck`: groups that could not be stopped, so that the other node was told nothing. */
  | { readonly type: 'released'; readonly stuck: readonly string[] }
  /** Groups could not be stopped: only a reboot makes sure that they do not run. */
  | { readonly type: 'reboot-required'; readonly keys: readonly string[] };

/** Heartbeat's resource states 0 to 5, in their order (the number appears in its error texts). */
export const PHASES = ['init', 'starting', 'both-starting', 'reported', 'stable', 'shutdown'] as const;
type Phase = (typeof PHASES)[number];

/** Why we asked for a standby: an automatic failback, an operator here, or a kind that the other node should try since it does not start here. */
export type AskOrigin = { readonly why: 'failback' | 'operator' } | { readonly why: 'offer'; readonly kind: Kind };

/** The standby protocol, one exchange at a time. */
export type StandbyState =
  | { readonly step: 'not' }
  /** We asked, and wait for the other's word. */
  | { readonly step: 'asked'; readonly set: ResourceSet; readonly deadlineMs: Ms; readonly origin: AskOrigin | null }
  /** We are releasing. */
  | { readonly step: 'giving'; readonly set: ResourceSet; readonly job: number }
  /** We have released, and wait for the other to have acquired. */
  | { readonly step: 'given'; readonly set: ResourceSet; readonly deadlineMs: Ms }
  /** The other asked, we agreed and wait for its release. */
  | { readonly step: 'waiting'; readonly set: ResourceSet; readonly deadlineMs: Ms }
  /** We are acquiring. `set` is still the set as the other calls it. */
  | { readonly step: 'taking'; readonly set: ResourceSet; readonly job: number };

/** What we know of the other node. */
interface OtherNode {
  readonly name: NodeName;
  alive: boolean;
  /** What it claims, from its own point of view. */
  holding: Holding;
  /** It said that its own work is finished; true as well while it is dead, when there is nothing to wait for. */
  stable: boolean;
  /** It has sent a full report since it came (back). */
  reported: boolean;
  /** It said that it leaves, and then that it holds nothing any more. */
  leaving: 'no' | 'releasing' | 'released';
  /** Number of its newest report; older ones that arrive later are ignored. */
  sequence: number;
  /** It said what became of fencing us: it has declared us dead, so it does not hear us, although we hear it. */
  deaf: boolean;
}

/** An engine job that has not reported yet. */
export interface Job {
  readonly id: number;
  readonly verb: 'acquire' | 'release' | 'probe' | 'restart';
  readonly why: Why;
  readonly keys: readonly string[];
}

/** Instants at which `timer` is due [ms, monotonic]; null: not set. */
export interface Deadlines {
  /** The wait for a node that is silent about its stability is over. */
  settleMs: Ms | null;
  /** Not before this a failback or an offer is tried again. */
  retryMs: Ms | null;
  /** The other node had time enough to give up what both hold. */
  yieldMs: Ms | null;
  /** The other node is asked to give up what both hold. */
  takeBackMs: Ms | null;
  /** Our groups were without an owner long enough. */
  adoptMs: Ms | null;
  /** Legacy: an `ip-request` got no answer. */
  askMs: Ms | null;
}

export const noDeadlines: Readonly<Deadlines> = {
  settleMs: null,
  retryMs: null,
  yieldMs: null,
  takeBackMs: null,
  adoptMs: null,
  askMs: null,
};

export interface ResourcesState {
  readonly config: ResourcesConfig;
  readonly groups: Groups;
  /** Null in a cluster of one node. */
  other: OtherNode | null;
  /** All other normal nodes in their order, and whether each speaks: the next partner when the present one is removed from the cluster. */
  readonly roster: Map<NodeName, boolean>;
  phase: Phase;
  /** What we claim: holding, or about to. It follows what the engine reports. */
  claims: Holding;
  standby: StandbyState;
  takeoverFrom: NodeName | null;
  /** `pending`: the other node is dead and must be off before anything of it is taken. `done`: it was switched off, and not heard since. */
  fencing: 'no' | 'pending' | 'done';
  /** A standby exchange that the death of the other node broke off: should it be back before it was fenced, it still waits for us. */
  brokenExchange: ResourceSet | null;
  needsFailback: boolean;
  /** Kinds in which a group failed to start here and that the other node should try. */
  readonly offers: Set<Kind>;
  /**
   * Kinds that the other node held as well, or may have held behind a partition. `open`: it may still; `told`: it says that it does not any
   * more, and may still be stopping.
   */
  readonly contested: Map<Kind, 'open' | 'told'>;
  /** A request of our own that was sent and has not come back to us yet. */
  asking: AskOrigin | null;
  /** What an operator asked for and is under way. */
  operator: OperatorWork | null;
  /** Legacy: own groups that the other node was asked for and has not answered yet. */
  readonly requested: Set<string>;
  /** A group could not be stopped: nothing more is acquired on this node. */
  crippled: boolean;
  readonly jobs: Map<number, Job>;
  nextJob: number;
  readonly deadlines: Deadlines;
  /** Startup work, for the line `Initial resource acquisition complete`. */
  /** The other node was asked to give up what both hold. */
  takeBackAsked: boolean;
  readonly work: { local: boolean; foreign: boolean; told: boolean };
  /** Audit lines that are true at present: each is logged when it becomes true. */
  audit: ReadonlySet<string>;
  /** A death that was told before communication was up: `wasHeard` of it. */
  earlyDeath: { readonly wasHeard: boolean } | null;
  /** The holding that was last emitted as an event. */
  shownHolding: Holding;
  /** We were active in the cluster: only then is there anybody to tell that we leave. */
  joined: boolean;
  /** The last report that we sent. */
  told: { readonly holding: Holding; readonly stable: boolean };
}
