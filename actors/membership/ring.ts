/**
 * The ring of serial lines: what one port hears, the others pass on, so that more than two nodes are joined by cables that have two ends.
 *
 * An addition of our own: Heartbeat 3.0.6 calls its medium "serial ring" but passes nothing on, and does not look at `ttl`. With a 3.0.6
 * node in it the ring is a chain that ends there. Each message may make as many hops as its `ttl` says (`hopfudge` and the number of nodes),
 * one less each time it is passed on; a copy of the newest message has been passed on before and is not again.
 */
import { type FieldList, field, getString } from '../../runtime/message/message.ts';
import type { LinkName } from '../../runtime/units.ts';
import type { NodeState, Turn } from './state.ts';

/** Two nodes need no ring: a second cable between them is a second link. */
const leastNodes = 3;

/**
 * Has a message passed on, when it came over one of several serial lines from another node of a cluster of three or more.
 *
 * @param repeated it is a copy of the newest message of its sender
 */
export function passOn(turn: Turn, node: NodeState, link: LinkName, fields: FieldList, repeated: boolean): void {
  const { state } = turn;
  const ring = state.config.links.filter((candidate) => candidate.ring === true);
  if (repeated || node === state.self || ring.length < 2 || !ring.some(({ name }) => name === link)) return;
  if (getString(fields, 'dest') === state.self.name) return;
  if (state.nodes.filter(({ type }) => type === 'normal').length < leastNodes) return;
  const hops = readHops(getString(fields, 'ttl')) - 1;
  if (hops < 1) return;
  const passed = fields.map((entry) => (entry[0] === 'ttl' ? field('ttl', String(hops)) : entry));
  turn.out.push({ type: 'pass-on', fields: passed, from: link });
}

/** `ttl` is decimal. What is no number makes no hop; nobody sends more than nodes and hopfudge together. */
function readHops(text: string | undefined): number {
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : 0;
}
