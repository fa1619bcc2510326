/**
 * What the daemon and its guardian say to each other: one JSON object a line, over the guardian's standard input and output.
 *
 * The daemon speaks first (`hello`). When the daemon's end closes without a `bye`, the daemon is dead.
 */
import type { AddressScript } from '../../plugins/agents/agent.ts';
import type { LogTarget } from '../../runtime/log.ts';

/** One resource that runs or is being started: enough to stop it without the daemon. */
export type HeldResource =
  | {
      readonly kind: 'script';
      /** Unique: the group's key and the place in the group. */
      readonly id: string;
      readonly word: string;
      readonly path: string;
      /** Of its stop, complete. */
      readonly args: readonly string[];
      /** Added to the scripts' environment. */
      readonly environment?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'address';
      readonly id: string;
      readonly word: string;
      readonly script: AddressScript;
      readonly path: string;
      readonly args: readonly string[];
    };

/** What the guardian does when the daemon died: own directive `guardian`. */
export type GuardianMode = 'release' | 'reboot' | 'off';

/** How the guardian sees whether the daemon beats; times as in pulse-watch.core.ts. */
export interface PulseOrder {
  /** The heart board: the descriptor's number in the guardian. */
  readonly fd: number;
  readonly boundMs: number;
  readonly deadtimeMs: number;
}

export type ToGuardian =
  | {
      readonly type: 'hello';
      readonly mode: GuardianMode;
      /** For the scripts: complete, nothing is inherited. */
      readonly environment: Readonly<Record<string, string>>;
      /** Null: nothing is logged. */
      readonly log: LogTarget | null;
      /** For each stop of a release [ms, > 0]. */
      readonly stopTimeoutMs: number;
      /** How long addresses wait for the services above them [ms, >= 0]. */
      readonly addressGraceMs: number;
      /** Tried in order until one starts, in mode `reboot`. */
      readonly rebootCommands: readonly (readonly string[])[];
      /** Null: it is only watched whether the daemon's end of the pipe is open. */
      readonly pulse: PulseOrder | null;
      /** Reboot when something cannot be stopped after the daemon has died: the other node takes it over. */
      readonly rebootWhenStuck: boolean;
      /** What is held already: not empty when this guardian replaces one that died. */
      readonly held: readonly HeldResource[];
    }
  /** Runs `path args…`; answered by `started` and `result`. @field timeoutMs [ms, > 0] @field environment added to that of `hello` @field input its standard input */
  | {
      readonly type: 'run';
      readonly id: number;
      readonly path: string;
      readonly args: readonly string[];
      readonly environment?: Readonly<Record<string, string>>;
      /** For what must not stand in a command line; without it there is no standard input. */
      readonly input?: string;
      readonly timeoutMs: number;
    }
  /** Said before the resource is started. */
  | { readonly type: 'hold'; readonly resource: HeldResource }
  /** Said after it is stopped for certain. */
  | { readonly type: 'drop'; readonly id: string }
  /** Something cannot be stopped: restart the machine. Answered by `reboot-failed` when it goes on. */
  | { readonly type: 'reboot' }
  /** The daemon leaves in order: end, and stop nothing. */
  | { readonly type: 'bye' };

export type FromGuardian =
  | { readonly type: 'ready' }
  /** The daemon did not beat for so long [ms]: everything it held is released, but for the words in `stuck`. */
  | { readonly type: 'seized'; readonly silentMs: number; readonly stuck: readonly string[] }
  | { readonly type: 'reboot-failed' }
  /** `pid` leads a process group of its own. */
  | { readonly type: 'started'; readonly id: number; readonly pid: number }
  | {
      readonly type: 'result';
      readonly id: number;
      readonly exitCode: number;
      readonly output: string;
      readonly timedOut: boolean;
      readonly durationMs: number;
    };

/** One message as a line: what {@link LineReader} reads. */
export function encodeLine<M extends { readonly type: string }>(message: M): string {
  return `${JSON.stringify(message)}\n`;
}

/**
 * Cuts a byte stream into messages. Both ends are our own program of one version, so the shape is trusted once `type` is there.
 *
 * A line that is no message throws SyntaxError or TypeError: one end is broken.
 */
export class LineReader<M extends { readonly type: string }> {
  #rest = '';

  /** @param chunk decoded text: the stream must decode UTF-8 across chunks */
  take(chunk: string): readonly M[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map((line) => {
      const value: unknown = JSON.parse(line);
      if (typeof value !== 'object' || value === null || !('type' in value))
        throw new TypeError(`no message: ${line.slice(0, 80)}`);
      return value as M;
    });
  }
}
