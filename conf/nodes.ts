/**
 * Declaring cluster nodes and ping nodes.
 */
import { type NodeName, nodeName } from '../runtime/units.ts';
import type { Position } from './diagnostics.ts';
import { advise, type Reading, refuse } from './draft.ts';
import type { Word } from './text.ts';

/** Heartbeat's table of nodes. Ping nodes and repeated names count; only ping groups go in unchecked. */
export const maxNodes = 100;

/** Names are cut to this length on the wire [characters]. */
const maxNameLength = 99;

export function node(reading: Reading, word: Word, position: Position): void {
  const { nodes } = reading.draft;
  if (nodes.some((other) => other.type === 'normal' && other.name === word.text.toLowerCase())) {
    advise(reading, position, `node ${word.text} is declared twice`, 'remove one of the two');
  }
  declareNode(reading, word.text, 'normal', position, undefined);
}

/**
 * Adds a node.
 *
 * @param original Heartbeat's text when the table is full: undefined for none, null when it does not look (ping groups)
 * @returns the name, or null when it was refused
 */
export function declareNode(
  reading: Reading,
  text: string,
  type: 'normal' | 'ping',
  position: Position,
  original: string | null | undefined,
): NodeName | null {
  const { nodes } = reading.draft;
  if (nodes.length >= maxNodes && original !== null) {
    refuse(reading, position, `more than ${maxNodes} nodes, ping nodes included`, 'remove some of the nodes', original);
    return null;
  }
  if (text.length > maxNameLength) {
    advise(
      reading,
      position,
      `the name is longer than ${maxNameLength} characters and is cut`,
      'use the name that `uname -n` prints, at most 64 characters',
    );
  }
  nodes.push({ name: text.toLowerCase(), type, position });
  return cutName(text);
}

/** A name as it goes on the wire: lower case, at most 99 characters. */
export function cutName(text: string): NodeName {
  return nodeName(text.slice(0, maxNameLength));
}
