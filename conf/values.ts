/**
 * The other value types of the files: booleans, C integers, addresses.
 */
import { isIPv6 } from 'node:net';
import { parseIpv4 } from '../runtime/sys/ipv4.ts';

const yes = new Set(['true', 'on', 'yes', 'y', '1']);
const no = new Set(['false', 'off', 'no', 'n', '0']);

/** The accepted words for booleans, for hints. */
export const booleanWords = 'on, yes, true, y, 1 or off, no, false, n, 0';

/** Reads a boolean in any case; null for anything else. */
export function parseBoolean(text: string): boolean | null {
  const word = text.toLowerCase();
  if (yes.has(word)) return true;
  return no.has(word) ? false : null;
}

/** An integer as C's `atoi` on a 64-bit machine reads it, and whether the whole text was a plain number. */
export interface CInteger {
  /** -2^31 to 2^31-1. */
  readonly value: number;
  /** The number as written, without wrapping to 32 bits (within the double's range). */
  readonly written: number;
  /** False when characters were left over or there was no digit at all: garbage counts as 0. */
  readonly clean: boolean;
}

/** Reads leading decimal digits with an optional sign; garbage gives 0, numbers beyond 64 bits saturate, then wrap to 32 bits. */
export function parseCInteger(text: string): CInteger {
  const match = /^[ \t]*([+-]?[0-9]+)/.exec(text);
  if (match === null) return { value: 0, written: 0, clean: false };
  const digits = match[1] ?? '0';
  const big = BigInt(digits.replace('+', ''));
  const long = big > longMax ? longMax : big < longMin ? longMin : big;
  return { value: Number(BigInt.asIntN(32, long)), written: Number(digits), clean: /^[0-9]+$/.test(text) };
}

const longMax = 2n ** 63n - 1n;
const longMin = -(2n ** 63n);

/** A plain non-negative decimal number in bounds, or null: for Systole's own checks and for counts that the original truncates. */
export function parseCount(text: string, min: number, max: number): number | null {
  const { written } = parseCInteger(text);
  return written >= min && written <= max ? written : null;
}

/** True for a dotted quad. */
export function isIpv4(text: string): boolean {
  return parseIpv4(text) !== null;
}

/** True for a dotted quad of 224.0.0.0/4. */
export function isIpv4Multicast(text: string): boolean {
  const address = parseIpv4(text);
  return address !== null && address >>> 28 === 0xe;
}

/** True for an IPv6 address without a scope. */
export function isIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

/** True for a multicast address that leaves the interface (scope 2 and wider). */
export function isIpv6Multicast(text: string): boolean {
  return isIpv6(text) && /^ff[0-9a-f][2-9a-f]:/i.test(text);
}
