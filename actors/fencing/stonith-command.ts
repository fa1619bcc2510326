/**
 * Devices of cluster-glue: `stonith -t TYPE -F FILE -T reset NODE`. All its types work so, built-in ones and `external/…` plugins.
 *
 * The parameters of a `stonith_host` line are given as the file /dev/stdin: the command reads a file with the syntax of the line. It opens
 * that file anew, which no socket allows, and a socket is what Node gives a child as its input: `cat` makes a pipe of it. What the command
 * has to say goes to the log that `HA_logfile` and `HA_logfacility` of the environment name, which is ours.
 */
import type { NodeName } from '../../runtime/units.ts';
import { concealWords, type DeviceAction, type DeviceCommand, type FencingDevice } from './device.ts';

/** Exit codes of `stonith` (resources.md section 11). */
const stonithExit = { ok: 0, badHost: 4 } as const;

interface StonithCommandOptions {
  readonly id: string;
  readonly type: string;
  /** Null: the parameters stand in the line. */
  readonly file: string | null;
  /** The parameters: of the line, or what the file holds now. */
  parameters(): string;
  /** Names that may be shown although they stand among the parameters. */
  readonly nodes: readonly NodeName[];
  /** Path of the `stonith` command. */
  readonly program: string;
}

export function stonithCommandDevice(options: StonithCommandOptions): FencingDevice {
  const { id, type, file, nodes, program } = options;
  return {
    id,
    // Its list of hosts is one parameter among others; the device itself refuses the hosts that it does not control.
    targets: null,
    command(action: DeviceAction, node: NodeName | null): DeviceCommand | { readonly problem: string } {
      const what = action === 'status' ? ['-S'] : node === null ? null : ['-T', 'reset', node];
      if (what === null) return { problem: 'no node to reset' };
      const args = ['-s', '-t', type, '-F', file ?? '/dev/stdin', ...what];
      if (file !== null) return { path: program, args, input: '' };
      return {
        path: '/bin/sh',
        args: ['-c', 'cat | exec "$0" "$@"', program, ...args],
        input: `${options.parameters()}\n`,
      };
    },
    verdict: (action, { exitCode, timedOut }) => {
      if (timedOut) return 'failed';
      if (exitCode === stonithExit.ok) return 'ok';
      return action === 'reset' && exitCode === stonithExit.badHost ? 'bad-host' : 'failed';
    },
    conceal(output: string): string {
      const words = options.parameters().split(/[\s,]+/);
      return concealWords(
        output,
        words.filter((word) => !nodes.some((node) => node === word.toLowerCase())),
      );
    },
    waitsForHuman: type === 'meatware',
  };
}
