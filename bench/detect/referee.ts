/**
 * The referee's reports as they come: packets and address changes of the survivor, seen by a program of its own (referee.c).
 */
import { LabProcess } from '../../test/net/lab/process.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import { parseReport, type Report } from './report-line.core.ts';

export type CapturedPacket = Extract<Report, { type: 'packet' }>;
export type CapturedArp = Extract<Report, { type: 'arp' }>;
export type AddressChange = Extract<Report, { type: 'address' }>;

/** Reports older than this are forgotten [ms]: no trial looks back so far. */
const keepMs = 10_000;
/** Above the programs under test: the referee's stamp of an address must not wait for them. */
const refereePriority = 80;

export class Referee {
  readonly packets: CapturedPacket[] = [];
  readonly arps: CapturedArp[] = [];
  readonly addresses: AddressChange[] = [];
  /** Packets that the kernel dropped: with any, the capture has holes. */
  lost = 0;
  /** Called for each packet, also for those that are forgotten later. */
  onPacket: ((packet: CapturedPacket) => void) | null = null;
  #untilMs = Number.NEGATIVE_INFINITY;
  readonly #process: LabProcess;
  #rest = '';

  private constructor(process: LabProcess) {
    this.#process = process;
    process.onStdout((chunk) => this.#take(chunk.toString('latin1')), { keep: false });
  }

  /**
   * @param executable   referee.c, compiled
   * @param enterNetwork the command line that enters the survivor's network
   */
  static async start(executable: string, enterNetwork: readonly string[], device: string): Promise<Referee> {
    const child = new LabProcess([...enterNetwork, executable, device, String(refereePriority)], { stdin: '' });
    const referee = new Referee(child);
    await eventually(() => referee.#untilMs > 0 || !child.running, { what: 'the referee', intervalMs: 5 });
    if (!child.running) throw new Error(`the referee ended: ${child.stderr.trim()}`);
    return referee;
  }

  /** Resolves when everything that happened before an instant has been told. */
  async caughtUp(atMs: number): Promise<void> {
    await eventually(() => this.#untilMs >= atMs || !this.#process.running, { what: 'the referee', intervalMs: 5 });
    if (!this.#process.running) throw new Error(`the referee ended: ${this.#process.stderr.trim()}`);
  }

  /** The newest packet of a kind among those of the last `withinMs`; null when there is none. */
  lastPacket(fits: (packet: CapturedPacket) => boolean, withinMs: number): CapturedPacket | null {
    const found = this.packets.findLast(fits);
    return found !== undefined && found.atMs >= this.#untilMs - withinMs ? found : null;
  }

  /** Whether the newest packet of a kind says a thing, in both directions. */
  bothSay(isKind: (packet: CapturedPacket) => boolean, says: (packet: CapturedPacket) => boolean): boolean {
    return (['in', 'out'] as const).every((way) => {
      const newest = this.lastPacket((packet) => packet.way === way && isKind(packet), 2_000);
      return newest !== null && says(newest);
    });
  }

  async stop(): Promise<void> {
    await this.#process.kill();
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const report = parseReport(line);
      switch (report.type) {
        case 'packet':
          this.packets.push(report);
          this.onPacket?.(report);
          break;
        case 'arp':
          this.arps.push(report);
          break;
        case 'address':
          this.addresses.push(report);
          break;
        case 'until':
          this.#untilMs = report.atMs;
          this.#forget(report.atMs - keepMs);
          break;
        case 'lost':
          this.lost += report.count;
          break;
        case 'ready':
          break;
      }
    }
  }

  #forget(beforeMs: number): void {
    for (const list of [this.packets, this.arps, this.addresses]) {
      const stale = list.findIndex((report) => report.atMs >= beforeMs);
      // In larger pieces: a shift for each packet would cost more than the packet.
      if (stale > 1_000) list.splice(0, stale);
    }
  }
}
