/**
 * What bcast, ucast and mcast have in common: a socket that sends, a socket that receives, and cables that come and go.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MediumError, SystemCallError } from '../../runtime/errors.ts';
import { openUdpSocket, type UdpSocket, type UdpSocketOptions } from '../../runtime/sys/udp.ts';
import { type Ms, ms } from '../../runtime/units.ts';
import {
  type MediumCounters,
  type MediumHandlers,
  type MediumLog,
  type MediumOpenOptions,
  type MediumSockets,
  type OpenMedium,
  openError,
} from './medium.ts';

export interface UdpMediumPlan {
  /** Directive and interface, as they begin a message: `bcast eth0`. */
  readonly title: string;
  readonly link: string;
  readonly device: string;
  readonly port: number;
  /** Where to send, for operators: `10.77.0.255`. */
  readonly destination: string;
  /** The socket address of the destination, made anew when the interface was (its index may be part of it). */
  readonly target: () => Uint8Array;
  readonly sendSocket: UdpSocketOptions;
  readonly receiveSocket: UdpSocketOptions;
  /** How often Heartbeat tries to bind the receiving socket. */
  readonly bindAttempts: number;
  /** Says that it is open, in Heartbeat's words. */
  readonly logOpened: (log: MediumLog) => void;
  readonly logClosed?: (log: MediumLog) => void;
}

/** Heartbeat's pause between two tries to bind a port that is in use [ms]. */
const bindRetryMs = 1_000;
/** Room for a burst of retransmissions: some thousand messages while the thread is busy. Heartbeat takes as much for IPv6 [bytes]. */
export const receiveBufferBytes = 1024 * 1024;
/** How often an interface that vanished is looked for [ms]; the keepalive sets the pace of the sends in which it happens. */
const reattachMs = 500;
/** The interface is gone: the socket is tied to an index that nobody has. */
const interfaceGone: ReadonlySet<string> = new Set(['ENODEV', 'ENXIO']);
/** Only a defect of our own gives these; waiting cannot help. */
const hopeless: ReadonlySet<string> = new Set(['EBADF', 'ENOTSOCK', 'EFAULT']);

const nowMs = (): Ms => ms(Number(process.hrtime.bigint()) / 1e6);

/** Opens the receiving socket, trying again while the port is in use. */
async function openReceiver(plan: UdpMediumPlan, log: MediumLog, options: MediumOpenOptions): Promise<UdpSocket> {
  const attempts = options.bindAttempts ?? plan.bindAttempts;
  for (let attempt = 1; ; attempt++) {
    try {
      return openUdpSocket(plan.receiveSocket);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.details.errno !== 'EADDRINUSE' || attempt >= attempts)
        throw error;
      if (attempt === 1)
        log('WARN', `${plan.title}: port ${plan.port} is in use: trying ${attempts} times (see \`ss -ulpn\`)`);
      await sleep(options.bindRetryMs ?? bindRetryMs);
    }
  }
}

/** Opens both sockets and moves datagrams until closed. Throws MediumError; then nothing is left open. */
export async function openUdpMedium(
  plan: UdpMediumPlan,
  handlers: MediumHandlers,
  log: MediumLog,
  options: MediumOpenOptions = {},
): Promise<OpenMedium> {
  let sender: UdpSocket | null = null;
  try {
    sender = openUdpSocket(plan.sendSocket);
    const receiver = await openReceiver(plan, log, options);
    const medium = new UdpMedium(plan, handlers, log, sender, receiver);
    plan.logOpened(log);
    return medium;
  } catch (error) {
    sender?.close();
    if (error instanceof SystemCallError)
      throw openError(plan.link, String(error.details.errno), `${plan.title}: ${error.message}`, error);
    throw error;
  }
}

