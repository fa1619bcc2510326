/**
 * How the kinds of programs are called, and what their `status` means. Pure.
 *
 * | kind         | start, stop                       | status                | runs                                                   |
 * | ------------ | --------------------------------- | --------------------- | ------------------------------------------------------ |
 * | `resource.d` | `PATH ARGS… start`, 0 is success  | `PATH ARGS… status`   | by what is printed (Heartbeat's rule)                  |
 * | `lsb`        | `PATH ARGS… start`, 0 is success  | `PATH ARGS… status`   | the same; exit code 0 with any other text is `perhaps` |
 * | `ocf`        | `PATH start`, parameters in the environment | `PATH monitor` | exit code: 0, 8, 9 run; 7 (and 2, 5, 6: nothing can run) do not |
 * | `systemd`    | `systemctl start UNIT`            | `systemctl is-active UNIT` | the word it prints                                 |
 */
import type { AgentAction, AgentCommand, AgentProgram, AgentResult, Verdict } from './agent.ts';

/** The command of one operation. */
export function commandOf(program: AgentProgram, action: AgentAction): AgentCommand {
  const { path, environment } = program;
  const args = argumentsOf(program, action);
  return environment === undefined ? { path, args } : { path, args, environment };
}

function argumentsOf({ agent, args }: AgentProgram, action: AgentAction): readonly string[] {
  if (agent === 'systemd') return [action === 'status' ? 'is-active' : action, ...args];
  return [...args, agent === 'ocf' && action === 'status' ? 'monitor' : action];
}

/** What the log shows of an operation. Parameters of OCF agents are not shown: some are passwords. */
export function commandLine(program: AgentProgram, action: AgentAction): string {
  const { path, args } = commandOf(program, action);
  const instance = program.environment?.OCF_RESOURCE_INSTANCE;
  return [path, ...args].join(' ') + (instance === undefined ? '' : ` (${instance})`);
}

/** Whether trying again can help. OCF 2 to 6: parameters, rights, or the program itself are wrong, and will be at the next try. */
export function isFinal({ agent }: Pick<AgentProgram, 'agent'>, { exitCode }: Pick<AgentResult, 'exitCode'>): boolean {
  return agent === 'ocf' && exitCode >= 2 && exitCode <= 6;
}

/** Judges the result of `status`. One that did not end in time tells nothing. */
export function verdictOf({ agent }: Pick<AgentProgram, 'agent'>, result: StatusResult): Verdict {
  if (result.timedOut) return 'perhaps';
  switch (agent) {
    case 'resource.d':
      return textVerdict(result);
    case 'lsb':
      return lsbVerdict(result);
    case 'ocf':
      return ocfVerdict(result.exitCode);
    case 'systemd':
      return systemdVerdict(result.output);
  }
}

type StatusResult = Pick<AgentResult, 'exitCode' | 'output' | 'timedOut'>;

/**
 * Decides from the output, as Heartbeat does, and from the LSB exit code when the script prints nothing.
 *
 * Text first: `not`, a blank and later `running` mean no; else `running`, `Running` or `OK` anywhere mean yes, whatever the exit code says
 * ("is running but broken" is held); any other text means no. Without text the exit code decides: 0 is `perhaps` (LSB: running; but many
 * scripts do just that with a verb they do not know), anything else no.
 *
 * @see resources.md section 10, `status RESOURCE`
 */
export function textVerdict(result: StatusResult): Verdict {
  if (result.timedOut) return 'perhaps';
  if (/[nN][oO][tT][ \t](?:.|\n)*[rR]unning/.test(result.output)) return 'not-held';
  if (/[rR]unning|OK/.test(result.output)) return 'held';
  return result.output.trim() === '' && result.exitCode === 0 ? 'perhaps' : 'not-held';
}

/** Words by which scripts say, often with exit code 0 against the standard, that nothing runs. */
const denials = /\b(?:not|no|stopped|dead|down|inactive|failed|unknown|usage)\b/i;

/** An init script that words it in its own way, but says 0, may well run: Heartbeat started it again each time and never stopped it. */
function lsbVerdict(result: StatusResult): Verdict {
  const verdict = textVerdict(result);
  return verdict === 'not-held' && result.exitCode === 0 && !denials.test(result.output) ? 'perhaps' : verdict;
}

/**
 * OCF 1.0: 0 runs, 7 is stopped; 8 runs as promoted, 9 is a failed promoted one. 2, 5 and 6: the agent, its program or its parameters are
 * not usable on this node, so that nothing of it can run here. Anything else is a failure that tells nothing.
 */
function ocfVerdict(exitCode: number): Verdict {
  if (exitCode === 0 || exitCode === 8 || exitCode === 9) return 'held';
  return [2, 5, 6, 7].includes(exitCode) ? 'not-held' : 'perhaps';
}

/** `ActiveState` of the unit. While it changes, or when systemd does not answer, nothing is sure. */
function systemdVerdict(output: string): Verdict {
  const word = output.trim().split('\n').at(-1)?.trim();
  if (word === 'active' || word === 'reloading' || word === 'refreshing') return 'held';
  return word === 'inactive' || word === 'failed' || word === 'unknown' ? 'not-held' : 'perhaps';
}
