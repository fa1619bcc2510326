/**
 * A watchdog device as the kernel offers it (Documentation/watchdog/watchdog-api.rst): what is open counts down and restarts the machine unless it
 * is written to; only the byte `V` before the close stops it.
 *
 * A FIFO or a file in place of the device works as well, for tests: it has no timeout.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { lastErrno, libc } from '../runtime/sys/libc.ts';
import { cString, intBytes, readI32, readU32 } from '../runtime/sys/native.ts';

/** <linux/watchdog.h>, as on all machines with the generic ioctl numbers (x86, arm). */
const getSupport = 0x80285700;
const setTimeoutRequest = 0xc0045706;
const getTimeout = 0x80045707;
/** struct watchdog_info: options, firmware version, 32 bytes of identity. */
const infoBytes = 40;
/** WDIOF_MAGICCLOSE. */
const magicClose = 0x0100;

export interface WatchdogInfo {
  /** The driver's name for itself; null when what is open is no watchdog. */
  readonly identity: string | null;
  /** It stays armed when it is closed without `V`, as when the daemon is killed. Null: unknown. */
  readonly staysArmed: boolean | null;
  /** In force [s]; null: unknown. */
  readonly timeoutS: number | null;
  /** Why the wanted timeout is not in force; null: it is. */
  readonly refused: string | null;
}

export type OpenedWatchdog =
  | { readonly ok: true; readonly device: WatchdogDevice; readonly info: WatchdogInfo }
  | { readonly ok: false; readonly errno: string };

/**
 * Opens the device: from now on it wants to be kicked.
 *
 * @param wantedS its timeout [s, >= 1]; a device that refuses it keeps its own
 */
export function openWatchdog(path: string, wantedS: number): OpenedWatchdog {
  let fd: number;
  try {
    // Without O_CREAT: a name that is mistyped must not become a file. O_NONBLOCK: a FIFO without a reader is refused, not waited for.
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { ok: false, errno: errnoOf(error) };
  }
  return { ok: true, device: new WatchdogDevice(fd), info: prepare(fd, wantedS) };
}

function prepare(fd: number, wantedS: number): WatchdogInfo {
  const info = new Uint8Array(infoBytes);
  const known = libc().ioctl(fd, getSupport, info) === 0;
  const value = intBytes(wantedS);
  const refused = libc().ioctl(fd, setTimeoutRequest, value) === 0 ? null : lastErrno();
  const read = intBytes(0);
  const timeoutS = libc().ioctl(fd, getTimeout, read) === 0 ? readI32(read, 0) : refused === null ? wantedS : null;
  return {
    identity: known ? new TextDecoder('latin1').decode(info.subarray(8)).split('\0')[0]?.trim() || null : null,
    staysArmed: known ? (readU32(info, 0) & magicClose) !== 0 : null,
    timeoutS,
    refused: refused ?? (timeoutS !== null && timeoutS !== wantedS ? `the device takes ${timeoutS} s instead` : null),
  };
}

export class WatchdogDevice {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** One zero byte, as the original. @returns null, or the name of the error */
  kick(): string | null {
    return this.#write(Uint8Array.of(0));
  }

  /** `V` and close: the machine stays up without us. @returns null, or the name of the error: the device counts on */
  disarm(): string | null {
    const errno = this.#write(cString('V').subarray(0, 1));
    closeSync(this.#fd);
    return errno;
  }

  #write(bytes: Uint8Array): string | null {
    try {
      writeSync(this.#fd, bytes);
      return null;
    } catch (error) {
      return errnoOf(error);
    }
  }
}

function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  throw error;
}