class UdpMedium implements OpenMedium {
  readonly #plan: UdpMediumPlan;
  readonly #handlers: MediumHandlers;
  readonly #log: MediumLog;
  readonly #sender: UdpSocket;
  readonly #receiver: UdpSocket;
  #target: Uint8Array;
  readonly #sentByOthers = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #closed = false;
  #failuresInARow = 0;
  #attachTriedMs = Number.NEGATIVE_INFINITY;
  readonly #counters: { -readonly [K in keyof MediumCounters]: MediumCounters[K] } = {
    sent: 0,
    sentBytes: 0,
    sendErrors: 0,
    received: 0,
    receivedBytes: 0,
    receiveErrors: 0,
    reattached: 0,
    sendState: { ok: true },
  };

  constructor(plan: UdpMediumPlan, handlers: MediumHandlers, log: MediumLog, sender: UdpSocket, receiver: UdpSocket) {
    this.#plan = plan;
    this.#handlers = handlers;
    this.#log = log;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#target = plan.target();
    receiver.onMessage((bytes, heardMs) => {
      this.#counters.received++;
      this.#counters.receivedBytes += bytes.length;
      handlers.onDatagram(bytes, heardMs);
    });
    receiver.onReceiveError((errno) => this.#receiveFailed(errno));
  }

  get counters(): MediumCounters {
    return { ...this.#counters, sent: this.#counters.sent + Atomics.load(this.#sentByOthers, 0) };
  }

  sockets(): MediumSockets {
    return {
      sendFd: this.#sender.fd,
      target: this.#target,
      receiveFd: this.#receiver.fd,
      busy: this.#receiver.busy,
      sentByOthers: this.#sentByOthers,
    };
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    let errno = this.#sender.send(bytes, this.#target);
    if (errno !== null && interfaceGone.has(errno) && this.#reattach()) errno = this.#sender.send(bytes, this.#target);
    if (errno === null) this.#sent(bytes.length);
    else this.#sendFailed(errno, bytes.length);
  }

  #sent(sizeBytes: number): void {
    this.#counters.sent++;
    this.#counters.sentBytes += sizeBytes;
    const state = this.#counters.sendState;
    if (state.ok) return;
    const silentS = Math.round((nowMs() - state.sinceMs) / 1000);
    this.#counters.sendState = { ok: true };
    this.#log(
      'info',
      `${this.#plan.title}: sending works again; ${this.#failuresInARow} packets were lost in ${silentS} s`,
    );
    this.#failuresInARow = 0;
  }

  #sendFailed(errno: string, sizeBytes: number): void {
    this.#counters.sendErrors++;
    if (errno === 'EMSGSIZE') {
      // The fault of this one message, not of the link.
      this.#log(
        'ERROR',
        `${this.#plan.title}: a message of ${sizeBytes} bytes is too long for a datagram and was not sent`,
      );
      return;
    }
    this.#failuresInARow++;
    const state = this.#counters.sendState;
    if (state.ok || state.errno !== errno) {
      this.#log('ERROR', `Unable to send ${this.#plan.title} packet to ${this.#plan.destination}: ${errno}`);
      this.#counters.sendState = { ok: false, errno, sinceMs: state.ok ? nowMs() : state.sinceMs };
    }
    if (hopeless.has(errno)) this.#fail('HB_MEDIUM_SEND', errno, 'cannot send');
  }

  #receiveFailed(errno: string): void {
    this.#counters.receiveErrors++;
    if (hopeless.has(errno)) this.#fail('HB_MEDIUM_RECEIVE', errno, 'cannot receive');
  }

  #fail(code: 'HB_MEDIUM_SEND' | 'HB_MEDIUM_RECEIVE', errno: string, what: string): void {
    this.#handlers.onError(
      new MediumError(code, `${this.#plan.title}: ${what}: ${errno}: the medium must be opened again`, {
        link: this.#plan.link,
        errno,
      }),
    );
  }

  /** Ties both sockets to the interface that has the name now. @returns whether both are */
  #reattach(): boolean {
    const atMs = nowMs();
    if (atMs - this.#attachTriedMs < reattachMs) return false;
    this.#attachTriedMs = atMs;
    if (this.#sender.reattach() !== null || this.#receiver.reattach() !== null) return false;
    this.#target = this.#plan.target();
    this.#counters.reattached++;
    this.#log('info', `${this.#plan.title}: interface ${this.#plan.device} is back: sockets bound to it again`);
    return true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sender.close();
    this.#receiver.close();
    this.#plan.logClosed?.(this.#log);
  }

  describe(): string {
    return `${this.#plan.title} to ${this.#plan.destination} port ${this.#plan.port}`;
  }
}
