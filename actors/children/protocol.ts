/**
 * What the daemon and its companion say to each other: one JSON object a line, over the companion's standard input and output.
 *
 * The companion starts the programs of `respawn` and `failfast` lines. When the daemon's end closes without a `bye`, the daemon is dead.
 */

/** One program to run, by `/bin/sh -c "exec COMMAND"` as Heartbeat does. */
export interface ProgramSpec {
  readonly id: number;
  readonly command: string;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string;
  /** Complete: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
}

export type ToCompanion =
  | { readonly type: 'start'; readonly program: ProgramSpec }
  /** To the whole process group of the program. */
  | { readonly type: 'signal'; readonly id: number; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Restart the machine: the commands are tried in order when the kernel refuses. @field delayMs before it [ms] */
  | { readonly type: 'reboot'; readonly delayMs: number; readonly commands: readonly (readonly string[])[] }
  /** The daemon leaves in order: end. Nothing runs any more. */
  | { readonly type: 'bye' };

export type FromCompanion =
  | { readonly type: 'ready' }
  /** `pid` leads a process group of its own. */
  | { readonly type: 'started'; readonly id: number; readonly pid: number }
  | { readonly type: 'not-started'; readonly id: number; readonly reason: string }
  /** Exactly one of `exitCode` and `signal` is not null. */
  | {
      readonly type: 'ended';
      readonly id: number;
      readonly pid: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
    }
  | { readonly type: 'reboot-failed'; readonly reason: string };
