/**
 * A client of a service address: asks every ten milliseconds, from the switch, and knows when it got answers.
 *
 * It sees what users see: an address on two hosts or on none, and neighbours whose caches still name the old owner.
 */

import type { Network } from './network.ts';
import { LabProcess } from './process.ts';

const intervalMs = 10;

export class Probe implements AsyncDisposable {
  readonly #ping: LabProcess;
  readonly #answersMs: number[] = [];
  #partial = '';

  private constructor(ping: LabProcess) {
    this.#ping = ping;
    ping.onStdout((chunk) => this.#read(chunk.toString('latin1')), { keep: false });
  }

  /** Called by the lab. */
  static start(network: Network, address: string): Probe {
    const interval = String(intervalMs / 1_000);
    const command = ['chrt', '--rr', '50', 'ping', '-D', '-n', '-i', interval, address];
    return new Probe(new LabProcess([...network.enterNetwork, ...command], { stdin: '' }));
  }

  /**
   * The longest time between two answers [ms], the ends of the range counting as answers; at least {@link intervalMs} in the best of cases.
   *
   * @param fromMs start of the range [epoch ms]
   * @param toMs its end [epoch ms]
   */
  longestSilenceMs(fromMs: number, toMs: number): number {
    const inside = this.#answersMs.filter((atMs) => atMs > fromMs && atMs < toMs);
    let longest = 0;
    let last = fromMs;
    for (const atMs of [...inside, toMs]) {
      longest = Math.max(longest, atMs - last);
      last = atMs;
    }
    return longest;
  }

  async close(): Promise<void> {
    await this.#ping.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      const seconds = /^\[(\d+\.\d+)\] \d+ bytes from /.exec(line)?.[1];
      if (seconds !== undefined) this.#answersMs.push(Number(seconds) * 1_000);
    }
  }
}
