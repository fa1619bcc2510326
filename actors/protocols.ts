/**
 * What the core actors say to each other: one union of casts for each receiver. All of it is structured-clone safe plain data.
 */
import type { AuthKeys } from '../conf/settings.ts';
import type { MediumSockets } from '../plugins/media/medium.ts';
import type { FieldList } from '../runtime/message/message.ts';
import type { LinkName, Ms, NodeName } from '../runtime/units.ts';
import type { BeatsBefore } from './beats.ts';

/** Status words of the wire; `init` also means "never heard". */
export type NodeStatus = 'init' | 'up' | 'active' | 'dead' | 'ping';

/** To a medium. */
export type MediumCast =
  /** One message, encoded and signed in the form of this medium (a datagram's, or a serial line's): to be sent as it is. */
  | { readonly type: 'transmit'; readonly bytes: Uint8Array }
  /** authkeys was read again. */
  | { readonly type: 'keys'; readonly keys: AuthKeys };

/** To the ping actor. */
export type PingCast =
  /** Membership has sent a status of ours (not a retransmission): ask every ping host. `ts` is its field of that name. */
  | { readonly type: 'status-sent'; readonly ts: string }
  /** authkeys was read again. */
  | { readonly type: 'keys'; readonly keys: AuthKeys };

/** To membership. */
export type MembershipCast =
  /** From a medium, or from the ping actor in a ping node's name: an authenticated message. `heardMs` is the monotonic time of reception. */
  | {
      readonly type: 'packet';
      readonly link: LinkName;
      readonly fields: FieldList;
      readonly heardMs: Ms;
      /** Heartbeats of the same node that this medium has left on the pulse board, to be taken first. */
      readonly before?: BeatsBefore;
      /** The key that signed it, when that is another one than we sign with. */
      readonly otherKey?: number;
    }
  /** From resources, api or a plugin: a cluster message with its own fields only; membership adds the envelope and numbers it. */
  | {
      readonly type: 'send';
      readonly fields: FieldList;
      /** Asks for a `client-message-taken` when it has been sent. */
      readonly fromClient?: true;
    }
  /** From api: which classes of messages (bits of the client filter masks) it wants to see beside the delivered ones; 0 = none. */
  | { readonly type: 'observe'; readonly mask: number }
  /** From the MCP: the node leaves on purpose; advertise nothing new, keep beating until stopped. */
  | { readonly type: 'leaving' }
  /** From a datagram medium, which `medium` names: its sockets, to be sent through without its thread (see outlets.ts). */
  | { readonly type: 'sockets'; readonly medium: string; readonly sockets: MediumSockets }
  /** authkeys was read again: sign with the selected key from now on. */
  | { readonly type: 'keys'; readonly keys: AuthKeys };

/** To every subscriber of membership (resources, api, plugins). */
export type MembershipEvent =
  /** Communication is up: every configured node was heard or declared dead, and we are `active`. */
  | { readonly type: 'comm-up'; readonly deadNodes: readonly NodeName[] }
  /** A node's status changed, by a status message of its own (given as `fields`); our own node's too. Deaths come as `node-dead` only. */
  | {
      readonly type: 'node-status';
      readonly node: NodeName;
      readonly nodeType: 'normal' | 'ping';
      readonly status: NodeStatus;
      readonly previous: NodeStatus;
      readonly fields?: FieldList;
    }
  /**
   * A node was declared dead. `wasHeard` is false when it was never heard since our own start (it may hold resources all the same).
   * `silentMs` is the silence at the decision, `limitMs` the limit in force, `decidedMs` the monotonic time of the decision.
   */
  | {
      readonly type: 'node-dead';
      readonly node: NodeName;
      readonly nodeType: 'normal' | 'ping';
      readonly wasHeard: boolean;
      readonly silentMs: Ms;
      readonly limitMs: Ms;
      readonly decidedMs: Ms;
    }
  /** A node that we had declared dead speaks again with unchanged generation: the cluster was partitioned. */
  | { readonly type: 'partition-healed'; readonly node: NodeName }
  /** A node speaks with a higher generation than before: it was started again. */
  | { readonly type: 'node-restarted'; readonly node: NodeName }
  /** A node came into the cluster at run time (`addnode`, a peer's node list, autojoin); it was not heard yet. */
  | { readonly type: 'node-added'; readonly node: NodeName }
  /** A dead node was removed from the cluster. */
  | { readonly type: 'node-removed'; readonly node: NodeName }
  | { readonly type: 'link-status'; readonly node: NodeName; readonly link: LinkName; readonly status: 'up' | 'dead' }
  /** A cluster message that passed the decision table, our own ones (loopback) included. */
  | { readonly type: 'message'; readonly from: NodeName; readonly own: boolean; readonly fields: FieldList };

/** To api alone, beside the events of membership. */
export type ClientsCast =
  /** From membership: too many of our messages are unacknowledged (or no longer): clients must wait. */
  | { readonly type: 'clients-paused'; readonly paused: boolean }
  /** From membership: one message of a client was numbered and sent. */
  | { readonly type: 'client-message-taken' }
  /** From membership, only while somebody asked for it: a message of a class that is not delivered otherwise; `mask` is one bit of the filter masks. */
  | { readonly type: 'observed'; readonly mask: number; readonly fields: FieldList }
  /** From resources: what `cl_status rscstatus` answers from now on. */
  | { readonly type: 'rscstatus'; readonly value: 'none' | 'local' | 'foreign' | 'all' | 'transition' };

/** To resources. */
export type ResourcesCast =
  | MembershipEvent
  /** From membership: unless it is heard, a node will be declared dead at that instant. Only to be ready: nothing follows from it. */
  | { readonly type: 'suspicion'; readonly verdictMs: Ms }
  /** From the MCP: release everything for a graceful stop, then emit `released`. */
  | { readonly type: 'give-up-all' };
