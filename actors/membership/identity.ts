/**
 * A node's identity on disk and on the wire: uuid, generation, and the number forms of the envelope. Pure parse and format functions.
 */

export const UUID_BYTES = 16;
/** Columns of the number in `hb_generation`; with the newline the file has 16 bytes. */
const GENERATION_COLUMNS = 15;

/**
 * Reads the uuid file (`hb_uuid`): its first 16 bytes.
 * @returns null when the file is shorter or holds the nil uuid: the caller then creates a random one
 */
export function parseUuidFile(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < UUID_BYTES) return null;
  const uuid = bytes.slice(0, UUID_BYTES);
  return isNilUuid(uuid) ? null : uuid;
}

/** True for sixteen zero bytes, which mean "not known" wherever a uuid is expected. */
export function isNilUuid(uuid: Uint8Array): boolean {
  return uuid.every((byte) => byte === 0);
}

export function sameUuid(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Canonical lower-case text, `f3727cf5-aae8-2f22-b5f6-03e93235dadc`. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * The uuid that `uuidfrom nodename` derives from a node's name: a 32-bit hash (31·h + c) seeds glibc's `rand()`, whose next 32
 * numbers, modulo 16, are the hexadecimal digits.
 */
export function uuidFromNodeName(name: string): Uint8Array {
  let hash = 0;
  for (const byte of Buffer.from(name, 'latin1')) hash = (Math.imul(hash, 31) + byte) >>> 0;
  const next = glibcRandom(hash);
  const digits = Array.from({ length: UUID_BYTES * 2 }, () => (next() % 16).toString(16));
  return Uint8Array.from(Buffer.from(digits.join(''), 'hex'));
}

/** The default generator of glibc's `srand`/`rand` (additive feedback x^31 + x^3 + 1). @param seed 0 to 2^32 - 1 */
function glibcRandom(seed: number): () => number {
  const degree = 31;
  const separation = 3;
  // 10 rounds of 31 are thrown away after seeding; 0 counts as seed 1.
  const discarded = 310;
  const table = new Int32Array(degree);
  table[0] = seed === 0 ? 1 : seed | 0;
  for (let index = 1; index < degree; index++) {
    const previous = table[index - 1] ?? 0;
    const high = Math.trunc(previous / 127773);
    let word = 16807 * (previous - high * 127773) - 2836 * high;
    if (word < 0) word += 2147483647;
    table[index] = word;
  }
  let front = separation;
  let rear = 0;
  const step = (): number => {
    const sum = ((table[front] ?? 0) + (table[rear] ?? 0)) | 0;
    table[front] = sum;
    front = (front + 1) % degree;
    rear = (rear + 1) % degree;
    return sum >>> 1;
  };
  for (let index = 0; index < discarded; index++) step();
  return step;
}

/** What the generation file says. `note` is the original's warning, to be logged before `Heartbeat generation: N`. */
export interface GenerationStart {
  readonly generation: number;
  readonly note: string | null;
}

/**
 * The generation of this start, from the content of `hb_generation` (null: there is no such file).
 *
 * A missing or empty file starts at the time + 1. A damaged one starts there too: the original announces that but really starts at 1,
 * and is then refused by its peers as a replay, since every earlier generation was higher.
 *
 * @param nowS wall clock [s since 1970]
 */
export function nextGeneration(content: string | null, nowS: number): GenerationStart {
  const fresh = Math.floor(nowS) + 1;
  const text = (content ?? '').slice(0, GENERATION_COLUMNS + 1).trim();
  if (text === '') return { generation: fresh, note: `No Previous generation - starting at ${fresh}` };
  const previous = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (previous < 1) return { generation: fresh, note: `BROKEN previous generation - starting at ${fresh}` };
  return { generation: previous + 1, note: null };
}

/** The 16 bytes of `hb_generation`: the number right-aligned in 15 columns, and a newline. */
export function formatGenerationFile(generation: number): string {
  return `${String(generation).padStart(GENERATION_COLUMNS)}\n`;
}

/** Reads a hexadecimal number of the wire (`seq`, `hg`, `ts`, `dt`, `ackseq`). @returns null when it is none, or beyond 2^48 */
export function parseHex(text: string | undefined): number | null {
  return text !== undefined && /^[0-9a-fA-F]{1,12}$/.test(text) ? Number.parseInt(text, 16) : null;
}

/** Reads a decimal number of the wire (`firstseq`, `lastseq` of a request). @returns null when it is none */
export function parseDecimal(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
