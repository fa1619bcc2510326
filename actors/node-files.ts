/**
 * The files that give a node its identity over restarts, in Heartbeat's own formats: `hb_uuid` and `hb_generation`.
 *
 * Both are synced before the node says a word: a generation that is lost would make peers take our packets for a replay.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Settings } from '../conf/settings.ts';
import type { Severity } from '../runtime/log.ts';
import { formatGenerationFile, nextGeneration, parseUuidFile, uuidFromNodeName } from './membership/identity.ts';

export interface NodeIdentity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** >= 1, one more than at the last start. */
  readonly generation: number;
  /** What the original logs about it, in order. */
  readonly lines: readonly { readonly severity: Severity; readonly text: string }[];
}

/**
 * Reads (and, where missing, makes) the node's uuid, and counts its generation up.
 *
 * @throws the error of open(2)/write(2) when the state directory cannot be used: then the node must not start
 */
export function takeIdentity(
  stateDir: string,
  settings: Pick<Settings, 'self' | 'generationMethod' | 'uuidFrom'>,
): NodeIdentity {
  // The uuid first, though it is logged last: when it cannot be stored, no generation is used up.
  const uuidLines: { severity: Severity; text: string }[] = [];
  const uuid =
    settings.uuidFrom === 'nodename' ? uuidFromNodeName(settings.self) : takeUuid(join(stateDir, 'hb_uuid'), uuidLines);
  const lines: { severity: Severity; text: string }[] = [];
  const generation = takeGeneration(join(stateDir, 'hb_generation'), settings.generationMethod, lines);
  lines.push({ severity: 'info', text: `Heartbeat generation: ${generation}` });
  return { uuid, generation, lines: [...lines, ...uuidLines] };
}

function takeGeneration(
  path: string,
  method: Settings['generationMethod'],
  lines: { severity: Severity; text: string }[],
): number {
  const nowS = Math.floor(Date.now() / 1_000);
  // `hbgenmethod time` leaves the file alone.
  if (method === 'time') return nowS;
  const next = nextGeneration(readIfThere(path)?.toString('latin1') ?? null, nowS);
  if (next.note !== null) lines.push({ severity: 'WARN', text: next.note });
  writeSynced(path, Buffer.from(formatGenerationFile(next.generation), 'latin1'), 0o644);
  return next.generation;
}

function takeUuid(path: string, lines: { severity: Severity; text: string }[]): Uint8Array {
  const known = readIfThere(path);
  const uuid = known === null ? null : parseUuidFile(known);
  if (uuid !== null) return uuid;
  lines.push({ severity: 'info', text: 'No uuid found for current node - generating a new uuid.' });
  const fresh = randomUuid();
  writeSynced(path, fresh, 0o644);
  return fresh;
}

/** 16 random bytes with the version and variant bits of RFC 9562, version 4. */
function randomUuid(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Writes in place (the file is as long as before, or new) and waits for the disk. A new file that cannot be filled is removed again. */
function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const isNew = !existsSync(path);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, mode);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written, written);
    // A damaged file may have been longer.
    ftruncateSync(fd, bytes.length);
    fsyncSync(fd);
  } catch (error) {
    if (isNew) rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  if (isNew) syncDirectory(dirname(path));
}

/** The name of a new file is part of its directory, which has to reach the disk as well. */
function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
