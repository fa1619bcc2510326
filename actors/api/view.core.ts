/**
 * What clients may ask about the cluster: nodes, links, uuids, weights and sites, kept up to date from the events of membership alone.
 */
import type { ClusterNode, MediumSpec, Settings } from '../../conf/settings.ts';
import { type FieldList, getBytes, getString } from '../../runtime/message/message.ts';
import type { LinkName, NodeName } from '../../runtime/units.ts';
import type { MembershipEvent, NodeStatus } from '../protocols.ts';

export interface LinkView {
  readonly name: LinkName;
  status: 'up' | 'dead';
}

export interface NodeView {
  readonly name: NodeName;
  readonly type: ClusterNode['type'];
  status: NodeStatus;
  /** 16 bytes; null while it is not known. */
  uuid: Uint8Array | null;
  /** Default 100. */
  weight: number;
  site: string;
  /** In the order of the media; a ping node has one, named like itself. */
  readonly links: readonly LinkView[];
}

export interface ClusterView {
  readonly self: NodeView;
  /** In the order of ha.cf, ping nodes included. */
  readonly nodes: readonly NodeView[];
}

/** The original's weight of a node that was given none. */
const defaultWeight = 100;

/**
 * @param uuid our own
 * @throws RangeError when the settings do not list the node itself
 */
export function createView(settings: Pick<Settings, 'self' | 'nodes' | 'media'>, uuid: Uint8Array): ClusterView {
  const shared = [...new Set(settings.media.filter((medium) => !isPing(medium)).map((medium) => medium.link))];
  const nodes = settings.nodes.map(
    ({ name, type }): NodeView => ({
      name,
      type,
      status: 'init',
      uuid: name === settings.self ? uuid : null,
      weight: defaultWeight,
      site: '',
      links: (type === 'ping' ? [name as string as LinkName] : shared).map((link) => ({ name: link, status: 'dead' })),
    }),
  );
  const self = nodes.find((node) => node.name === settings.self);
  if (self === undefined) throw new RangeError(`node ${settings.self} is not in its own configuration`);
  return { self, nodes };
}

function isPing(medium: MediumSpec): boolean {
  return medium.kind === 'ping' || medium.kind === 'ping6' || medium.kind === 'ping_group';
}

/** A node by its name as a client writes it, in any case. */
export function findNode(view: ClusterView, name: string | undefined): NodeView | undefined {
  const wanted = name?.toLowerCase();
  return view.nodes.find((node) => node.name === wanted);
}

/** Takes in what membership says. Messages may change weights and sites, and teach uuids. */
export function updateView(view: ClusterView, event: MembershipEvent): void {
  switch (event.type) {
    case 'node-status': {
      const node = findNode(view, event.node);
      if (node === undefined) return;
      node.status = event.status;
      if (event.fields !== undefined) learnUuid(node, event.fields);
      return;
    }
    case 'node-dead': {
      const node = findNode(view, event.node);
      if (node !== undefined) node.status = 'dead';
      return;
    }
    case 'link-status': {
      const node = findNode(view, event.node);
      // The link of a ping node is the only one it has, whatever its medium is called.
      const link = node?.type === 'ping' ? node.links[0] : node?.links.find((known) => known.name === event.link);
      if (link !== undefined) link.status = event.status;
      return;
    }
    case 'message': {
      const sender = findNode(view, event.from);
      if (sender !== undefined && sender.uuid === null) learnUuid(sender, event.fields);
      updateAttributes(view, event.fields);
      return;
    }
    case 'comm-up':
    case 'partition-healed':
    case 'node-restarted':
      return;
  }
}

function learnUuid(node: NodeView, fields: FieldList): void {
  const uuid = getBytes(fields, 'srcuuid');
  if (uuid?.length === 16) node.uuid = uuid;
}

function updateAttributes(view: ClusterView, fields: FieldList): void {
  const node = findNode(view, getString(fields, 'node'));
  if (node === undefined) return;
  switch (getString(fields, 't')) {
    case 'setweight':
      // As the original reads it: leading digits, junk counts as 0.
      node.weight = Number.parseInt(getString(fields, 'weight') ?? '', 10) || 0;
      return;
    case 'setsite':
      node.site = getString(fields, 'site') ?? '';
      return;
    default:
      return;
  }
}
