/**
 * The daemon's end of the guardian: starts it, gives it work, and replaces it when it dies.
 *
 * ```ts
 * const guardian = new GuardianClient({ mode: 'release', environment, log, stopTimeoutMs: 60_000, onWarning });
 * await guardian.start();
 * await guardian.hold({ kind: 'script', id: 'web 0', word: 'web', path: '/etc/init.d/web', args: ['stop'] }); // before the start
 * const result = await guardian.run({ path: '/etc/init.d/web', args: ['start'] }, 60_000);
 * guardian.drop('web 0'); // after a successful stop
 * await guardian.bye(); // stops nothing
 * ```
 *
 * When this process dies without `bye`, the guardian stops what is held.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AgentCommand, AgentResult } from '../../plugins/agents/agent.ts';
import { ActorError } from '../../runtime/errors.ts';
import type { LogTarget } from '../../runtime/log.ts';
import { sibling } from '../../runtime/module-url.ts';
import { type LockResult, lockFile } from '../../runtime/sys/lock.ts';
import type { HeartFd } from '../heart.ts';
import { Inventory } from './inventory.core.ts';
import { Ledger } from './ledger.ts';
import { killGroup } from './operation.ts';
import {
  encodeLine,
  type FromGuardian,
  type GuardianMode,
  type HeldResource,
  LineReader,
  type ToGuardian,
} from './protocol.ts';
import { pulseBoundMs } from './pulse-watch.core.ts';

/** Small heaps: the guardian lives as long as the daemon, and does little. */
const HEAP_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1'];
/** More deaths than this within a minute mean that no guardian can live here. */
const MAX_DEATHS = 5;
const DEATHS_PERIOD_MS = 60_000;
/** Pause before the second replacement, twice that before the third, and so on [ms]. */
const REPLACE_PAUSE_MS = 100;
/** The heart board's place among the guardian's descriptors: behind the three of every program, and the lock. */
const HEART_FD = 4;
/** How long a new guardian may take to answer [ms]. */
const READY_MS = 10_000;
/** How long it may take to leave after `bye` [ms]; it is killed then. */
const BYE_MS = 2_000;
/** Added to an operation's own limit before the guardian itself counts as hung [ms]: TERM, grace, KILL, and a busy machine. */
const ANSWER_GRACE_MS = 15_000;

const defaultReboot = [
  ['/sbin/reboot', '-nf'],
  ['/sbin/init', '6'],
] as const;

export interface GuardianOptions {
  readonly mode: GuardianMode;
  /** The scripts' whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: LogTarget | null;
  /** Limit of each stop when the daemon has died [ms]. */
  readonly stopTimeoutMs: number;
  /** How long addresses wait for the services above them then [ms]; see release.ts. */
  readonly addressGraceMs: number;
  readonly rebootCommands?: readonly (readonly string[])[];
  /** The heart board, by which the guardian sees that the daemon is frozen, and the peers' deadtime [ms]. Without it that goes unseen. */
  readonly pulse?: { readonly heart: HeartFd; readonly deadtimeMs: number };
  /** Reboot when something cannot be stopped after the daemon has died. Default: no. */
  readonly rebootWhenStuck?: boolean;
  /** A file that the guardian holds locked as long as it lives: the next daemon waits until this one has released everything. */
  readonly lockPath?: string;
  /** A guardian died and was replaced. */
  onWarning(text: string): void;
  /** The daemon was frozen and goes on: what it held is released, but for the words in `stuck`. @param silentMs how long it did not beat [ms] */
  onSeized?(silentMs: number, stuck: readonly string[]): void;
  /** The machine could not be restarted. */
  onRebootFailed?(): void;
  /** No guardian can be kept alive: resources cannot be managed any more. */
  onFailure(error: ActorError): void;
}

/** What an operation may be given beside its command. */
interface RunOptions {
  /** Its standard input: for what must not stand in a command line. */
  readonly input?: string;
  /** Kills its process group when it is aborted; the result comes all the same. */
  readonly signal?: AbortSignal;
  /** Called when the program runs. */
  started?(pid: number): void;
}

/** An operation's result; `lost`: the guardian died meanwhile, so it is unknown how far the script came (its process group was killed). */
export type ScriptResult = AgentResult & { readonly lost?: boolean };

interface Pending {
  pid: number | null;
  readonly options: RunOptions;
  readonly timer: NodeJS.Timeout;
  readonly startedMs: number;
  resolve(result: ScriptResult): void;
}

export class GuardianClient {
  readonly #options: GuardianOptions;
  readonly #inventory = new Inventory();
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | null = null;
  #nextId = 1;
  #leaving = false;
  #deathsMs: number[] = [];
  /** Operations that wait for a guardian in place of one that died. */
  readonly #waiting = new Set<() => void>();
  /** Null without a heart board. */
  readonly #ledger: Ledger | null;
  /** What stands in the ledger and has not gone through the pipe. */
  #noted = '';

  /** Throws SystemCallError when the heart board cannot be used. */
  constructor(options: GuardianOptions) {
    this.#options = options;
    this.#ledger = options.pulse === undefined ? null : new Ledger(options.pulse.heart);
  }

