/**
 * The benchmark without root: Systole and the floor on 127.0.0.x. Nothing can be captured, cut or given an address there, so a program is believed
 * what it says itself, and the faults are `kill` and `freeze`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { adminEvents, adminRequest } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import { startLoad } from '../detect/load.ts';
import { type Plan, timingName } from '../detect/plan.core.ts';
import type { TrialRecord } from '../detect/records.ts';
import type { RunHandlers } from '../detect/run.ts';
import type { Fault, Timing } from '../peers/peer.ts';
import { endNode, type LoopbackNode, monotonicMs, startNode, waitForStatus } from './node.ts';

/** What a survivor says about a death. */
interface Statement {
  readonly decidedMs: number;
  /** Silence at the decision beyond the limit in force [ms]. */
  readonly overheadMs: number;
}

/** A pair that is healthy once `ready` resolves. */
interface LoopbackPair {
  ready(): Promise<void>;
  setFault(fault: Fault): void;
  /** The first death that is declared from now on. */
  death(): Promise<Statement>;
  /** Ends the victim and starts a new one. */
  recover(): Promise<void>;
  stop(): Promise<void>;
}

/** How long a decision is waited for beyond the dead time [ms]. */
const patienceMs = 5_000;
/** A node advertises 2 s more dead time for its first 5 s; counted from the start of its process [ms]. */
const settledMs = 7_000;

const contestants = {
  floor: (root: string, port: number, timing: Timing, priority: number | null) =>
    new FloorPair(root, port, timing, priority),
  systole: (root: string, port: number, timing: Timing) => new SystolePair(root, port, timing),
} as const;

