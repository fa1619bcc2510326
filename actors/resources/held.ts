/**
 * Whether a resource is held, judged from what its script's `status` gave.
 */
import type { AgentResult } from '../../plugins/agents/agent.ts';

/**
 * `perhaps` is for a script that printed nothing and exited 0 (LSB: running; but many scripts do just that with a verb they do not know) and
 * for one that did not answer in time: it is started when it should run, and stopped when it should not.
 */
export type Verdict = 'held' | 'not-held' | 'perhaps';

/**
 * Decides from the output, as Heartbeat does, and from the LSB exit code when the script prints nothing.
 *
 * Text first: `not`, a blank and later `running` mean no; else `running`, `Running` or `OK` anywhere mean yes, whatever the exit code says
 * ("is running but broken" is held); any other text means no. Without text the exit code decides: 0 is `perhaps`, anything else no.
 *
 * @see resources.md section 10, `status RESOURCE`
 */
export function heldVerdict(result: Pick<AgentResult, 'exitCode' | 'output' | 'timedOut'>): Verdict {
  if (result.timedOut) return 'perhaps';
  if (/[nN][oO][tT][ \t](?:.|\n)*[rR]unning/.test(result.output)) return 'not-held';
  if (/[rR]unning|OK/.test(result.output)) return 'held';
  return result.output.trim() === '' && result.exitCode === 0 ? 'perhaps' : 'not-held';
}
