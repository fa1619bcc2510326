/**
 * Bytes of a configuration file as lines and words, split as Heartbeat's C library calls split them.
 */

import { bytesToText } from '../runtime/message/text.ts';

/** One line as the parsers see it. */
export interface Line {
  /** Line in the file, from 1; the tail of an overlong line keeps its number. */
  readonly number: number;
  /** Characters of this line before `text`: more than 0 only in the tail of an overlong line. */
  readonly offset: number;
  /** Up to the first NUL, without the newline; a CR before it is kept. */
  readonly text: string;
  readonly endsWithNewline: boolean;
  /** A NUL byte cut the text short. */
  readonly hasNul: boolean;
}

export interface Word {
  readonly text: string;
  /** In the file's line, in characters from 1. */
  readonly column: number;
}

/**
 * Splits a file into lines of at most `maxBytes` bytes, newline included; the rest of a longer line is a line of its own, as with `fgets`.
 * Bytes that are no UTF-8 are kept, as in messages of the wire: a key or a name with such bytes is the same one for a 3.0.6. Never throws.
 */
export function splitLines(bytes: Uint8Array, maxBytes: number): Line[] {
  const lines: Line[] = [];
  let number = 1;
  let offset = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start);
    const lineEnd = newline === -1 ? bytes.length : newline + 1;
    const end = Math.min(lineEnd, start + maxBytes);
    const endsWithNewline = newline !== -1 && end === lineEnd;
    const chunk = bytes.subarray(start, endsWithNewline ? end - 1 : end);
    const nul = chunk.indexOf(0);
    const text = bytesToText(Buffer.from(nul === -1 ? chunk : chunk.subarray(0, nul)));
    lines.push({ number, offset, text, endsWithNewline, hasNul: nul !== -1 });
    if (end === lineEnd) {
      number += 1;
      offset = 0;
    } else {
      offset += text.length;
    }
    start = end;
  }
  return lines;
}

/** Splits text into words at any of the separator characters; `column` is the column of the text's first character. */
export function words(text: string, separators: string, column: number): Word[] {
  const found: Word[] = [];
  let start = -1;
  for (let at = 0; at <= text.length; at += 1) {
    const separates = at === text.length || separators.includes(text.charAt(at));
    if (!separates && start === -1) start = at;
    if (separates && start !== -1) {
      found.push({ text: text.slice(start, at), column: column + start });
      start = -1;
    }
  }
  return found;
}

/** The text without leading characters of a set, and how many were taken away. */
export function skip(text: string, characters: string): { readonly rest: string; readonly skipped: number } {
  let at = 0;
  while (at < text.length && characters.includes(text.charAt(at))) at += 1;
  return { rest: text.slice(at), skipped: at };
}
