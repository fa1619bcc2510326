/** How an operation of a built-in agent ends, in the words that the original's wrapper prints. */
import type { AgentAction } from './agent.ts';

/** An exit code, and why when it is a failure. */
export interface Ending {
  readonly exitCode: number;
  readonly reason?: string;
}

export const done: Ending = { exitCode: 0 };

/** What a script's wrapper prints for an exit code (two blanks, as the original). */
const resultLines: Readonly<Record<number, string>> = {
  0: 'INFO:  Success',
  1: 'ERROR:  Generic error',
  2: 'ERROR:  Illegal argument',
  4: 'ERROR:  User had insufficient privilege',
  6: 'ERROR:  Program is not configured',
  7: 'INFO:  Resource is stopped',
};

export function resultLine(action: AgentAction, exitCode: number): string {
  if (action === 'status' && exitCode === 0) return 'INFO:  Running OK';
  return resultLines[exitCode] ?? `ERROR:  Unknown error: ${exitCode}`;
}

/** Exit code 4 for a missing right, else 1. @param what as in "cannot add 10.0.0.1/24 to eth0" */
export function failedBy(errno: string, what: string): Ending {
  const missingRight = errno === 'EPERM' || errno === 'EACCES';
  return {
    exitCode: missingRight ? 4 : 1,
    reason: `ERROR: cannot ${what}: ${errno}${missingRight ? ': run as root, or with CAP_NET_ADMIN and CAP_NET_RAW' : ''}`,
  };
}
