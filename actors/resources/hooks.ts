/**
 * Runs the event scripts of rc.d, one at a time and beside everything else: no takeover ever waits for one, and none is waited for at a stop.
 */
import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentCommand } from '../../plugins/agents/agent.ts';
import type { Severity } from '../../runtime/log.ts';
import type { OperationResult } from './engine.ts';
import { type HookEvent, type HookSurroundings, hookEnvironment, isOwnScript } from './hooks.core.ts';

export interface HooksOptions {
  readonly configDir: string;
  surroundings(): HookSurroundings;
  /** Never rejects. */
  run(command: AgentCommand): Promise<OperationResult>;
  /** `tag` is a script's tag; without it the line is the daemon's own. */
  log(severity: Severity, text: string, tag?: string): void;
  /** A defect of our own. */
  broken(error: Error): void;
}

/** Events that may wait; a script that hangs must not fill the memory. */
const maxWaiting = 256;

export class Hooks {
  readonly #options: HooksOptions;
  readonly #waiting: { readonly event: HookEvent; readonly surroundings: HookSurroundings }[] = [];
  /** File names in rc.d when the first event came: later additions are not seen, as in the original. */
  #names: Promise<ReadonlySet<string>> | null = null;
  #working = false;
  #lost = 0;

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /** Queues the scripts of an event; returns at once. */
  offer(event: HookEvent): void {
    if (this.#waiting.length >= maxWaiting) {
      this.#lost += 1;
      if (this.#lost === 1)
        this.#options.log(
          'ERROR',
          `${maxWaiting} events wait for their scripts in rc.d: later ones are lost until that changes.`,
        );
      return;
    }
    this.#lost = 0;
    this.#waiting.push({ event, surroundings: this.#options.surroundings() });
    if (this.#working) return;
    this.#working = true;
    this.#work().catch((error: unknown) =>
      this.#options.broken(error instanceof Error ? error : new Error(String(error))),
    );
  }

  async #work(): Promise<void> {
    const { configDir } = this.#options;
    this.#names ??= namesIn(join(configDir, 'rc.d'));
    const names = await this.#names;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { event, surroundings } = next;
      const { type } = event;
      const environment = hookEnvironment(event, surroundings);
      const rcDir = `${configDir.replace(/\/$/, '')}//rc.d`;
      if (names.has(type) && isOwnScript(type)) await this.#run(`${rcDir}/${type}`, type, environment);
      if (!names.has(`${type}.d`)) continue;
      for (const name of [...(await namesIn(`${rcDir}/${type}.d`))].toSorted())
        await this.#run(`${rcDir}/${type}.d/${name}`, type, environment);
    }
    this.#working = false;
  }

  async #run(path: string, type: string, environment: Readonly<Record<string, string>>): Promise<void> {
    const { log, run } = this.#options;
    if (!(await isProgram(path))) return;
    log('info', `info: Running ${path} ${type}`, 'harc(default)');
    const result = await run({ path, args: [type], environment });
    for (const line of result.output.split('\n')) if (line.trim() !== '') log('debug', line.trimEnd());
    if (result.timedOut)
      log(
        'ERROR',
        `ERROR: ${path} did not finish within ${Math.round(result.durationMs)} ms and was killed`,
        'harc(default)',
      );
    else if (result.exitCode !== 0) log('debug', `${path} ${type} ended with exit code ${result.exitCode}`);
  }
}

async function namesIn(directory: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(directory));
  } catch (error) {
    // Not there (which is usual), or not to be read: nothing is run then.
    if (error instanceof Error && 'code' in error) return new Set();
    throw error;
  }
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Not there, or not executable: both mean that nothing is to be run.
    return false;
  }
}
