/**
 * A life of two nodes in play, before the real one begins: a few hundred heartbeats each way, and a death.
 *
 * JavaScript is slow the first times: code is compiled when it is first run, and again when it turns out to be hot. At 5 ms between two
 * heartbeats that would be late heartbeats in the first seconds, and milliseconds more at the one moment that counts, the first death.
 */
import type { AuthKeys, Settings } from '../../conf/settings.ts';
import { decodeDatagram, encodeDatagram } from '../../runtime/message/datagram.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../runtime/units.ts';
import {
  createMembership,
  type MembershipConfig,
  type MembershipState,
  nextDeadlineMs,
  step,
} from '../membership.core.ts';

/** Two hundred heartbeats each way, enough for the quick compilers, and beyond the first five seconds, in which more dead time is advertised [ms]. */
const enoughMs = 6_000;
const keepaliveMs = 30;
const deadtimeMs = 90;
/** The step of the played clock [ms]. */
const stepMs = 10;

/**
 * Plays with the keys and the message format of the real node, so that the very same code is used. Nothing remains of it.
 *
 * @param playedMs how long they live, in play [ms]; 0 is the shortest life, which brings the code back into the processor's caches
 * @returns messages that went from one to the other, and whether the death was noticed
 */
export function rehearseMembership(
  keys: AuthKeys,
  msgfmt: Settings['msgFmt'],
  playedMs: number = enoughMs,
): { readonly messages: number; readonly died: boolean } {
  let messages = 0;
  const pair = [play('rehearsal1', 1), play('rehearsal2', 2)] as const;
  const [survivor, victim] = pair;
  for (let nowMs = 0; nowMs < playedMs; nowMs += stepMs) {
    for (const [own, other] of [pair, [victim, survivor] as const]) {
      if (nextDeadlineMs(own) > nowMs) continue;
      for (const fields of advance(own, nowMs)) {
        const decoded = decodeDatagram(encodeDatagram(fields, { msgfmt, keys }), keys);
        if (!decoded.ok || decoded.auth !== 'ok') continue;
        messages += 1;
        step(other, { type: 'packet', link, fields: decoded.fields, heardMs: ms(nowMs) }, ms(nowMs));
      }
    }
  }
  for (let silentMs = 0; silentMs <= 2 * deadtimeMs; silentMs += stepMs) advance(survivor, playedMs + silentMs);
  return { messages, died: survivor.byName.get('rehearsal2')?.status === 'dead' };
}

const link = linkName('rehearsal');

function play(self: string, first: number): MembershipState {
  const config: MembershipConfig = {
    self: nodeName(self),
    uuid: new Uint8Array(16).fill(first),
    generation: 1,
    nodes: ['rehearsal1', 'rehearsal2'].map((name) => ({ name: nodeName(name), type: 'normal' })),
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
    lastHeardMs: () => null,
    linkHeardMs: () => null,
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
