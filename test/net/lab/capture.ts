/**
 * Watches the packets of one interface with tcpdump: into a file, and live.
 */

import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Datagram, PcapReader, udpDatagram } from './pcap.core.ts';
import { LabProcess } from './process.ts';
import { eventually, within } from './wait.ts';

export interface CaptureOptions {
  /** tcpdump's filter expression; default `udp port 694`. */
  readonly filter?: string;
  /** Also write everything to this pcap file. */
  readonly file?: string;
}

/** A running capture. `datagrams` grows while it runs. */
export class Capture implements AsyncDisposable {
  /** All UDP datagrams over IPv4 so far, in the order seen. */
  readonly datagrams: Datagram[] = [];
  readonly #tcpdump: LabProcess;
  readonly #file: WriteStream | undefined;
  readonly #listeners = new Set<(datagram: Datagram) => void>();
  #stopped: Promise<void> | undefined;
  #broken: Error | undefined;

  private constructor(tcpdump: LabProcess, file: WriteStream | undefined) {
    this.#tcpdump = tcpdump;
    this.#file = file;
    const reader = new PcapReader();
    tcpdump.onStdout((chunk) => this.#take(reader, chunk), { keep: false });
  }

  /** @param enterNetwork the command line that enters the network namespace */
  static async start(enterNetwork: readonly string[], device: string, options: CaptureOptions = {}): Promise<Capture> {
    const filter = options.filter ?? 'udp port 694';
    const tcpdump = new LabProcess(
      [
        ...enterNetwork,
        'tcpdump',
        '-i',
        device,
        '-n',
        '-U',
        '--immediate-mode',
        // Room for a flood [KiB]: on a busy machine the nodes run before us.
        '-B',
        '16384',
        '-s',
        '0',
        '-Z',
        'root',
        '-w',
        '-',
        filter,
      ],
      { stdin: '' },
    );
    const capture = new Capture(tcpdump, options.file === undefined ? undefined : createWriteStream(options.file));
    await eventually(() => tcpdump.stderr.includes('listening on') || !tcpdump.running, {
      what: `tcpdump on ${device}`,
    });
    if (!tcpdump.running) throw new Error(`tcpdump on ${device}: ${tcpdump.stderr.trim()}`);
    return capture;
  }

  /** Calls `listener` with each datagram from now on, until the returned function is called. */
  onDatagram(listener: (datagram: Datagram) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first datagram from now on that fits. @throws WaitTimeoutError after `timeoutMs` */
  async next(fits: (datagram: Datagram) => boolean, timeoutMs: number): Promise<Datagram> {
    const { promise, resolve } = Promise.withResolvers<Datagram>();
    const forget = this.onDatagram((datagram) => {
      if (fits(datagram)) resolve(datagram);
    });
    try {
      return await within(promise, timeoutMs, 'a datagram that fits');
    } finally {
      forget();
    }
  }

  /**
   * Ends the capture after the last packet that the kernel has handed over so far; `datagrams` and the file are complete then.
   *
   * A capture whose host was powered off has ended already; what it saw stays.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    const tcpdump = this.#tcpdump;
    // Asked by SIGUSR1, tcpdump counts what it has written and what the kernel has queued for it: equal means nothing is on its way.
    let asked = 0;
    const settled = async (): Promise<boolean> => {
      await tcpdump.signal('SIGUSR1');
      asked += 1;
      const answer = await eventually(
        () => {
          if (!tcpdump.running) return 'ended' as const;
          const counts = [
            ...tcpdump.stderr.matchAll(
              /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped by kernel/g,
            ),
          ];
          return counts.length >= asked ? counts.at(-1) : undefined;
        },
        { what: 'the counters of tcpdump', timeoutMs: 5_000, intervalMs: 2 },
      );
      return answer === 'ended' || Number(answer[1]) + Number(answer[3]) >= Number(answer[2]);
    };
    await eventually(settled, { what: 'the last packets of a capture', timeoutMs: 5_000 });
    await tcpdump.signal('SIGTERM');
    await tcpdump.exited;
    if (this.#file !== undefined) {
      this.#file.end();
      await finished(this.#file);
    }
    if (this.#broken !== undefined) throw this.#broken;
  }

  #take(reader: PcapReader, chunk: Buffer): void {
    this.#file?.write(chunk);
    try {
      for (const frame of reader.push(chunk)) {
        const datagram = udpDatagram(frame);
        if (datagram === null) continue;
        this.datagrams.push(datagram);
        for (const listener of this.#listeners) listener(datagram);
      }
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error)); // told by stop(): nobody awaits a stream's callback
    }
  }
}
