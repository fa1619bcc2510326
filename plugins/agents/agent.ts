/**
 * The contract of a resource agent: what the resource engine asks of the built-in address agents and of programs alike.
 */

/** What one operation gave. Expected outcomes (also failures) are values; an agent throws only for a defect of its own. */
export interface AgentResult {
  /** 0 is success, as for a script's exit status; built-in agents use the OCF numbers (1 generic, 2 arguments, 4 privilege, 6 configuration, 7 not running). */
  readonly exitCode: number;
  /** Everything printed, standard output and error in order, at most 64 KiB (the end is kept). */
  readonly output: string;
  /** Set when the operation did not end by itself. */
  readonly timedOut: boolean;
  /** How long it took [ms]. */
  readonly durationMs: number;
}

export type AgentAction = 'start' | 'stop' | 'status';

/**
 * Whether a resource is held, judged from what its agent's `status` gave.
 *
 * `perhaps`: it cannot be told; the resource is started when it should run, and stopped when it should not.
 */
export type Verdict = 'held' | 'not-held' | 'perhaps';

/** The kinds of programs: each has its own way to be called and to be understood; see programs.ts. */
export type ProgramKind = 'resource.d' | 'lsb' | 'ocf' | 'systemd';

/** A program that stands behind a resource. */
export interface AgentProgram {
  readonly agent: ProgramKind;
  /** Absolute path of what is run. */
  readonly path: string;
  /** The resource's own arguments: before the action, but for systemd (then: the unit). */
  readonly args: readonly string[];
  /** Added to the environment of all scripts. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** One operation as it is run: without a shell, arguments as they are. */
export interface AgentCommand {
  readonly path: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Names in haresources of the built-in address agents. */
export type AddressScript = 'IPaddr' | 'IPaddr2' | 'IPv6addr';

/** What became of one address that was set together with others. */
export interface AheadResult {
  /** What `status` said before, and what `start` gave (only where status denied it). Each writes its lines to the log when it is asked. */
  status(): AgentResult;
  start(): AgentResult;
}

/** Addresses that are to be set in one go, as far as nothing stands in the way; nothing is set yet. */
export interface StartAhead {
  /** How many of those asked for, from the first on. */
  readonly count: number;
  /**
   * Sets them and announces them. One that is refused does not keep those of the same message back; nothing is said, and nothing was done, of
   * those after them. Null: it must not be done any more.
   */
  carryOut(): readonly AheadResult[] | null;
}
