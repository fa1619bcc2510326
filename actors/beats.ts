/**
 * Which messages of a medium membership has to be told of at once, and which heartbeats may wait on the pulse board.
 *
 * Nearly all that a medium hears are heartbeats that say what the last one said. Handing each of them to another thread would cost more than all
 * the rest of receiving it. A heartbeat that is the next in its node's numbers, comes in time and says nothing new stays on the board: its number and
 * the time of its arrival are all that is new, and membership looks there at every tick, before every message of that node and before a verdict.
 *
 * Everything else is told, together with the run of heartbeats before it, so that nothing is judged out of order: other messages, the first
 * heartbeat, one after a gap, one that is late or speaks of another status, dead time, version or uuid, copies, and all of them while somebody
 * wants to see all.
 */
import type { Field, FieldList } from '../runtime/message/message.ts';
import { getHex } from '../runtime/message/message.ts';
import type { Ms, NodeName } from '../runtime/units.ts';
import type { Beats, PulseBoard } from './pulse.ts';

/** What is known of one node on one medium. */
interface Stream {
  /** Of the newest status. */
  generation: number;
  sequence: number;
  heardMs: number;
  /** Highest number of any message of this generation. */
  last: number;
  /** First number of the run on the board. */
  from: number;
  /** The last status that was told: what the ones on the board say as well. Null: the next one is told. */
  told: Status | null;
  /** {@link PulseBoard.wholes} then. */
  wholes: number;
}

/** What membership takes from a status, besides its number. */
interface Status {
  readonly st: string | undefined;
  readonly dt: string | undefined;
  readonly protocol: string | undefined;
  readonly uuid: Uint8Array | undefined;
}

/** The run of heartbeats that were not told, up to this message. */
export type BeatsBefore = Readonly<Beats>;

export interface Told {
  readonly before: BeatsBefore | undefined;
}

const nothingBefore: Told = { before: undefined };

/** One medium's side of the board. */
export class BeatFilter {
  readonly #board: PulseBoard;
  readonly #column: number;
  readonly #warntimeMs: number;
  readonly #self: NodeName;
  /** By row of the board. */
  readonly #streams: Stream[] = [];

  /**
   * @param self       what bears our own name is always told: it may be another node's
   * @param warntimeMs a heartbeat that comes later than this is told, since it may be worth a warning [ms]
   */
  constructor(board: PulseBoard, column: number, self: NodeName, warntimeMs: number) {
    this.#self = self;
    this.#board = board;
    this.#column = column;
    this.#warntimeMs = warntimeMs;
  }

  /**
   * Takes in an authenticated message, and stamps the board when it is a sign of life and newer than the last one.
   *
   * @param heardMs reception [monotonic ms]
   * @param plain   signed with the key that we sign with ourselves
   * @returns null when nobody has to be told
   */
  take(fields: FieldList, heardMs: Ms, plain: boolean): Told | null {
    const { type, source, generation, sequence, status, addressed } = read(fields);
    if (type === undefined || source === undefined || sequence === undefined) return nothingBefore;
    const row = this.#board.row(source);
    if (row < 0 || source === this.#self) return nothingBefore;
    this.#streams[row] ??= emptyStream();
    const stream = this.#streams[row];
    if (type !== 'status') return this.#told(stream, row, generation, sequence);

    const isNewer = generation > stream.generation || (generation === stream.generation && sequence > stream.sequence);
    if (!isNewer) return this.#told(stream, row, generation, sequence);
    const isNext = generation === stream.generation && sequence === stream.last + 1;
    const isSilent =
      isNext &&
      plain &&
      !addressed &&
      stream.told !== null &&
      stream.wholes === this.#board.wholes &&
      !this.#board.everything &&
      heardMs - stream.heardMs <= this.#warntimeMs &&
      saysTheSame(stream.told, status);
    if (isSilent) {
      stream.heardMs = heardMs;
      stream.sequence = sequence;
      stream.last = sequence;
      this.#board.stampStatus(row, this.#column, generation, sequence, heardMs, stream.from);
      return null;
    }
    const told = this.#before(stream);
    stream.heardMs = heardMs;
    stream.sequence = sequence;
    stream.last = generation === stream.generation ? Math.max(stream.last, sequence) : sequence;
    stream.generation = generation;
    stream.from = stream.last + 1;
    // The wish is noted before the message is on its way: one that comes meanwhile is for the next.
    stream.wholes = this.#board.wholes;
    stream.told = plain ? status : null;
    this.#board.stampStatus(row, this.#column, generation, sequence, heardMs, stream.from);
    return told;
  }

  /** Another message than a newer status. Numbered ones have their place between the heartbeats. */
  #told(stream: Stream, row: number, generation: number, sequence: number): Told {
    const told = this.#before(stream);
    if (generation === stream.generation && sequence > stream.last) {
      stream.last = sequence;
      stream.from = sequence + 1;
      this.#board.beginRun(row, this.#column, stream.from);
    }
    return told;
  }

  #before({ generation, from, sequence, heardMs }: Stream): Told {
    return from > sequence ? nothingBefore : { before: { generation, from, to: sequence, heardMs } };
  }
}

function emptyStream(): Stream {
  return { generation: -1, sequence: -1, heardMs: Number.NEGATIVE_INFINITY, last: -1, from: 0, told: null, wholes: -1 };
}

interface Facts {
  readonly type: string | undefined;
  readonly source: string | undefined;
  readonly generation: number;
  readonly sequence: number | undefined;
  readonly status: Status;
  readonly addressed: boolean;
}

/** One look at each field; the first of a name counts. */
function read(fields: FieldList): Facts {
  let type: string | undefined;
  let source: string | undefined;
  let hasGeneration = false;
  let hasSequence = false;
  let st: string | undefined;
  let dt: string | undefined;
  let protocol: string | undefined;
  let uuid: Uint8Array | undefined;
  let addressed = false;
  for (let at = 0; at < fields.length; at++) {
    const entry = fields[at];
    if (entry === undefined) continue;
    switch (entry[0]) {
      case 't':
        type ??= text(entry);
        break;
      case 'src':
        source ??= text(entry);
        break;
      case 'hg':
        hasGeneration = true;
        break;
      case 'seq':
        hasSequence = true;
        break;
      case 'st':
        st ??= text(entry);
        break;
      case 'dt':
        dt ??= text(entry);
        break;
      case 'protocol':
        protocol ??= text(entry);
        break;
      case 'srcuuid':
        if (entry[1] === 1) uuid ??= entry[2];
        break;
      case 'dest':
      case 'destuuid':
        addressed = true;
        break;
      default:
    }
  }
  const generation = hasGeneration ? getHex(fields, 'hg') : 0;
  return {
    type,
    source,
    generation: generation ?? 0,
    // Without a generation that can be read there is no place for a number.
    sequence: hasSequence && generation !== undefined ? getHex(fields, 'seq') : undefined,
    status: { st, dt, protocol, uuid },
    addressed,
  };
}

function text(entry: Field): string | undefined {
  return entry[1] === 0 ? entry[2] : undefined;
}

function saysTheSame(one: Status, other: Status): boolean {
  if (one.st !== other.st || one.dt !== other.dt || one.protocol !== other.protocol) return false;
  if (one.uuid === undefined || other.uuid === undefined) return one.uuid === other.uuid;
  if (one.uuid.length !== other.uuid.length) return false;
  for (let at = 0; at < one.uuid.length; at++) if (one.uuid[at] !== other.uuid[at]) return false;
  return true;
}
