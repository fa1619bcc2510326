/** `systole standby` and `systole takeover`: hand resources over on purpose, and say what became of it. */
import * as v from 'valibot';
import { adminRequest, hung, lostConnection, notPermitted } from '../admin-client.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

export interface HandoverOptions {
  readonly command: 'standby' | 'takeover';
  /** `failback`: the groups that prefer the other node (standby), or this one (takeover). */
  readonly set: 'all' | 'foreign' | 'local' | 'failback';
  readonly runDir: string;
  /** Return when the resources run on the other side, not when the handover was agreed to begin. */
  readonly wait: boolean;
  readonly json: boolean;
  /** How long to wait for the answer [ms]. */
  readonly timeoutMs: number;
}

const answerOf = v.object({ stage: v.picklist(['accepted', 'done']), text: v.string() });

/**
 * Asks the running node.
 *
 * @returns 0 begun (with `wait`: done), 1 refused, failed or no answer in time, 3 not running, 4 not permitted
 */
export async function runHandover(options: HandoverOptions, io: Io): Promise<ExitCode> {
  const { command, set, wait, runDir, timeoutMs } = options;
  const answer = await adminRequest(adminSocketPath(runDir), command, { set, wait }, timeoutMs);
  const say = (outcome: string, text: string, code: ExitCode, prefix = ''): ExitCode => {
    if (options.json) io.out(`${JSON.stringify({ outcome, set, text })}\n`);
    else if (code === exitCode.ok) io.out(`${text}\n`);
    else io.err(`systole ${command}: ${prefix}${text}\n`);
    return code;
  };
  switch (answer.kind) {
    case 'result': {
      const { stage, text } = v.parse(answerOf, answer.result);
      return say(stage, stage === 'accepted' ? `${text} (--wait waits until it is done)` : text, exitCode.ok);
    }
    case 'refused':
      return answer.code === 'HB_OPERATOR_FAILED'
        ? say('failed', answer.message, exitCode.general, 'not done: ')
        : say('refused', answer.message, exitCode.general, 'refused: ');
    case 'not-running':
      return say('not-running', 'heartbeat is stopped. No process', exitCode.notRunning);
    case 'lost':
      return say('lost', lostConnection, exitCode.general);
    case 'not-permitted':
      return say('not-permitted', notPermitted(command, runDir), exitCode.permission);
    case 'no-answer':
      return say(
        'timed-out',
        wait
          ? `not done within ${answer.deadlineMs / 1_000} s; it goes on: systole status tells how far it is`
          : hung(runDir, answer.deadlineMs),
        exitCode.general,
      );
  }
}
