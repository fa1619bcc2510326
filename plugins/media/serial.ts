/**
 * ha.cf `serial DEVICE…`: a null-modem cable (or another line of bytes) to one peer. Messages go as classic text, back to back.
 *
 * What the medium sends is text already; what it hears is cut into messages, and noise between them is counted. A port that vanishes (a USB
 * adapter pulled, the other end of a pseudo-terminal closed) is looked for until it is back: the link's silence is the membership's
 * business, and no reason to end the node. A pulled cable is not even noticed here, since the line ignores carrier detect.
 */
import { SystemCallError } from '../../runtime/errors.ts';
import { ClassicSplitter } from '../../runtime/message/splitter.ts';
import { type DeviceLock, lockDevice } from '../../runtime/sys/device-lock.ts';
import { openSerialPort, type SerialPort } from '../../runtime/sys/serial-port.ts';
import { type Ms, ms } from '../../runtime/units.ts';
import {
  defineMedium,
  type LineCounters,
  type MediumCounters,
  type MediumHandlers,
  type MediumLog,
  type OpenMedium,
  openError,
  type SpecOf,
} from './medium.ts';
import { SendQueue } from './serial-queue.core.ts';

type SerialSpec = SpecOf<'serial'>;

/** A break after opening tells the other end to forget half a message; as long as the kernel's own tcsendbreak [ms]. */
const breakMs = 250;
/** First and longest pause before a lost port is looked for again [ms]. */
const shortestReopenMs = 100;
const longestReopenMs = 5_000;
const readBytes = 4_096;
/** Reads in one turn of the event loop: a babbling line must not keep the thread from its timers. */
const readsPerTurn = 16;
/** A line that is too slow, or stuck, is complained about at most this often [ms]. */
const complainEveryMs = 60_000;
const timeoutErrno = 'ETIMEDOUT';

const nowMs = (): Ms => ms(Number(process.hrtime.bigint()) / 1e6);

export const plugin = defineMedium({
  name: 'serial',
  kinds: ['serial'],
  open: async (spec, handlers, log, options) => {
    const lock = lockDevice(spec.device, options.lockDirectory);
    if (!lock.ok && lock.reason === 'held')
      throw openError(
        spec.link,
        'EBUSY',
        `cannot lock line ${spec.device}: process ${lock.holderPid} holds ${lock.path}: end it, or remove the file if that process does not use the port`,
      );
    if (!lock.ok) log('WARN', `serial ${spec.device}: no lock file ${lock.path}: ${lock.errno}: going on without`);
    try {
      const medium = new SerialMedium(spec, handlers, log, lock);
      log('info', `Starting serial heartbeat on tty ${spec.device} (${spec.baud} baud)`);
      return medium;
    } catch (error) {
      if (lock.ok) lock.release();
      if (!(error instanceof SystemCallError)) throw error;
      throw openError(spec.link, String(error.details.errno), `serial ${spec.device}: ${error.message}`, error);
    }
  },
});

