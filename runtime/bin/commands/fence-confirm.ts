/** `systole fence-confirm`: an operator's word that a node which cannot be fenced is switched off. */
import * as v from 'valibot';
import { adminRequest, hung, lostConnection, notPermitted } from '../admin-client.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

export interface FenceConfirmOptions {
  readonly node: string;
  /** Do not ask: the operator has read the warning before. */
  readonly yes: boolean;
  readonly runDir: string;
  readonly json: boolean;
  /** How long to wait for the answer [ms]. */
  readonly timeoutMs: number;
  /** Shows a question and gives the line that is typed; null when nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | null;
}

const answerOf = v.object({ text: v.string() });

function warning(node: string): string {
  return `WARNING: this node will take the resources of ${node} at once, on your word alone.
If ${node} still runs, both nodes will write to the same disks and answer for the same addresses, and DATA WILL BE LOST.
Go and look: ${node} must be switched off (no power), or certainly cut off from everything it shares.
That it does not answer to ping or ssh is no proof.
`;
}

/**
 * Asks the operator for the node's name, and tells the running daemon.
 *
 * @returns 0 taken, 1 refused (nothing is being fenced, or another node is), 2 not confirmed, 3 not running, 4 not permitted
 */
export async function runFenceConfirm(options: FenceConfirmOptions, io: Io): Promise<ExitCode> {
  const { node, runDir, timeoutMs } = options;
  const say = (outcome: string, text: string, code: ExitCode): ExitCode => {
    if (options.json) io.out(`${JSON.stringify({ outcome, node, text })}\n`);
    else if (code === exitCode.ok) io.out(`${text}\n`);
    else io.err(`systole fence-confirm: ${text}\n`);
    return code;
  };
  if (!options.yes) {
    io.err(warning(node));
    if (options.ask === null) return say('not-confirmed', 'add --yes to confirm without a terminal', exitCode.usage);
    const typed = await options.ask(`Type the name of the node that is switched off to go on: `);
    if (typed.trim().toLowerCase() !== node.toLowerCase())
      return say('not-confirmed', 'not confirmed: nothing was changed', exitCode.usage);
  }
  const answer = await adminRequest(adminSocketPath(runDir), 'fence-confirm', { node }, timeoutMs);
  switch (answer.kind) {
    case 'result':
      return say('confirmed', v.parse(answerOf, answer.result).text, exitCode.ok);
    case 'refused':
      return say('refused', answer.message, exitCode.general);
    case 'not-running':
      return say('not-running', 'heartbeat is stopped. No process', exitCode.notRunning);
    case 'lost':
      return say('lost', lostConnection, exitCode.general);
    case 'not-permitted':
      return say('not-permitted', notPermitted('command', runDir), exitCode.permission);
    case 'no-answer':
      return say('timed-out', hung(runDir, answer.deadlineMs), exitCode.general);
  }
}
