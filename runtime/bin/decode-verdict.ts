/**
 * What a node would make of the packets of a capture: which it would accept, and why it would not accept the others.
 *
 * The node is one that has the given keys, listens on the given port, and has heard everything in the capture from its beginning: so that a
 * number that comes twice, or a generation that is past, is known for what it is. What was before the capture it does not know.
 */
import { createTrack, judge, type SequenceTrack } from '../../actors/membership/sequence.ts';
import type { AuthKeys } from '../../conf/settings.ts';
import type { DecodeResult } from '../message/datagram.ts';
import { getHex, getString } from '../message/message.ts';

/** Why a packet is not accepted; part of the JSON, so a contract. */
export type RefusalReason =
  | 'malformed'
  | 'unsigned'
  | 'bad-signature'
  | 'unknown-key'
  | 'legacy-method'
  | 'incomplete'
  | 'wrong-port'
  /** The same number came before: over another link, or repeated by somebody. */
  | 'copy'
  /** A number below the newest one that was not missing. */
  | 'old'
  /** Of a life of the node that is past. */
  | 'replay';

export interface Verdict {
  /** Null: it would be accepted (or, without keys, only its signature is in doubt). */
  readonly refused: { readonly reason: RefusalReason; readonly why: string } | null;
  /** So many numbers of this node before it have not been heard. */
  readonly lost: number;
}

type Message = Extract<DecodeResult, { ok: true }>;

/** Judges packets in the order of the capture. */
export class Listener {
  readonly #keys: AuthKeys | null;
  readonly #port: number | null;
  readonly #tracks = new Map<string, SequenceTrack>();

  /**
   * @param keys null: signatures are believed
   * @param port the only port that the node listens on; null: every one
   */
  constructor(keys: AuthKeys | null, port: number | null) {
    this.#keys = keys;
    this.#port = port;
  }

  /** @param port that the packet went to; null for what has none (echoes, serial lines) */
  next(result: DecodeResult, port: number | null): Verdict {
    if (!result.ok) return refuse('malformed', `${result.reason} (byte ${result.atByte})`);
    if (this.#port !== null && port !== null && port !== this.#port)
      return refuse('wrong-port', `it went to port ${port}, and nodes with udpport ${this.#port} do not listen there`);
    return this.#refusedBySignature(result) ?? refusedByFields(result) ?? this.#number(result);
  }

  #refusedBySignature({ auth, authIndex }: Message): Verdict | null {
    const method = this.#keys?.keys.find(({ index }) => index === authIndex)?.method;
    switch (auth) {
      case 'none':
        return refuse('unsigned', 'it has no signature');
      case 'bad':
        return refuse(
          'bad-signature',
          authIndex === null
            ? 'its signature cannot be read'
            : `its signature does not fit key ${authIndex} (${method ?? 'crc'})`,
        );
      case 'legacy-method':
        return refuse(
          'legacy-method',
          'signed by a method of Heartbeat 3.0.6, while the selected key is of a method that it cannot read',
        );
      case 'unknown-key':
        return this.#keys === null ? null : refuse('unknown-key', `key ${authIndex ?? '-'} is not in authkeys`);
      case 'ok':
        return null;
    }
  }

  /** Its place in the stream of its sender. */
  #number({ fields }: Message): Verdict {
    const source = getString(fields, 'src') ?? '';
    const messageType = getString(fields, 't') ?? '';
    if (messageType.startsWith('NS_')) return accepted;
    let track = this.#tracks.get(source);
    if (track === undefined) {
      track = createTrack(0);
      this.#tracks.set(source, track);
    }
    const seq = getHex(fields, 'seq') ?? null;
    const generation = getString(fields, 'hg') === undefined ? 0 : (getHex(fields, 'hg') ?? null);
    const facts = {
      messageType,
      seq: seq === 0 ? null : seq,
      generation,
      forUs: true,
      nakSeq: null,
      senderDead: false,
    };
    const { reason, lost } = judge(track, facts, () => 0);
    switch (reason) {
      case null:
        return lost === null ? accepted : { refused: null, lost: lost.count };
      case 'replay':
        return refuse(
          'replay',
          `generation ${generation} is past: ${source} has generation ${track.generation} by now`,
        );
      case 'duplicate':
        return refuse('copy', `number ${seq} came before`);
      case 'old':
        return refuse('old', `number ${seq} is past and was not missing: ${source} is at ${track.last} by now`);
      case 'bad-sequence':
        return refuse('incomplete', 'its number is none');
      case 'bad-generation':
        return refuse('incomplete', 'its generation is no number');
      default:
        return refuse('incomplete', reason);
    }
  }
}

const accepted: Verdict = { refused: null, lost: 0 };

function refuse(reason: RefusalReason, why: string): Verdict {
  return { refused: { reason, why }, lost: 0 };
}

function refusedByFields({ fields }: Message): Verdict | null {
  for (const name of ['t', 'src', 'ts'])
    if (getString(fields, name) === undefined) return refuse('incomplete', `it has no field ${name}`);
  const numbered = !(getString(fields, 't') ?? '').startsWith('NS_');
  if (numbered && getString(fields, 'seq') === undefined) return refuse('incomplete', 'it has no field seq');
  return null;
}
