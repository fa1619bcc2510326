/** `systole stop` and `systole reload`: ask the running daemon, and wait until it has done it. */
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { adminRequest, hung, notPermitted } from '../admin-client.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { processExists } from '../process.ts';

export interface StopOptions {
  readonly runDir: string;
  readonly json: boolean;
  /** How long to wait for the daemon to be gone [ms]; the scripts' own stop times count. */
  readonly timeoutMs: number;
}

/**
 * Graceful stop: the daemon gives its resources up, tells its peers, and ends.
 *
 * @returns 0 when it is gone, also when none was running (as the original); 1 when it refused or did not end in time; 4 when not permitted
 */
export async function runStop(options: StopOptions, io: Io): Promise<ExitCode> {
  const answer = await adminRequest(adminSocketPath(options.runDir), 'stop', { wait: true }, options.timeoutMs);
  const say = (stopped: boolean, text: string): void => {
    if (options.json) io.out(`${JSON.stringify({ stopped, text })}\n`);
    else if (stopped) io.out(`${text}\n`);
    else io.err(`systole stop: ${text}\n`);
  };
  switch (answer.kind) {
    case 'not-running':
      say(true, 'Heartbeat already stopped.');
      return exitCode.ok;
    case 'result':
      if (!(await processGone(answer.result, options.timeoutMs))) {
        say(false, 'resources are released, but the process has not ended: see its log');
        return exitCode.general;
      }
      say(true, 'Heartbeat stopped: resources are released.');
      return exitCode.ok;
    case 'not-permitted':
      say(false, notPermitted('stop', options.runDir));
      return exitCode.permission;
    case 'no-answer':
      say(
        false,
        `the node has not stopped within ${answer.deadlineMs / 1000} s: its scripts take longer (give --timeout more time), or it hangs (systole status tells): see its log`,
      );
      return exitCode.general;
    case 'refused':
      say(false, answer.message);
      return exitCode.general;
  }
}

const stopped = v.object({ pid: v.number() });

/** Waits until the process of the answer has ended. @returns false when it has not within the deadline [ms] */
async function processGone(result: unknown, deadlineMs: number): Promise<boolean> {
  const { pid } = v.parse(stopped, result);
  const end = performance.now() + deadlineMs;
  while (processExists(pid)) {
    if (performance.now() > end) return false;
    await delay(10);
  }
  return true;
}

/**
 * Reload without a change of state: authkeys are read again and used from the next packet on; a changed ha.cf is checked.
 *
 * @returns 0 done, 1 refused (the running daemon is untouched), 3 not running, 4 not permitted
 */
export async function runReload(
  options: { runDir: string; json: boolean; timeoutMs: number },
  io: Io,
): Promise<ExitCode> {
  const answer = await adminRequest(adminSocketPath(options.runDir), 'reload', {}, options.timeoutMs);
  const trouble = (text: string, code: ExitCode): ExitCode => {
    if (options.json) io.out(`${JSON.stringify({ reloaded: false, text })}\n`);
    else io.err(`systole reload: ${text}\n`);
    return code;
  };
  switch (answer.kind) {
    case 'result':
      io.out(
        options.json
          ? `${JSON.stringify({ reloaded: true, text: reloadText(answer.result) })}\n`
          : `${reloadText(answer.result)}\n`,
      );
      return exitCode.ok;
    case 'not-running':
      return trouble('heartbeat is stopped. No process', exitCode.notRunning);
    case 'not-permitted':
      return trouble(notPermitted('reload', options.runDir), exitCode.permission);
    case 'no-answer':
      return trouble(hung(options.runDir, answer.deadlineMs), exitCode.general);
    case 'refused':
      return trouble(answer.message, exitCode.general);
  }
}

function reloadText(result: unknown): string {
  return typeof result === 'object' && result !== null && 'text' in result && typeof result.text === 'string'
    ? result.text
    : 'reloaded';
}
