/**
 * The contract of a resource agent: what the resource engine asks of the built-in address agent and of scripts alike.
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
