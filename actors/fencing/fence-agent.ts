/**
 * Fence agents: programs `fence_NAME` that take `name=value` lines on standard input (resources.md section 11).
 *
 * The agent gets the parameters of its line, `action`, `nodename`, and as `plug` and `port` (its older name) what `pcmk_host_map` calls the
 * node, else the node's name, unless the line says it itself. Agents ignore options that they do not know.
 */
import type { FenceAgentParameters, FenceAgentReading } from '../../conf/fence-agent.ts';
import { type NodeName, nodeName } from '../../runtime/units.ts';
import { concealWords, type DeviceAction, type DeviceCommand, type FencingDevice } from './device.ts';

/** A status that found the outlet switched off: the device answered, which is what was asked. */
const outletOff = 2;

interface FenceAgentOptions {
  readonly id: string;
  /** Path of the agent, or null when it is not installed. */
  readonly program: string | null;
  /** Reads the parameters anew for each operation; `null` when their file cannot be read. */
  read(): FenceAgentReading | null;
}

export function fenceAgentDevice(options: FenceAgentOptions): FencingDevice {
  const { id, program } = options;
  const first = options.read();
  const hosts = first?.ok === true ? first.parameters.hosts : null;
  return {
    id,
    targets: hosts?.filter((host) => host.length <= 99).map(nodeName) ?? null,
    command(action: DeviceAction, node: NodeName | null): DeviceCommand | { readonly problem: string } {
      if (program === null) return { problem: 'the agent is not installed' };
      const reading = options.read();
      if (reading === null) return { problem: 'its parameter file cannot be read' };
      if (!reading.ok) return { problem: reading.problem };
      if (action === 'reset' && node === null) return { problem: 'no node to reset' };
      return { path: program, args: [], input: inputOf(reading.parameters, action, node) };
    },
    verdict: (action, { exitCode, timedOut }) => {
      if (timedOut) return 'failed';
      return exitCode === 0 || (action === 'status' && exitCode === outletOff) ? 'ok' : 'failed';
    },
    conceal(output: string): string {
      const reading = options.read();
      return reading?.ok === true
        ? concealWords(
            output,
            reading.parameters.options.map(([, value]) => value),
          )
        : output;
    },
    waitsForHuman: false,
  };
}

function inputOf(parameters: FenceAgentParameters, action: DeviceAction, node: NodeName | null): string {
  const { options, plugs } = parameters;
  const written = options.some(([name]) => name === 'plug' || name === 'port');
  const plug = node === null ? undefined : (plugs.get(node) ?? (written ? undefined : node));
  const lines = [
    ...options.filter(([name]) => plug === undefined || (name !== 'plug' && name !== 'port')),
    ['action', action === 'status' ? 'monitor' : parameters.action],
    ...(node === null ? [] : [['nodename', node]]),
    ...(plug === undefined
      ? []
      : [
          ['plug', plug],
          ['port', plug],
        ]),
  ];
  return lines.map(([name, value]) => `${name}=${value}\n`).join('');
}
