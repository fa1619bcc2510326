/**
 * Links: which medium reaches which node. Any new message or copy keeps a link up; silence beyond the limit of *that node* kills it
 * (the original takes the limit of the last node in the configuration, whoever that is).
 */
import type { LinkName, Ms } from '../../runtime/units.ts';
import { ms } from '../../runtime/units.ts';
import type { LinkState, NodeState, Turn } from './state.ts';
import { emit, log } from './state.ts';

/** A message of `node` came over `link`. A link that the configuration does not know for this node is left out of account. */
export function refreshLink(turn: Turn, node: NodeState, linkName: LinkName, heardMs: Ms): void {
  const link = node.links.find((candidate) => candidate.name === linkName);
  if (link === undefined) return;
  link.lastMs = ms(Math.max(link.lastMs ?? heardMs, heardMs));
  if (link.status === 'up') return;
  link.status = 'up';
  log(turn, 'info', `Link ${node.name}:${link.name} up.`);
  emit(turn, { type: 'link-status', node: node.name, link: link.name, status: 'up' });
}

/** Declares a silent link dead. */
export function loseLink(turn: Turn, node: NodeState, link: LinkState): void {
  link.status = 'dead';
  turn.state.config.beats?.askForWhole();
  log(turn, 'info', `Link ${node.name}:${link.name} dead.`);
  emit(turn, { type: 'link-status', node: node.name, link: link.name, status: 'dead' });
}
