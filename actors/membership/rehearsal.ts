/**
 * A life of two nodes in play, before the real one begins: some hundred heartbeats each way, and deaths.
 *
 * JavaScript is slow the first times: code is compiled when it is first run, and again, in the thread itself and for up to some ten milliseconds, when
 * it has run some hundred times. At 5 ms between two heartbeats that would be late heartbeats in the first minute, and milliseconds more at
 * the one moment that counts, the first death.
 */
import type { AuthKeys, Settings } from '../../conf/settings.ts';
import { decodeDatagram, encodeDatagram } from '../../runtime/message/datagram.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import { linkName, ms, type NodeName, nodeName } from '../../runtime/units.ts';
import { BeatFilter } from '../beats.ts';
import {
  createMembership,
  type MembershipConfig,
  type MembershipState,
  nextDeadlineMs,
  step,
} from '../membership.core.ts';
import { createPulseBoard, PulseBoard } from '../pulse.ts';

/** 800 heartbeats each way: the last long compilations were seen after 600. Some 0.2 s [ms]. */
const enoughMs = 24_000;
/** So many deaths that nothing of them is compiled later: some 30 ms. */
const enoughDeaths = 700;
/** The same for datagrams that come in. */
const enoughDatagrams = 2_000;
const keepaliveMs = 30;
const deadtimeMs = 90;
/** The step of the played clock [ms]. */
const stepMs = 10;

/**
 * Plays with the keys and the message format of the real node, so that the very same code is used. Nothing remains of it.
 *
 * @returns messages that went from one to the other, and whether the death was noticed
 */
export function rehearseMembership(
  keys: AuthKeys,
  msgfmt: Settings['msgFmt'],
): { readonly messages: number; readonly died: boolean } {
  let messages = 0;
  const boards = names.map(playBoard);
  const [survivor, victim] = names.map((name, index) => play(name, index + 1, boards[index]));
  if (survivor === undefined || victim === undefined) return { messages, died: false };
  const filters = names.map((name, index) => new BeatFilter(boards[index] ?? playBoard(), 0, name, 2 * keepaliveMs));
  for (let nowMs = 0; nowMs < enoughMs; nowMs += stepMs) {
    for (const [own, other, filter] of [
      [survivor, victim, filters[1]] as const,
      [victim, survivor, filters[0]] as const,
    ]) {
      if (nextDeadlineMs(own) > nowMs) continue;
      for (const fields of advance(own, nowMs)) {
        const decoded = decodeDatagram(encodeDatagram(fields, { msgfmt, keys }), keys);
        if (!decoded.ok || decoded.auth !== 'ok') continue;
        messages += 1;
        // Now and then a heartbeat is told although it could have been left.
        if (messages % 4 === 0) for (const board of boards) board.askForWhole();
        const told = filter?.take(decoded.fields, ms(nowMs), true) ?? null;
        if (told === null) continue;
        const { before } = told;
        const packet = { type: 'packet', link, fields: decoded.fields, heardMs: ms(nowMs) } as const;
        step(other, before === undefined ? packet : { ...packet, before }, ms(nowMs));
      }
    }
  }
  for (let silentMs = 0; silentMs <= 2 * deadtimeMs; silentMs += stepMs) advance(survivor, enoughMs + silentMs);
  let died = hasDied(survivor);
  for (let deaths = 1; died && deaths < enoughDeaths; deaths++) died = rehearseDeath();
  return { messages, died };
}

/** What a medium does with a datagram, many times. @returns how many were read and verified */
export function rehearseReception(keys: AuthKeys, msgfmt: Settings['msgFmt']): number {
  const sender = play(names[0], 1);
  const filter = new BeatFilter(playBoard(), 0, names[1], keepaliveMs);
  let read = 0;
  for (let round = 0; round < enoughDatagrams; round++) {
    const nowMs = ms(round * keepaliveMs);
    for (const fields of advance(sender, nowMs)) {
      const decoded = decodeDatagram(encodeDatagram(fields, { msgfmt, keys }), keys);
      if (!decoded.ok || decoded.auth !== 'ok') continue;
      filter.take(decoded.fields, nowMs, true);
      read += 1;
    }
  }
  return read;
}

/**
 * The death alone, of a node that was never heard: brings the code of it back into the processor's caches. Takes some 0.1 ms.
 *
 * @returns whether it was noticed
 */
export function rehearseDeath(): boolean {
  const survivor = play(names[0], 1);
  // To the point each time: one that comes late doubts itself.
  for (let ticks = 0; ticks <= 2 * (deadtimeMs / keepaliveMs) && !hasDied(survivor); ticks++)
    advance(survivor, nextDeadlineMs(survivor));
  return hasDied(survivor);
}

function hasDied(survivor: MembershipState): boolean {
  return survivor.byName.get(names[1])?.status === 'dead';
}

const link = linkName('rehearsal');
const names = [nodeName('rehearsal1'), nodeName('rehearsal2')] as const;

const playBoard = (): PulseBoard => new PulseBoard(createPulseBoard(names, [link]));

/** @param board where its media leave heartbeats; left out: it hears nobody */
function play(self: NodeName, first: number, board?: PulseBoard): MembershipState {
  const config: MembershipConfig = {
    self,
    uuid: new Uint8Array(16).fill(first),
    generation: 1,
    nodes: names.map((name) => ({ name, type: 'normal' })),
    links: [{ name: link, pingNode: null }],
    keepaliveMs: ms(keepaliveMs),
    warntimeMs: ms(2 * keepaliveMs),
    deadtimeMs: ms(deadtimeMs),
    initdeadMs: ms(deadtimeMs),
    deadpingMs: ms(deadtimeMs),
    hopfudge: 1,
    maxRexmitDelayMs: ms(250),
    autoFailback: 'on',
    managesResources: true,
    random: () => 0,
    wallClockS: () => 1,
    loadAverage: () => '0.00 0.00 0.00 1/1 1',
    lastHeardMs: (node) => board?.heard(node) ?? null,
    linkHeardMs: (node, name) => board?.heardOn(node, name) ?? null,
    ...(board === undefined ? {} : { beats: board }),
  };
  return createMembership(config, ms(0));
}

/** One tick; the answer to a drain; @returns what is sent */
function advance(state: MembershipState, nowMs: number): FieldList[] {
  const effects = step(state, { type: 'tick' }, ms(nowMs));
  if (effects.some((effect) => effect.type === 'drain'))
    effects.push(...step(state, { type: 'drained', untilMs: ms(nowMs) }, ms(nowMs)));
  return effects.flatMap((effect) => (effect.type === 'transmit' ? [effect.fields] : []));
}
