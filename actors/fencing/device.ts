/**
 * A fencing device as a program to run: what is started for a reset or a status, and what its exit code means.
 *
 * There are two kinds: types of cluster-glue, run by its `stonith` command (stonith-command.ts), and fence agents (fence-agent.ts). Both get
 * their parameters through standard input, where no other user of the machine sees them.
 */
import type { AgentResult } from '../../plugins/agents/agent.ts';
import type { NodeName } from '../../runtime/units.ts';
import type { DeviceInfo, Verdict } from './types.ts';

export type DeviceAction = 'reset' | 'status';

/** One operation as it is run, without a shell. */
export interface DeviceCommand {
  readonly path: string;
  readonly args: readonly string[];
  /** Standard input; holds the parameters. */
  readonly input: string;
}

export interface FencingDevice extends DeviceInfo {
  /**
   * What is to be run; files are read now, so that a changed password counts from the next operation on.
   *
   * @param node the node to reset, or whose outlet is asked for its status; null: none is known
   * @returns a text instead when it cannot be run; it shows no parameter
   */
  command(action: DeviceAction, node: NodeName | null): DeviceCommand | { readonly problem: string };
  verdict(action: DeviceAction, result: AgentResult): Verdict;
  /** Takes every parameter that may be secret out of what the program printed. */
  conceal(output: string): string;
  /** Whether the device waits for a human: then an operation has no time limit to speak of. */
  readonly waitsForHuman: boolean;
}

/** Words shorter than this are left alone: they hide nothing, and the text would become unreadable. */
const minSecretLength = 3;

/** Replaces each of the words in a text by `***`, longest first. */
export function concealWords(text: string, words: readonly string[]): string {
  const secret = words.filter((word) => word.length >= minSecretLength).toSorted((a, b) => b.length - a.length);
  return secret.reduce((result, word) => result.replaceAll(word, '***'), text);
}
