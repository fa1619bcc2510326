/**
 * The contract of a medium plugin: one way to send to and hear from the other nodes. `actors/medium.ts` hosts them.
 *
 * A plugin moves datagrams and knows nothing of messages: framing, signatures and the link's state are the actor's. Each file of this
 * folder exports one `plugin`.
 */
import type { MediumSpec } from '../../conf/settings.ts';
import { MediumError } from '../../runtime/errors.ts';
import type { Severity } from '../../runtime/log.ts';
import type { Ms } from '../../runtime/units.ts';

/** What the host of a medium does with what it hears. */
export interface MediumHandlers {
  /**
   * @param bytes   one datagram, or one classic message of a serial line; the callee may keep it
   * @param heardMs monotonic time of its arrival at this machine [ms], comparable between threads
   */
  onDatagram(bytes: Uint8Array, heardMs: Ms): void;
  /** The medium cannot go on by itself and should be closed. A pulled cable is not that: see {@link MediumCounters.sendState}. */
  onError(error: MediumError): void;
}

/** Takes the lines that Heartbeat logs for its media, without the `glib: ` that its log puts before them. */
export type MediumLog = (severity: Severity, text: string) => void;

/** What happened to the bytes of a serial line. Counts since opening. */
export interface LineCounters {
  /** Bytes that belonged to no message: noise, halves of messages, another program's output. */
  readonly skippedBytes: number;
  /** Messages that waited so long for their turn that newer ones took their place. */
  readonly overtaken: number;
  /** How often the line took nothing for 500 ms and was flushed. */
  readonly writeTimeouts: number;
  /** Messages that wait for their turn now. */
  readonly waiting: number;
}

/** Counts since opening; read at any time. */
export interface MediumCounters {
  readonly sent: number;
  readonly sentBytes: number;
  /** Datagrams that the kernel refused: each is lost, the next is tried anew. */
  readonly sendErrors: number;
  readonly received: number;
  readonly receivedBytes: number;
  readonly receiveErrors: number;
  /** How often the interface or serial port was lost and found again. */
  readonly reattached: number;
  /** Whether the last datagram went out; a change is logged once, not for every packet. */
  readonly sendState: { readonly ok: true } | { readonly ok: false; readonly errno: string; readonly sinceMs: Ms };
  /** Serial lines only. */
  readonly line?: LineCounters;
}

/** The sockets of a datagram medium, for other threads of the process. Structured-clone safe. */
export interface MediumSockets {
  readonly sendFd: number;
  /** The socket address to send to. */
  readonly target: Uint8Array;
  readonly receiveFd: number;
  /** 1 while the medium's thread takes datagrams: see UdpSocket. */
  readonly busy: Int32Array<SharedArrayBuffer>;
  /** One number: datagrams that others have sent through `sendFd`. */
  readonly sentByOthers: Int32Array<SharedArrayBuffer>;
}

export interface OpenMedium {
  /** Sends one datagram to all nodes that this medium reaches. Never waits, never throws: failures are counted. */
  send(bytes: Uint8Array): void;
  /** Ends receiving and resolves when all descriptors are closed; the medium can be opened again at once. */
  close(): Promise<void>;
  /** One line for operators: `bcast eth0 to 10.77.0.255 port 694`. */
  describe(): string;
  readonly counters: MediumCounters;
  /** Datagram media only: valid until the medium closes; the target until it reattaches. */
  readonly sockets?: () => MediumSockets;
}

/** How opening treats a port that is in use. */
export interface MediumOpenOptions {
  /** How often binding is tried (default: as Heartbeat, 10; 50 for mcast). */
  readonly bindAttempts?: number;
  /** Pause between the tries [ms, default 1000]. */
  readonly bindRetryMs?: number;
  /** Where the lock files of serial ports are (default /var/lock). */
  readonly lockDirectory?: string;
}

/** The specs of one kind. */
export type SpecOf<K extends MediumSpec['kind']> = Extract<MediumSpec, { readonly kind: K }>;

export interface MediumPlugin {
  readonly type: 'medium';
  readonly name: string;
  /** The ha.cf directives that it serves. */
  readonly kinds: readonly MediumSpec['kind'][];
  /** Opens the medium. Throws MediumError (details `link`, `errno`) that says what to do; HB_MEDIUM_PLUGIN for a spec of another kind. */
  open(spec: MediumSpec, handlers: MediumHandlers, log: MediumLog, options?: MediumOpenOptions): Promise<OpenMedium>;
}

/** Makes a plugin from an `open` for specs of its own kinds. */
export function defineMedium<const K extends MediumSpec['kind']>(definition: {
  readonly name: string;
  readonly kinds: readonly K[];
  readonly open: (
    spec: SpecOf<K>,
    handlers: MediumHandlers,
    log: MediumLog,
    options: MediumOpenOptions,
  ) => Promise<OpenMedium>;
}): MediumPlugin {
  const { name, kinds, open } = definition;
  const serves = (spec: MediumSpec): spec is SpecOf<K> => kinds.some((kind) => kind === spec.kind);
  return {
    type: 'medium',
    name,
    kinds,
    open: async (spec, handlers, log, options = {}) => {
      if (!serves(spec))
        throw new MediumError('HB_MEDIUM_PLUGIN', `the ${name} plugin cannot open a ${spec.kind} medium`, {
          link: spec.link,
          kind: spec.kind,
        });
      return open(spec, handlers, log, options);
    },
  };
}

/** A medium that could not be opened: `what` says what happened and what to do. */
export function openError(link: string, errno: string, what: string, cause?: unknown): MediumError {
  return new MediumError('HB_MEDIUM_OPEN', what, { link, errno }, cause === undefined ? {} : { cause });
}
