/**
 * What clients may ask about the cluster: nodes, links, uuids, weights and sites, kept up to date from the events of membership alone.
 */
import type { ClusterNode, MediumSpec, Settings } from '../../conf/settings.ts';
import { type FieldList, getBytes, getString } from '../../runtime/message/message.ts';
import type { LinkName, NodeName } from '../../runtime/units.ts';
import type { NodeCache } from '../node-cache.ts';
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
  /** In the order of ha.cf, ping nodes included; those that were added come behind. */
  readonly nodes: NodeView[];
  /** The links that a normal node has. */
  readonly links: readonly LinkName[];
  /** Removed at run time, as they were last. */
  readonly deleted: NodeView[];
}

/** The original's weight of a node that was given none. */
const defaultWeight = 100;

/**
 * @param uuid our own
 * @throws RangeError when the settings do not list the node itself
 */
export function createView(settings: Pick<Settings, 'self' | 'nodes' | 'media'>, uuid: Uint8Array): ClusterView {
  const shared = [...new Set(settings.media.filter((medium) => !isPing(medium)).map((medium) => medium.link))];
  const nodes = settings.nodes.map((node) => makeNode(node, node.name === settings.self ? uuid : null, shared));
  const self = nodes.find((node) => node.name === settings.self);
  if (self === undefined) throw new RangeError(`node ${settings.self} is not in its own configuration`);
  return { self, nodes, links: shared, deleted: [] };
}

function makeNode({ name, type }: ClusterNode, uuid: Uint8Array | null, shared: readonly LinkName[]): NodeView {
  const links = type === 'ping' ? [name as string as LinkName] : shared;
  return {
    name,
    type,
    status: 'init',
    uuid,
    weight: defaultWeight,
    site: '',
    links: links.map((link) => ({ name: link, status: 'dead' })),
  };
}

function isPing(medium: MediumSpec): boolean {
  return medium.kind === 'ping' || medium.kind === 'ping6' || medium.kind === 'ping_group';
}

/** A node by its name as a client writes it, in any case. */
export function findNode(view: ClusterView, name: string | undefined): NodeView | undefined {
  const wanted = name?.toLowerCase();
  return view.nodes.find((node) => node.name === wanted);
}

/** Puts in what a former life has remembered of nodes that are not those of ha.cf. */
export function restoreNodes(view: ClusterView, { added, deleted }: NodeCache): void {
  for (const { name, uuid, weight, site } of added) {
    const node = findNode(view, name);
    if (node !== undefined && node !== view.self) Object.assign(node, { uuid, weight, site });
  }
  for (const { name, uuid, weight, site } of deleted) {
    if (findNode(view, name) !== undefined) continue;
    view.deleted.push({ ...makeNode({ name, type: 'normal' }, uuid, view.links), weight, site });
  }
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
    case 'node-added': {
      const known = view.deleted.findIndex((node) => node.name === event.node);
      const [back] = known < 0 ? [] : view.deleted.splice(known, 1);
      const node = makeNode({ name: event.node, type: 'normal' }, back?.uuid ?? null, view.links);
      if (back !== undefined) Object.assign(node, { weight: back.weight, site: back.site });
      view.nodes.push(node);
      return;
    }
    case 'node-removed': {
      const at = view.nodes.findIndex((node) => node.name === event.node);
      if (at >= 0) view.deleted.push(...view.nodes.splice(at, 1));
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
