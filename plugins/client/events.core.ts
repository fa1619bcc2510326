/**
 * What a client hears, as typed events: made of the frames that the daemon delivers.
 */
import { type FieldList, getString } from '../../runtime/message/message.ts';

export type NodeStatus = 'init' | 'up' | 'active' | 'dead' | 'ping';
/** What this node holds; `transition` while resources move. */
export type ResourceStatus = 'none' | 'local' | 'foreign' | 'all' | 'transition';

/** A message from the cluster: a type and named texts. */
export interface ClusterMessage {
  readonly type: string;
  /** The node that sent it. */
  readonly from: string;
  /** The client that sent it; null when the daemon or a script did. */
  readonly client: string | null;
  /** All string fields, the transport's included. Of fields with the same name the first counts. */
  readonly fields: Readonly<Record<string, string>>;
}

export type ClientEvent =
  /** The status of a node changed: never our own, and `ping` only of ping nodes. */
  | { readonly type: 'node'; readonly node: string; readonly status: NodeStatus }
  | { readonly type: 'link'; readonly node: string; readonly link: string; readonly status: 'up' | 'dead' }
  /** A client of our own name came or went on a node; we ourselves included. */
  | { readonly type: 'client'; readonly node: string; readonly client: string; readonly status: 'join' | 'leave' }
  | { readonly type: 'message'; readonly message: ClusterMessage }
  /** Signed on (again): what happened meanwhile was not told, so ask for what you need. */
  | { readonly type: 'connected'; readonly node: string }
  /** The daemon is gone. With `reconnect` a `connected` follows when it is back. */
  | { readonly type: 'disconnected' };

const statuses: readonly NodeStatus[] = ['init', 'up', 'active', 'dead', 'ping'];

/** The word as a status; undefined when it is none. */
export function parseNodeStatus(word: string | undefined): NodeStatus | undefined {
  return statuses.find((status) => status === word);
}

/** The event of one delivered frame; null when it says nothing that can be understood. */
export function readEvent(frame: FieldList): ClientEvent | null {
  const type = getString(frame, 't');
  const from = getString(frame, 'src') ?? '';
  switch (type) {
    case undefined:
      return null;
    case 'status':
    case 'NS_st': {
      const status = parseNodeStatus(getString(frame, 'st'));
      return status === undefined ? null : { type: 'node', node: from, status };
    }
    case 'ifstat': {
      const node = getString(frame, 'node');
      const link = getString(frame, 'ifname');
      const status = getString(frame, 'st');
      if (node === undefined || link === undefined || (status !== 'up' && status !== 'dead')) return null;
      return { type: 'link', node, link, status };
    }
    case 'hbapi-clstat': {
      const status = getString(frame, 'st');
      const client = getString(frame, 'from_id');
      if (client === undefined || (status !== 'join' && status !== 'leave')) return null;
      return { type: 'client', node: from, client, status };
    }
    default:
      return { type: 'message', message: readMessage(type, from, frame) };
  }
}

function readMessage(type: string, from: string, frame: FieldList): ClusterMessage {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, kind, value] of frame) if (kind === 0 && !(name in fields)) fields[name] = value;
  return { type, from, client: getString(frame, 'from_id') ?? null, fields };
}
