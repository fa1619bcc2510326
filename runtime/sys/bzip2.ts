/**
 * bzip2 by the system's own library, which Node does not have: whole buffers in, whole buffers out.
 *
 * The library (`libbz2.so.1.0`, on every Debian and Red Hat system) is loaded at the first call, once a thread.
 */
import { createRequire } from 'node:module';
import { libc } from './libc.ts';
import { readU32, writeU32 } from './native.ts';

/** Names of the library: the common one first, then that of systems which leave the minor number out. */
const libraryNames = ['libbz2.so.1.0', 'libbz2.so.1'];

/** BZ_OUTBUFF_FULL of bzlib.h. */
const outbuffFull = -8;

/** 100 kB blocks, as Heartbeat 3.0.6 takes (`BZh1`): messages are smaller, and a block costs its eightfold in memory. */
const blockSize100k = 1;
/** bzlib.h: 0 stands for its default. */
const workFactor = 0;

interface Bzip2 {
  BZ2_bzBuffToBuffCompress(
    target: Uint8Array,
    targetBytesInOut: Uint8Array,
    source: Uint8Array,
    sourceBytes: number,
    blockSize: number,
    verbosity: number,
    work: number,
  ): number;
  BZ2_bzBuffToBuffDecompress(
    target: Uint8Array,
    targetBytesInOut: Uint8Array,
    source: Uint8Array,
    sourceBytes: number,
    small: number,
    verbosity: number,
  ): number;
}

let loaded: Bzip2 | null | undefined;

function load(): Bzip2 | null {
  // First of all: it settles koffi's memory.
  libc();
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  for (const name of libraryNames) {
    try {
      const library = koffi.load(name);
      return {
        BZ2_bzBuffToBuffCompress: library.func(
          'int BZ2_bzBuffToBuffCompress(void *target, void *targetBytes, const void *source, unsigned int sourceBytes, int blockSize, int verbosity, int work)',
        ),
        BZ2_bzBuffToBuffDecompress: library.func(
          'int BZ2_bzBuffToBuffDecompress(void *target, void *targetBytes, const void *source, unsigned int sourceBytes, int small, int verbosity)',
        ),
      };
    } catch {
      // Only that it is not there, or is something else, is an answer here: the next name is tried.
    }
  }
  return null;
}

function bzip2(): Bzip2 | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

/** Whether this machine has the library. */
export function hasBzip2(): boolean {
  return bzip2() !== null;
}

/** What became of a decompression. `too-large`: more than the limit would come out; `missing`: this machine has no library. */
type Decompressed =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: 'damaged' | 'too-large' | 'missing' };

/** Decompresses one whole stream; never makes more than `limitBytes`, whatever the stream claims. */
export function bunzip2(source: Uint8Array, limitBytes: number): Decompressed {
  const library = bzip2();
  if (library === null) return { ok: false, reason: 'missing' };
  // Most messages are small: the whole limit is tried only for those that are not.
  for (const roomBytes of [Math.min(limitBytes, 16 * source.length + 4_096), limitBytes]) {
    const target = new Uint8Array(roomBytes);
    const size = new Uint8Array(4);
    writeU32(size, 0, roomBytes);
    const code = library.BZ2_bzBuffToBuffDecompress(target, size, source, source.length, 0, 0);
    if (code === 0) return { ok: true, bytes: target.subarray(0, readU32(size, 0)) };
    if (code !== outbuffFull) return { ok: false, reason: 'damaged' };
  }
  return { ok: false, reason: 'too-large' };
}

/**
 * Compresses one buffer.
 *
 * @returns null when this machine has no library
 * @throws RangeError when the library refuses, which it does for want of memory only
 */
export function bzip2Compress(source: Uint8Array): Uint8Array | null {
  const library = bzip2();
  if (library === null) return null;
  // bzlib's manual: 1 % and 600 bytes more hold any result.
  const roomBytes = Math.ceil(source.length * 1.01) + 600;
  const target = new Uint8Array(roomBytes);
  const size = new Uint8Array(4);
  writeU32(size, 0, roomBytes);
  const code = library.BZ2_bzBuffToBuffCompress(target, size, source, source.length, blockSize100k, 0, workFactor);
  if (code !== 0) throw new RangeError(`bzip2 cannot compress ${source.length} bytes (${code})`);
  return target.slice(0, readU32(size, 0));
}