class SerialMedium implements OpenMedium {
  readonly #spec: SerialSpec;
  readonly #handlers: MediumHandlers;
  readonly #log: MediumLog;
  readonly #lock: DeviceLock;
  readonly #queue: SendQueue;
  readonly #buffer = new Uint8Array(readBytes);
  /** Null while the port is lost. */
  #port: SerialPort | null;
  #splitter = new ClassicSplitter();
  #skippedBefore = 0;
  #writeTimer: NodeJS.Timeout | null = null;
  #breakTimer: NodeJS.Timeout | null = null;
  #reopenTimer: NodeJS.Timeout | null = null;
  #reopenPauseMs = shortestReopenMs;
  /** When the port was opened; the first time counts as long ago. */
  #openedMs = Number.NEGATIVE_INFINITY;
  #flapping = false;
  #complainedMs = Number.NEGATIVE_INFINITY;
  #lostMessages = 0;
  #closed = false;
  #overtaken = 0;
  #writeTimeouts = 0;
  readonly #counters: { -readonly [K in Exclude<keyof MediumCounters, 'line'>]: MediumCounters[K] } = {
    sent: 0,
    sentBytes: 0,
    sendErrors: 0,
    received: 0,
    receivedBytes: 0,
    receiveErrors: 0,
    reattached: 0,
    sendState: { ok: true },
  };

  /** Opens the port; throws SystemCallError. */
  constructor(spec: SerialSpec, handlers: MediumHandlers, log: MediumLog, lock: DeviceLock) {
    this.#spec = spec;
    this.#handlers = handlers;
    this.#log = log;
    this.#lock = lock;
    this.#queue = new SendQueue(spec.baud);
    this.#port = openSerialPort(spec.device, spec.baud);
    this.#begin(this.#port);
  }

  get counters(): MediumCounters {
    const line: LineCounters = {
      skippedBytes: this.#skippedBefore + this.#splitter.skippedBytes,
      overtaken: this.#overtaken,
      writeTimeouts: this.#writeTimeouts,
      waiting: this.#queue.length,
    };
    return { ...this.#counters, line };
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#port === null) {
      this.#counters.sendErrors++;
      this.#lostMessages++;
      return;
    }
    const dropped = this.#queue.push(bytes);
    if (dropped > 0) {
      this.#overtaken += dropped;
      this.#complain(
        'WARN',
        `serial ${this.#spec.device}: the line is too slow for what is to be sent: ${this.#overtaken} messages were dropped so far: raise baud or keepalive`,
      );
    }
    this.#pump();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    if (this.#reopenTimer !== null) clearTimeout(this.#reopenTimer);
    if (this.#lock.ok) this.#lock.release();
  }

  describe(): string {
    return `serial ${this.#spec.device} at ${this.#spec.baud} baud${this.#port === null ? ' (lost)' : ''}`;
  }

  /** A port that was just opened: listens, and sends a break before anything else. */
  #begin(port: SerialPort): void {
    port.onReadable(() => this.#read(port));
    port.setBreak(true);
    this.#queue.holdUntil(ms(nowMs() + breakMs));
    this.#breakTimer = setTimeout(() => {
      port.setBreak(false);
      this.#pump();
    }, breakMs);
  }

  #read(port: SerialPort): void {
    for (let reads = 0; reads < readsPerTurn && port === this.#port; reads++) {
      const size = port.read(this.#buffer);
      if (size === 'EAGAIN' || size === 'EINTR') return;
      if (typeof size === 'string') {
        this.#counters.receiveErrors++;
        this.#lose(size);
        return;
      }
      const heardMs = nowMs();
      for (const message of this.#splitter.push(this.#buffer.subarray(0, size))) {
        this.#counters.received++;
        this.#counters.receivedBytes += message.length;
        this.#handlers.onDatagram(message, heardMs);
      }
    }
  }

  /** Writes what may be written now, and comes back when more may. */
  #pump(): void {
    for (;;) {
      const port = this.#port;
      if (port === null || this.#writeTimer !== null) return;
      const atMs = nowMs();
      const step = this.#queue.next(atMs);
      if (step.type === 'idle') return;
      if (step.type === 'wait') {
        this.#writeTimer = setTimeout(
          () => {
            this.#writeTimer = null;
            this.#pump();
          },
          Math.ceil(step.untilMs - atMs),
        );
        return;
      }
      this.#write(port, step.bytes, atMs);
    }
  }

  #write(port: SerialPort, bytes: Uint8Array, atMs: Ms): void {
    const size = port.write(bytes);
    if (typeof size === 'number' && size > 0) {
      const complete = this.#queue.written(size, atMs);
      if (complete !== null) this.#sent(port, complete);
    } else if (size === 0 || size === 'EAGAIN' || size === 'EINTR') {
      if (this.#queue.refused(atMs) === 'timeout') this.#timedOut(port);
    } else {
      this.#lose(String(size));
    }
  }

  #sent(port: SerialPort, sizeBytes: number): void {
    this.#counters.sent++;
    this.#counters.sentBytes += sizeBytes;
    const state = this.#counters.sendState;
    // Taken by the driver is not yet on the line.
    if (state.ok || port.unsentBytes() > sizeBytes) return;
    this.#counters.sendState = { ok: true };
    this.#log('info', `serial ${this.#spec.device}: sending works again; ${this.#lostMessages} messages were lost`);
    this.#lostMessages = 0;
  }

  #timedOut(port: SerialPort): void {
    this.#writeTimeouts++;
    this.#counters.sendErrors++;
    this.#lostMessages++;
    port.flushOutput();
    const state = this.#counters.sendState;
    this.#counters.sendState = { ok: false, errno: timeoutErrno, sinceMs: state.ok ? nowMs() : state.sinceMs };
    this.#complain(
      'ERROR',
      `TTY write timeout on [${this.#spec.device}] (no connection or bad cable? [see documentation])`,
    );
  }

  /** The device is gone, or somebody hung up: it is looked for from now on. */
  #lose(errno: string): void {
    this.#release();
    const atMs = nowMs();
    const state = this.#counters.sendState;
    this.#counters.sendState = { ok: false, errno, sinceMs: state.ok ? atMs : state.sinceMs };
    this.#skippedBefore += this.#splitter.skippedBytes;
    this.#splitter = new ClassicSplitter();
    // A port that opens and breaks, again and again, keeps its growing pauses, and is told of once.
    this.#flapping = atMs - this.#openedMs < longestReopenMs;
    const text = `serial ${this.#spec.device}: the port was lost (${errno}): trying to open it again`;
    if (this.#flapping) {
      this.#complain('ERROR', text);
    } else {
      this.#reopenPauseMs = shortestReopenMs;
      this.#log('ERROR', text);
    }
    this.#reopenLater();
  }

  #reopenLater(): void {
    if (this.#closed) return;
    this.#reopenTimer = setTimeout(() => this.#reopen(), this.#reopenPauseMs);
    this.#reopenPauseMs = Math.min(2 * this.#reopenPauseMs, longestReopenMs);
  }

  #reopen(): void {
    this.#reopenTimer = null;
    try {
      this.#port = openSerialPort(this.#spec.device, this.#spec.baud);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#reopenLater();
      return;
    }
    this.#openedMs = nowMs();
    this.#counters.reattached++;
    const state = this.#counters.sendState;
    const goneS = state.ok ? 0 : Math.round((nowMs() - state.sinceMs) / 1_000);
    if (!this.#flapping)
      this.#log(
        'info',
        `serial ${this.#spec.device}: the port is back after ${goneS} s; ${this.#lostMessages} messages were lost`,
      );
    this.#lostMessages = 0;
    this.#counters.sendState = { ok: true };
    this.#begin(this.#port);
  }

  /** Lets go of the port and of what waited for it. */
  #release(): void {
    for (const timer of [this.#writeTimer, this.#breakTimer]) if (timer !== null) clearTimeout(timer);
    this.#writeTimer = null;
    this.#breakTimer = null;
    this.#port?.close();
    this.#port = null;
    const dropped = this.#queue.clear();
    this.#counters.sendErrors += dropped;
    this.#lostMessages += dropped;
  }

  #complain(severity: 'WARN' | 'ERROR', text: string): void {
    const atMs = nowMs();
    if (atMs - this.#complainedMs < complainEveryMs) return;
    this.#complainedMs = atMs;
    this.#log(severity, text);
  }
}