/** Runs what of a plan can be done without root; says what is left out. */
export async function runOnLoopback(plan: Plan, handlers: RunHandlers, signal?: AbortSignal): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'systole-detect-'));
  const port = 20_000 + (process.pid % 20_000);
  const faults = plan.faults.filter((fault) => fault !== 'cut');
  const names = (['floor', 'systole'] as const).filter((name) => plan.peers?.includes(name) ?? true);
  handlers.record({
    type: 'skipped',
    peer: 'everything else',
    timing: null,
    why: 'other programs, the fault "cut", other media, addresses and the capture need root (network namespaces)',
  });
  const total = plan.loads.length * plan.timings.length * names.length * faults.length * plan.trials * plan.rounds;
  let done = 0;
  try {
    for (let round = 0; round < plan.rounds; round++)
      for (const load of plan.loads)
        for (const timing of plan.timings)
          for (const name of names) {
            const pair = contestants[name](mkdtempSync(join(root, `${name}-`)), port, timing, plan.realtimePriority);
            const endLoad = startLoad(load);
            try {
              for (const fault of faults)
                for (let trial = 0; trial < plan.trials; trial++) {
                  if (signal?.aborted === true) return;
                  handlers.progress(done++, total, `${name} ${timingName(timing)} ${load} ${fault}`);
                  await pair.ready();
                  const result = await runTrial(pair, timing, fault);
                  handlers.record({
                    type: 'trial',
                    peer: name,
                    ...timing,
                    medium: 'ucast',
                    load,
                    fault,
                    ...result,
                  });
                  await pair.recover();
                }
            } catch (error) {
              const why = `broke: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`;
              handlers.record({ type: 'skipped', peer: name, timing: timingName(timing), why });
            } finally {
              await endLoad();
              await pair.stop();
            }
          }
    handlers.progress(total, total, 'done');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function runTrial(
  pair: LoopbackPair,
  timing: Timing,
  fault: Fault,
): Promise<Pick<TrialRecord, 'outcome' | 'figures'>> {
  const death = pair.death();
  // Any phase of the heartbeat's period, so that the fault is not in step with it.
  await delay(100 + Math.random() * Math.min(timing.keepaliveMs, 100) + Math.random() * 3);
  const faultMs = monotonicMs();
  pair.setFault(fault);
  const statement = await Promise.race([death, delay(timing.deadtimeMs + patienceMs, null)]);
  if (statement === null) return { outcome: 'missed', figures: null };
  if (statement.decidedMs < faultMs) return { outcome: 'false-death', figures: null };
  return {
    outcome: 'detected',
    figures: {
      overheadMs: statement.overheadMs,
      detectionMs: statement.decidedMs - faultMs,
      by: 'statement',
      reactionMs: null,
      addressMs: null,
      announcedMs: null,
      faultToAddressMs: null,
    },
  };
}

const deathEvent = v.object({
  event: v.literal('node.dead'),
  decidedMs: v.number(),
  silentMs: v.number(),
  limitMs: v.number(),
});

class SystolePair implements LoopbackPair {
  readonly #start: (me: 1 | 2) => LoopbackNode;
  readonly #survivor: LoopbackNode;
  #victim: LoopbackNode;

  constructor(root: string, port: number, timing: Timing) {
    const times = { keepalive: `${timing.keepaliveMs}ms`, deadtime: `${timing.deadtimeMs}ms`, initdead: '3' };
    this.#start = (me) => startNode(root, port, me, me === 1 ? 2 : 1, 1, times);
    this.#survivor = this.#start(1);
    this.#victim = this.#start(2);
  }

  async ready(): Promise<void> {
    await waitForStatus(this.#survivor, 'active');
    await waitForStatus(this.#victim, 'active');
    await delay(Math.max(0, this.#victim.spawnedMs + settledMs - monotonicMs()));
    const answer = await adminRequest(adminSocketPath(this.#survivor.runDir), 'status', {}, 5_000);
    const status = v.safeParse(
      v.object({ nodes: v.array(v.object({ name: v.string(), status: v.string() })) }),
      answer.kind === 'result' ? answer.result : null,
    );
    const seen = status.success ? status.output.nodes.find((node) => node.name === 'node2')?.status : undefined;
    if (seen !== 'active') throw new Error(`the survivor sees its peer as ${seen ?? 'nothing'}`);
  }

  setFault(fault: Fault): void {
    this.#victim.process.kill(fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  }

  death(): Promise<Statement> {
    return new Promise((resolve) => {
      const stream = adminEvents(adminSocketPath(this.#survivor.runDir), (event) => {
        const death = v.safeParse(deathEvent, event);
        if (!death.success) return;
        stream.close();
        const { decidedMs, silentMs, limitMs } = death.output;
        resolve({ decidedMs, overheadMs: silentMs - limitMs });
      });
    });
  }

  async recover(): Promise<void> {
    await endNode(this.#victim, 'SIGKILL');
    this.#victim = this.#start(2);
  }

  async stop(): Promise<void> {
    await endNode(this.#victim, 'SIGKILL');
    await endNode(this.#survivor, 'SIGTERM');
  }
}

class FloorPair implements LoopbackPair {
  readonly #start: (me: 1 | 2) => ChildProcess;
  readonly #deadtimeMs: number;
  readonly #survivor: ChildProcess;
  #victim: ChildProcess;
  #isUp = false;
  #onDeath: ((statement: Statement) => void) | null = null;
  #rest = '';

  /** Compiles the floor. Throws when there is no C compiler. */
  constructor(root: string, port: number, { keepaliveMs, deadtimeMs }: Timing, priority: number | null) {
    const executable = join(root, 'floor');
    execFileSync('gcc', ['-O2', '-o', executable, fileURLToPath(new URL('../peers/floor.c', import.meta.url))]);
    const times = [keepaliveMs, deadtimeMs].map((value) => String(Math.round(value * 1_000)));
    this.#deadtimeMs = deadtimeMs;
    this.#start = (me) =>
      spawn(
        executable,
        [`127.0.0.${me}`, `127.0.0.${me === 1 ? 2 : 1}`, String(port), ...times, String(priority ?? 0)],
        // Real-time scheduling may be refused; the program goes on and says so.
        { stdio: ['ignore', me === 1 ? 'pipe' : 'ignore', 'ignore'] },
      );
    this.#survivor = this.#start(1);
    this.#victim = this.#start(2);
    this.#survivor.stdout?.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [word, time, heard] = line.split(' ');
      this.#isUp = word === 'up' || (word !== 'dead' && this.#isUp);
      if (word !== 'dead') continue;
      const [decidedMs, heardMs] = [Number(time) / 1e6, Number(heard) / 1e6];
      this.#onDeath?.({ decidedMs, overheadMs: decidedMs - heardMs - this.#deadtimeMs });
    }
  }

  async ready(): Promise<void> {
    const deadlineMs = monotonicMs() + 10_000;
    while (!this.#isUp) {
      if (monotonicMs() > deadlineMs) throw new Error('two floor programs did not meet within 10 s');
      await delay(5);
    }
  }

  setFault(fault: Fault): void {
    this.#victim.kill(fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  }

  death(): Promise<Statement> {
    return new Promise((resolve) => {
      this.#onDeath = (statement) => {
        this.#onDeath = null;
        resolve(statement);
      };
    });
  }

  async recover(): Promise<void> {
    await end(this.#victim);
    this.#victim = this.#start(2);
  }

  async stop(): Promise<void> {
    await end(this.#victim);
    await end(this.#survivor);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
