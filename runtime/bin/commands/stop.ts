/** `systole stop` and `systole reload`: ask the running daemon, and wait until it has done it. */
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { type AdminAnswer, adminRequest, hung, lostConnection, notPermitted, runningPid } from '../admin-client.ts';
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
 * @returns 0 when it is gone with everything released, also when none was running (as the original); 1 when something could not be stopped, or it
 *   refused, was lost on the way or did not end in time; 4 when not permitted
 */
export async function runStop(options: StopOptions, io: Io): Promise<ExitCode> {
  const pid = runningPid(options.runDir);
  const answer = await askToStop(options, pid);
  const say = (stopped: boolean, text: string): void => {
    if (options.json) io.out(`${JSON.stringify({ stopped, text })}\n`);
    else if (stopped) io.out(`${text}\n`);
    else io.err(`systole stop: ${text}\n`);
  };
  switch (answer.kind) {
    case 'not-running':
      if (pid !== null && processExists(pid)) {
        say(false, `the daemon (pid ${pid}) runs, but nobody answers at its socket: kill -TERM ${pid} stops it too`);
        return exitCode.general;
      }
      say(true, 'Heartbeat already stopped.');
      return exitCode.ok;
    case 'result': {
      const result = v.parse(stopped, answer.result);
      if (!(await gone(result.pid, options.timeoutMs))) {
        say(false, `${released(result.stuck)}, but the process has not ended: see its log`);
        return exitCode.general;
      }
      if (result.stuck.length > 0) {
        say(
          false,
          `Heartbeat has ended, but ${result.stuck.join(', ')} could not be stopped and may still run: stop it by hand, or reboot this machine. The other node was not told to take it.`,
        );
        return exitCode.general;
      }
      say(true, 'Heartbeat stopped: resources are released.');
      return exitCode.ok;
    }
    case 'lost':
      if (pid !== null && processExists(pid)) say(false, `${lostConnection}; the process (pid ${pid}) is still there`);
      else say(false, `${lostConnection}. It is gone; its guardian releases what it held`);
      return exitCode.general;
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

/**
 * A daemon that is just ending has no socket any more, and one that begins anew (the same process) has none yet: that one is asked again, or it
 * would come up behind the back of whoever has stopped it.
 */
async function askToStop({ runDir, timeoutMs }: StopOptions, pid: number | null): Promise<AdminAnswer> {
  const end = performance.now() + Math.min(timeoutMs, comingUpMs);
  let wasLost = false;
  for (;;) {
    const said = await adminRequest(adminSocketPath(runDir), 'stop', { wait: true }, timeoutMs);
    wasLost ||= said.kind === 'lost';
    const answer: AdminAnswer = wasLost && said.kind === 'not-running' ? { kind: 'lost' } : said;
    const nobody = answer.kind === 'not-running' || answer.kind === 'lost';
    if (!nobody || pid === null || !processExists(pid) || performance.now() > end) return answer;
    await delay(100);
  }
}

const stopped = v.object({ pid: v.number(), stuck: v.optional(v.array(v.string()), []) });

/** How long a process may be without a socket: a daemon that ends, or comes up on a busy machine [ms]. */
const comingUpMs = 30_000;

const released = (stuck: readonly string[]): string =>
  stuck.length === 0 ? 'resources are released' : `resources are released but ${stuck.join(', ')}`;

/** Waits until a process has ended. @returns false when it has not within the deadline [ms] */
async function gone(pid: number, deadlineMs: number): Promise<boolean> {
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
    case 'lost':
      return trouble(lostConnection, exitCode.general);
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
