/**
 * Heartbeats that the media have left on the pulse board because they say nothing new (see ../beats.ts): their numbers, the time of the newest, and
 * that the link is up. Taken at every tick, before every message of their node and before a verdict.
 *
 * What does not fit to what we know of the node (it was dead to us, a message between is still on its way, or was lost) is left alone, and the media
 * are asked to hand over the next heartbeats whole, which then go through the decision table as any message.
 */
import type { LinkName } from '../../runtime/units.ts';
import { ms } from '../../runtime/units.ts';
import type { Beats } from '../pulse.ts';
import { acknowledge } from './flow.ts';
import { ACK_EVERY } from './sequence.ts';
import type { NodeState, Turn } from './state.ts';

const beats: Beats = { generation: 0, from: 0, to: 0, heardMs: 0 };

/** All nodes' heartbeats. */
export function takeAllBeats(turn: Turn): void {
  const { config, nodes, self } = turn.state;
  if (config.beats === undefined) return;
  let fits = true;
  for (const node of nodes) if (node.type === 'normal' && node !== self) fits = takeBeatsOf(turn, node) && fits;
  if (!fits) config.beats.askForWhole();
}

/** One node's heartbeats on all media. @returns false when something did not fit */
export function takeBeatsOf(turn: Turn, node: NodeState): boolean {
  const board = turn.state.config.beats;
  if (board === undefined) return true;
  let fits = true;
  for (let column = 0; column < board.columns.length; column++) {
    const link = board.columns[column];
    if (link !== undefined && board.read(node.name, column, beats)) fits = takeRun(turn, node, link, beats) && fits;
  }
  return fits;
}

/** One run of heartbeats. @returns false when it does not fit */
export function takeRun(turn: Turn, node: NodeState, linkName: LinkName, run: Readonly<Beats>): boolean {
  const { from, to, heardMs } = run;
  const { track } = node;
  // None, or one that we have taken already, perhaps from another medium.
  if (from > to) return true;
  const { last } = track;
  // What is left from before a death or a restart: the media were asked when it happened.
  if (node.status === 'dead' || run.generation < track.generation) return true;
  if (!node.heard || run.generation !== track.generation || last === null || from > last + 1) return false;
  const link = node.links.find((candidate) => candidate.name === linkName);
  if (link !== undefined) {
    // Likewise since the link was lost.
    if (link.status !== 'up') return true;
    if (link.takenTo < to) {
      node.counters.packets += to - Math.max(link.takenTo, from - 1);
      link.takenTo = to;
    }
    link.lastMs = ms(Math.max(link.lastMs ?? heardMs, heardMs));
  }
  if (to <= last) return true;
  track.last = to;
  track.statusSeq = to;
  node.lastStatusMs = ms(Math.max(node.lastStatusMs ?? heardMs, heardMs));
  const due = to - ((((to - track.ackTrigger) % ACK_EVERY) + ACK_EVERY) % ACK_EVERY);
  if (due > last && track.missing.size === 0) acknowledge(turn, node, due);
  return true;
}
