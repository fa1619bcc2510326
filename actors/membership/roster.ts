/**
 * Nodes that come and go while we run: `addnode`, `delnode`, the node list of a peer that we ask while coming up, and autojoin.
 *
 * A list is one blank-separated string; what is wrong with one name is said and does not keep the others out. Every node judges for itself:
 * all have the same facts, and where one missed a message (it was down), the next `repnodes` that it asks for tells it.
 */
import { maxNodes } from '../../conf/nodes.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import { getString } from '../../runtime/message/message.ts';
import { type NodeName, nodeName } from '../../runtime/units.ts';
import { joinFlow, updateFlow } from './flow.ts';
import { complain, emit, log, makeNode, type NodeState, type Turn } from './state.ts';

/** Host names as the wire carries them; whatever else stands in a list becomes no node, no file's line and no log's. */
const USABLE_NAME = /^[a-z0-9_][a-z0-9_.-]{0,98}$/;

/** `addnode`: everybody adds the nodes. One that was deleted is welcome again. */
export function receiveAddNode(turn: Turn, fields: FieldList): void {
  for (const name of namesIn(turn, fields, 'nodelist')) {
    if (turn.state.byName.has(name)) log(turn, 'ERROR', `addnode: node ${name} is known already`);
    else addNode(turn, name);
  }
}

/**
 * `delnode`: everybody removes the nodes, if each of them is dead and every other one is up. A node that only seems dead may hold what the
 * others would take; and one that is away would not hear of it.
 */
export function receiveDelNode(turn: Turn, fields: FieldList): void {
  const { state } = turn;
  const wanted: NodeState[] = [];
  for (const name of namesIn(turn, fields, 'nodelist')) {
    const node = state.byName.get(name);
    if (node === undefined || node.type !== 'normal') {
      log(turn, 'WARN', `deletion failed: node ${name} is not a node of this cluster`);
      return;
    }
    if (node.status !== 'dead') {
      log(turn, 'WARN', `deletion failed: node ${name} is not dead`);
      return;
    }
    wanted.push(node);
  }
  const away = state.nodes.find(
    (node) => node.type === 'normal' && !wanted.includes(node) && node.status !== 'up' && node.status !== 'active',
  );
  if (away !== undefined) {
    log(turn, 'WARN', `deletion failed: We don't have all required nodes alive (${away.name} is ${away.status})`);
    return;
  }
  for (const node of wanted) removeNode(turn, node);
}

/**
 * The node lists of a peer that we have asked while coming up: the cluster may have changed while we were away.
 *
 * What it has deleted goes here too, if the peer is `active` (one that comes up as we do may know less than we) and we do not hear it. What it has
 * and we have not comes in; what we had deleted, again only if the peer is `active`. What it merely does not list stays, with a warning: the original would remove it,
 * so that one incomplete ha.cf takes nodes from all others.
 */
export function adoptNodeLists(turn: Turn, from: NodeState, fields: FieldList): void {
  const { state } = turn;
  const theirs = namesIn(turn, fields, 'nodelist');
  const isSure = from.status === 'active';
  const deletedThere = isSure ? namesIn(turn, fields, 'delnodelist').filter((name) => !theirs.includes(name)) : [];
  for (const name of deletedThere) {
    const node = state.byName.get(name);
    if (node === undefined || node === state.self || node.type !== 'normal') continue;
    if (node.status === 'up' || node.status === 'active')
      log(
        turn,
        'WARN',
        `node ${name} is deleted on ${from.name}, but we hear it: it stays here. Run hb_addnode ${name}`,
      );
    else removeNode(turn, node);
  }
  for (const name of theirs) {
    if (state.byName.has(name)) continue;
    if (state.deleted.has(name) && !isSure) continue;
    addNode(turn, name);
  }
  const unknownThere = state.nodes.filter((node) => node.type === 'normal' && !theirs.includes(node.name));
  if (unknownThere.length === 0) return;
  const names = unknownThere.map((node) => node.name).join(' ');
  complain(
    turn,
    from,
    'nodelist',
    'WARN',
    `node ${from.name} does not know these nodes of ours: ${names}. Compare the ha.cf files`,
  );
}

/**
 * A deleted node speaks in the very life that we took for ended: it was never dead, and may hold what others have taken since. Unlike the
 * original, which goes deaf to it for ever, we have it back at once, so that the two can settle who holds what.
 *
 * @returns the node, as dead as it was; undefined: it is not so
 */
export function livesOn(
  turn: Turn,
  name: string,
  message: { readonly type: string; readonly generation: number | null; readonly seq: number | null },
): NodeState | undefined {
  const { state } = turn;
  const last = state.deleted.get(name);
  if (last === undefined || last === null || message.type !== 'status' || message.seq === null) return undefined;
  // A replayed status proves nothing.
  if (message.generation !== last.generation || message.seq <= last.statusSeq) return undefined;
  if (!addNode(turn, nodeName(name))) return undefined;
  const node = state.byName.get(name);
  if (node === undefined) return undefined;
  log(turn, 'CRIT', `node ${name} was deleted as dead, but has been alive all the time: it is a node again`);
  node.status = 'dead';
  Object.assign(node.track, last);
  return node;
}

/**
 * autojoin: a node that nobody has declared speaks.
 * @returns whether it is a node now; the message that made it one is used up all the same, as in the original
 */
export function joinByItself(turn: Turn, name: string): boolean {
  const { state } = turn;
  if ((state.config.autojoin ?? 'none') === 'none' || state.deleted.has(name) || !USABLE_NAME.test(name)) return false;
  return addNode(turn, nodeName(name), 'process_clustermsg: Adding new node ');
}

/** @param words the original's, of the place where it adds the node */
function addNode(turn: Turn, name: NodeName, words = 'hb_add_one_node: Adding new node'): boolean {
  const { state } = turn;
  if (state.nodes.length >= maxNodes) {
    complain(
      turn,
      state.self,
      'too-many',
      'ERROR',
      `node ${name} cannot be added: a cluster has at most ${maxNodes} nodes`,
    );
    return false;
  }
  const node = makeNode(state.config, { name, type: 'normal' }, turn.nowMs);
  state.nodes.push(node);
  state.byName.set(name, node);
  state.deleted.delete(name);
  // What was sent before is not owed to it.
  joinFlow(state, node);
  log(turn, 'info', `${words}[${name}] to configuration.`);
  emit(turn, { type: 'node-added', node: name });
  return true;
}

function removeNode(turn: Turn, node: NodeState): void {
  const { state } = turn;
  state.nodes.splice(state.nodes.indexOf(node), 1);
  state.byName.delete(node.name);
  const { generation, statusSeq } = node.track;
  state.deleted.set(node.name, generation > 0 ? { generation, statusSeq } : null);
  for (const fields of node.held.splice(0)) emit(turn, { type: 'message', from: node.name, own: false, fields });
  log(turn, 'info', `Removing node [${node.name}] from configuration.`);
  emit(turn, { type: 'node-removed', node: node.name });
  updateFlow(turn);
}

/** The usable names in a list, each once, in lower case. */
function namesIn(turn: Turn, fields: FieldList, list: string): readonly NodeName[] {
  const words = (getString(fields, list) ?? '').toLowerCase().split(/\s+/);
  const names = [...new Set(words.filter((word) => word !== ''))];
  const unusable = names.filter((name) => !USABLE_NAME.test(name));
  if (unusable.length > 0)
    complain(turn, turn.state.self, 'name', 'ERROR', `${unusable.length} names in a ${list} cannot be node names`);
  return names.filter((name) => USABLE_NAME.test(name)).map(nodeName);
}
