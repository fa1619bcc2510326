/**
 * The daemon's end of the companion: starts it, hands it programs, and hears what became of them.
 *
 * ```ts
 * const companion = new Companion({ onMessage, onExit });
 * await companion.start();
 * companion.say({ type: 'start', program });
 * await companion.bye();
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ActorError } from '../../runtime/errors.ts';
import { sibling } from '../../runtime/module-url.ts';
import { encodeLine, LineReader } from '../guardian/protocol.ts';
import type { FromCompanion, ToCompanion } from './protocol.ts';

/** Small heaps: it lives as long as the daemon, and does little. */
const heapFlags = ['--max-old-space-size=32', '--max-semi-space-size=1'];
/** How long it may take to answer [ms]. */
const readyMs = 10_000;
/** How long it may take to leave after `bye` [ms]; it is killed then. */
const byeMs = 2_000;

export interface CompanionEvents {
  onMessage(message: Exclude<FromCompanion, { type: 'ready' }>): void;
  /** It died: the programs are ended by its successor's absence of a pipe, or live on without a keeper. */
  onExit(how: string): void;
}

export class Companion {
  readonly #events: CompanionEvents;
  #child: ChildProcess | null = null;
  #leaving = false;

  constructor(events: CompanionEvents) {
    this.#events = events;
  }

  /** Rejects with ActorError HB_ACTOR_START when it cannot be started. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [...heapFlags, fileURLToPath(sibling(import.meta.url, './companion-main.ts'))],
      {
        // Its own session: what a terminal or a service manager sends to our group must not reach it.
        detached: true,
        stdio: ['pipe', 'pipe', 'ignore'],
        env: process.env,
        cwd: '/',
      },
    );
    this.#child = child;
    const ready = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      ready.reject(startError('it did not answer in time'));
      child.kill('SIGKILL');
    }, readyMs);
    const reader = new LineReader<FromCompanion>();
    child.stdout?.setEncoding('utf8');
    child.stdout?.on('data', (chunk: string) => {
      for (const message of reader.take(chunk)) {
        if (message.type === 'ready') ready.resolve();
        else this.#events.onMessage(message);
      }
    });
    // Writing to one that has just died: its exit is the event that counts.
    child.stdin?.on('error', () => undefined);
    child.once('error', (error) => ready.reject(startError(error.message)));
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      ready.reject(startError(`it ended with ${how}`));
      this.#child = null;
      if (!this.#leaving) this.#events.onExit(how);
    });
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  say(message: ToCompanion): void {
    const stdin = this.#child?.stdin;
    if (stdin?.writable === true) stdin.write(encodeLine(message));
  }

  /** Resolves when it is gone. */
  async bye(): Promise<void> {
    this.#leaving = true;
    const child = this.#child;
    if (child === null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.say({ type: 'bye' });
    const timer = setTimeout(() => child.kill('SIGKILL'), byeMs);
    await gone;
    clearTimeout(timer);
  }
}

function startError(why: string): ActorError {
  return new ActorError('HB_ACTOR_START', `the companion process cannot be used: ${why}`, { actor: 'children' });
}
