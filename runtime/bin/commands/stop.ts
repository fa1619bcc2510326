/** `systole stop` and `systole reload`: ask the running daemon, and wait until it has done it. */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { adminRequest } from '../admin-client.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

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
      say(false, `you may not stop this node: run it as the user that owns ${options.runDir}`);
      return exitCode.permission;
    case 'no-answer':
      say(
        false,
        `the node has not stopped within ${answer.deadlineMs / 1000} s; it goes on stopping: see its log, or give --timeout a longer time`,
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
  while (existsSync(`/proc/${pid}/exe`)) {
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
export async function runReload(options: { runDir: string; json: boolean }, io: Io): Promise<ExitCode> {
  const answer = await adminRequest(adminSocketPath(options.runDir), 'reload', {}, 30_000);
  switch (answer.kind) {
    case 'result':
      io.out(options.json ? `${JSON.stringify(answer.result)}\n` : `${reloadText(answer.result)}\n`);
      return exitCode.ok;
    case 'not-running':
      io.err('systole reload: no daemon is running here\n');
      return exitCode.notRunning;
    case 'not-permitted':
      io.err(`systole reload: you may not: run it as the user that owns ${options.runDir}\n`);
      return exitCode.permission;
    case 'no-answer':
      io.err(`systole reload: no answer within ${answer.deadlineMs / 1000} s\n`);
      return exitCode.general;
    case 'refused':
      io.err(`systole reload: ${answer.message}\n`);
      return exitCode.general;
  }
}

function reloadText(result: unknown): string {
  return typeof result === 'object' && result !== null && 'text' in result && typeof result.text === 'string'
    ? result.text
    : 'reloaded';
}
