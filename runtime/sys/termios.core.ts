/**
 * The line settings of a terminal as bytes: the kernel's `struct termios` of <asm-generic/termbits.h>, which all machines but PowerPC, MIPS,
 * SPARC and Alpha share. Pure; no system call.
 */
import { readU32, writeU32 } from './native.ts';

/** Four words of flags, the line discipline, 19 control characters [bytes]. */
export const termiosBytes = 36;

/** ioctl requests of <asm-generic/ioctls.h>. */
export const terminalRequest = {
  getSettings: 0x5401,
  setSettings: 0x5402,
  flush: 0x540b,
  unsentBytes: 0x5411,
  breakOn: 0x5427,
  breakOff: 0x5428,
} as const;

/** Argument of the request `flush`. */
export const flushQueue = { input: 0, output: 1, both: 2 } as const;

const offset = { input: 0, output: 4, control: 8, local: 12, characters: 17 } as const;

const input = {
  IGNBRK: 0o1,
  BRKINT: 0o2,
  PARMRK: 0o10,
  INPCK: 0o20,
  ISTRIP: 0o40,
  IGNCR: 0o200,
  ICRNL: 0o400,
  IUCLC: 0o1000,
  IXON: 0o2000,
  IXANY: 0o4000,
  IXOFF: 0o10000,
} as const;
const output = { OPOST: 0o1 } as const;
const control = {
  CBAUD: 0o10017,
  CSIZE: 0o60,
  CS8: 0o60,
  CREAD: 0o200,
  PARENB: 0o400,
  CLOCAL: 0o4000,
  /** The speed of receiving; 0 = that of sending. */
  CIBAUD: 0o2003600000,
  CRTSCTS: 0o20000000000,
} as const;
const local = { ISIG: 0o1, ICANON: 0o2, ECHO: 0o10 } as const;
const character = { VTIME: 5, VMIN: 6 } as const;

/** CBAUD values of the speeds that ha.cf `baud` knows. */
const speeds: ReadonlyMap<number, number> = new Map([
  [9_600, 0o15],
  [19_200, 0o16],
  [38_400, 0o17],
  [57_600, 0o10001],
  [115_200, 0o10002],
  [230_400, 0o10003],
  [460_800, 0o10004],
]);

/**
 * Heartbeat's settings of a serial line, in place of those it has: 8 bits, no parity, no translation, hardware flow control, deaf to
 * carrier detect (a pulled cable is no hang-up). Seven bits of each received byte count (ISTRIP), and carriage returns are ignored.
 * Stop bits and the control characters stay as they were.
 *
 * @param present the settings now ({@link termiosBytes}); not changed
 * @param baud    9600, 19200, 38400, 57600, 115200, 230400 or 460800, else RangeError
 */
export function heartbeatLineSettings(present: Uint8Array, baud: number): Uint8Array {
  const speed = speeds.get(baud);
  if (speed === undefined) throw new RangeError(`no serial speed: ${baud}`);
  const settings = present.slice(0, termiosBytes);
  const { IGNBRK, IUCLC, IXANY, IXOFF, IXON, ICRNL, PARMRK } = input;
  change(settings, offset.input, IGNBRK | IUCLC | IXANY | IXOFF | IXON | ICRNL | PARMRK, [
    input.INPCK,
    input.ISTRIP,
    input.IGNCR,
    input.BRKINT,
  ]);
  change(settings, offset.output, output.OPOST, []);
  change(settings, offset.control, control.CBAUD | control.CIBAUD | control.CSIZE | control.PARENB, [
    speed,
    control.CS8,
    control.CREAD,
    control.CLOCAL,
    control.CRTSCTS,
  ]);
  change(settings, offset.local, local.ICANON | local.ECHO | local.ISIG, []);
  settings[offset.characters + character.VMIN] = 1;
  settings[offset.characters + character.VTIME] = 1;
  return settings;
}

function change(settings: Uint8Array, at: number, clear: number, set: readonly number[]): void {
  const kept = readU32(settings, at) & ~clear;
  writeU32(settings, at, set.reduce((word, flag) => word | flag, kept) >>> 0);
}