  /** The guardian's process id; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Rejects with ActorError HB_ACTOR_START when the guardian cannot be started. */
  async start(): Promise<void> {
    await this.#greet(this.#spawn());
  }

  /** Throws ActorError HB_ACTOR_START when there is not even a process: then no exit will tell. */
  #spawn(): ChildProcess {
    const lock = this.#lock();
    try {
      const child = this.#fork(lock);
      if (lock !== null && child.pid !== undefined) lock.nameHolder(child.pid);
      return child;
    } catch (error) {
      throw startError(error instanceof Error ? error.message : String(error));
    } finally {
      lock?.release();
    }
  }

  #fork(lock: Extract<LockResult, { ok: true }> | null): ChildProcess {
    return spawn(process.execPath, [...HEAP_FLAGS, fileURLToPath(sibling(import.meta.url, './main.ts'))], {
      // Its own session: what a terminal or a service manager sends to our group must not reach it.
      detached: true,
      // The lock's descriptor is inherited and with it the lock; scripts do not get it (Node closes it on exec).
      stdio: ['pipe', 'pipe', 'ignore', lock?.fd ?? 'ignore', this.#options.pulse?.heart ?? 'ignore'],
      env: process.env,
      cwd: '/',
    });
  }

  async #greet(child: ChildProcess): Promise<void> {
    this.#child = child;
    this.#release();
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      ready.reject(startError('it did not answer in time'));
      child.kill('SIGKILL');
    }, READY_MS);
    const reader = new LineReader<FromGuardian>();
    child.stdout?.setEncoding('utf8');
    child.stdout?.on('data', (chunk: string) => {
      for (const message of reader.take(chunk)) {
        if (message.type === 'ready') ready.resolve();
        else this.#onMessage(message);
      }
    });
    // Writing to a guardian that has just died: its exit is the event that counts.
    child.stdin?.on('error', () => undefined);
    child.once('error', (error) => {
      ready.reject(startError(error.message));
      // Never started (no process, no memory): no exit will tell.
      if (child.pid === undefined) this.#onExit(child, error.message);
    });
    // Not `exit`: what it said last, the process groups of its scripts above all, is read first.
    child.once('close', (code, signal) => {
      ready.reject(startError(`it ended with ${signal ?? `exit code ${code}`}`));
      this.#onExit(child, signal ?? `exit code ${code}`);
    });
    const { mode, environment, log, stopTimeoutMs, addressGraceMs, pulse, rebootWhenStuck = false } = this.#options;
    this.#send({
      type: 'hello',
      mode,
      environment,
      log,
      stopTimeoutMs,
      addressGraceMs,
      rebootCommands: this.#options.rebootCommands ?? defaultReboot,
      rebootWhenStuck,
      pulse:
        pulse === undefined
          ? null
          : { fd: HEART_FD, boundMs: pulseBoundMs(pulse.deadtimeMs), deadtimeMs: pulse.deadtimeMs },
      held: this.#inventory.list(),
    });
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #lock(): Extract<LockResult, { ok: true }> | null {
    const { lockPath } = this.#options;
    if (lockPath === undefined) return null;
    const lock = lockFile(lockPath);
    if (!lock.ok) throw startError(`the guardian of an earlier run [pid ${lock.holderPid ?? '?'}] still runs`);
    return lock;
  }

  /** Runs `path args…`, without a shell. Never rejects: see {@link ScriptResult}. @param timeoutMs [ms, > 0] */
  async run(
    { path, args, environment }: AgentCommand,
    timeoutMs: number,
    options: RunOptions = {},
  ): Promise<ScriptResult> {
    await this.#present();
    const id = this.#nextId++;
    const startedMs = performance.now();
    return await new Promise<ScriptResult>((resolve) => {
      const timer = setTimeout(() => this.#child?.kill('SIGKILL'), timeoutMs + ANSWER_GRACE_MS);
      this.#pending.set(id, { pid: null, options, timer, startedMs, resolve });
      options.signal?.addEventListener('abort', () => this.#abort(id), { once: true });
      if (this.#child === null) this.#lose(id, 'there is no guardian');
      else {
        this.#send({
          type: 'run',
          id,
          path,
          args,
          timeoutMs,
          ...(environment === undefined ? {} : { environment }),
          ...(options.input === undefined ? {} : { input: options.input }),
        });
      }
    });
  }

  /**
   * To be awaited before the resources are started: then the guardian has them, whatever happens to us. No promise: they stand in the ledger, or
   * the kernel took them at once.
   */
  hold(...resources: readonly HeldResource[]): Promise<void> | undefined {
    for (const resource of resources) this.#inventory.hold(resource);
    const stdin = this.#child?.stdin;
    // A guardian that died meanwhile gets it with the inventory in its successor.
    if (stdin === null || stdin === undefined || !stdin.writable) return undefined;
    const lines = resources.map((resource) => encodeLine({ type: 'hold', resource })).join('');
    if (this.#ledger?.note(lines) === true) {
      if (this.#noted === '') setImmediate(() => this.#passOnNotes());
      this.#noted += lines;
      return undefined;
    }
    this.#passOnNotes();
    const { promise, resolve } = Promise.withResolvers<void>();
    stdin.write(lines, () => resolve());
    return stdin.writableLength === 0 ? undefined : promise;
  }

  /**
   * Goes the way of {@link hold} without effect: what is noted is struck out at once. Should the daemon die in that moment, something is stopped
   * that does not run.
   */
  rehearse(...resources: readonly HeldResource[]): void {
    // What is still on its way through the pipe must not be struck out with it.
    if (this.#ledger?.read() !== '') return;
    this.#ledger.note(resources.map((resource) => encodeLine({ type: 'hold', resource })).join(''));
    this.#ledger.clear();
  }

  /** Through the pipe, in its order with all else; the ledger is empty again when the kernel has taken it. */
  #passOnNotes(): void {
    const lines = this.#noted;
    const stdin = this.#child?.stdin;
    if (lines === '') return;
    this.#noted = '';
    if (stdin?.writable !== true) {
      this.#ledger?.clear();
      return;
    }
    stdin.write(lines, () => {
      if (this.#noted === '') this.#ledger?.clear();
    });
  }

  /** Something cannot be stopped: the machine is to be restarted at once. */
  reboot(): void {
    this.#send({ type: 'reboot' });
  }

  drop(id: string): void {
    this.#inventory.drop(id);
    this.#send({ type: 'drop', id });
  }

  /** The daemon leaves in order: the guardian ends and stops nothing. Resolves when it is gone. */
  async bye(): Promise<void> {
    this.#leaving = true;
    this.#release();
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.#send({ type: 'bye' });
    const timer = setTimeout(() => child.kill('SIGKILL'), BYE_MS);
    await gone;
    clearTimeout(timer);
  }

  /** Resolves when there is a guardian to speak to, or when there will be none: a death in between must not fail what comes after it. */
  async #present(): Promise<void> {
    if (this.#child !== null || this.#leaving) return;
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      setTimeout(resolve, READY_MS).unref();
    });
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #send(message: ToGuardian): void {
    this.#passOnNotes();
    const stdin = this.#child?.stdin;
    if (stdin?.writable === true) stdin.write(encodeLine(message));
  }

  #onMessage(message: Exclude<FromGuardian, { type: 'ready' }>): void {
    if (message.type === 'seized') {
      this.#options.onSeized?.(message.silentMs, message.stuck);
      return;
    }
    if (message.type === 'reboot-failed') {
      this.#options.onRebootFailed?.();
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if (message.type === 'started') {
      pending.pid = message.pid;
      pending.options.started?.(message.pid);
      if (pending.options.signal?.aborted === true) killGroup(message.pid, 'SIGKILL');
      return;
    }
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    const { exitCode, output, timedOut, durationMs } = message;
    pending.resolve({ exitCode, output, timedOut, durationMs });
  }

  #onExit(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = null;
    for (const id of [...this.#pending.keys()]) this.#lose(id, `the guardian died (${how})`);
    if (!this.#leaving) this.#onDeath(how);
  }

  /** One guardian less, or none in its place: the next one is tried, until there were too many. */
  #onDeath(how: string): void {
    const now = performance.now();
    this.#deathsMs = [...this.#deathsMs.filter((at) => now - at < DEATHS_PERIOD_MS), now];
    if (this.#deathsMs.length > MAX_DEATHS) {
      this.#surrender(startError(`it died ${this.#deathsMs.length} times within a minute, last by ${how}`));
      return;
    }
    this.#options.onWarning(`The guardian died (${how}). Starting a new one.`);
    // The first one comes at once; what kills or refuses them all gets a little time to pass.
    setTimeout(() => void this.#replace(), (this.#deathsMs.length - 1) * REPLACE_PAUSE_MS);
  }

  async #replace(): Promise<void> {
    if (this.#leaving) return;
    let child: ChildProcess;
    try {
      child = this.#spawn();
    } catch (error) {
      // The lock is still held, or there is no room for a process: it counts as one more death, and is tried again.
      this.#onDeath(error instanceof Error ? error.message : String(error));
      return;
    }
    // One that starts and fails has an exit, which is one more death.
    await this.#greet(child).catch(() => undefined);
  }

  /** The daemon is about to end, and somebody has to stop what it holds: one more guardian is tried, for that alone. */
  #surrender(why: ActorError): void {
    this.#leaving = true;
    this.#release();
    this.start()
      .catch(() => undefined)
      .finally(() => this.#options.onFailure(why));
  }

  /** One that has not started yet is killed when it does. */
  #abort(id: number): void {
    killGroup(this.#pending.get(id)?.pid ?? undefined, 'SIGKILL');
  }

  #lose(id: number, why: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    // The script lives on without its guardian: nobody would stop it when its time is over.
    killGroup(pending.pid ?? undefined, 'SIGKILL');
    pending.resolve({
      exitCode: 1,
      output: why,
      timedOut: false,
      durationMs: performance.now() - pending.startedMs,
      lost: true,
    });
  }
}

function startError(why: string): ActorError {
  return new ActorError('HB_ACTOR_START', `the guardian process cannot be used: ${why}`, { actor: 'guardian' });
}
