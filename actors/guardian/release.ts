/**
 * The daemon is dead: stops everything it held, so that the node that takes over is the only owner.
 *
 * Last started, first stopped, one after the other. An address waits for its turn only so long: the other node takes it at its deadline, and
 * two machines with one address are worse than a service that loses it before its stop is finished.
 */
import type { AgentResult } from '../../plugins/agents/agent.ts';
import type { HeldResource } from './protocol.ts';

/** Tries of a stop that fails; there is no time for the ten of a normal release. */
const STOP_TRIES = 3;
const STOP_PAUSE_MS = 1_000;

export interface ReleaseTools {
  /** Runs a script's stop. Never rejects. */
  stopScript(resource: Extract<HeldResource, { kind: 'script' }>): Promise<AgentResult>;
  /** Removes an address. */
  stopAddress(resource: Extract<HeldResource, { kind: 'address' }>): Promise<AgentResult>;
  /** It does not run any more. */
  stopped?(resource: HeldResource): void;
  log(severity: 'info' | 'ERROR' | 'CRIT', text: string): void;
  /** How long addresses wait for the services above them [ms]: at most half of the deadtime, so that they are gone before the other node takes them. */
  readonly addressGraceMs: number;
}

/**
 * @param order the inventory's release order
 * @returns the words of what could not be stopped
 */
export async function releaseHeld(order: readonly HeldResource[], tools: ReleaseTools): Promise<readonly string[]> {
  const stuck: string[] = [];
  const addresses = new Map<HeldResource, Promise<void>>();
  const dropAddress = (resource: Extract<HeldResource, { kind: 'address' }>): Promise<void> => {
    const known = addresses.get(resource);
    if (known !== undefined) return known;
    const dropping = stopRepeatedly(resource, () => tools.stopAddress(resource), tools, stuck);
    addresses.set(resource, dropping);
    return dropping;
  };
  const grace = setTimeout(() => {
    for (const resource of order) if (resource.kind === 'address') void dropAddress(resource);
  }, tools.addressGraceMs);
  for (const resource of order) {
    if (resource.kind === 'address') await dropAddress(resource);
    else await stopRepeatedly(resource, () => tools.stopScript(resource), tools, stuck);
  }
  clearTimeout(grace);
  return stuck;
}

async function stopRepeatedly(
  resource: HeldResource,
  stop: () => Promise<AgentResult>,
  tools: ReleaseTools,
  stuck: string[],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const stopLine = [resource.path, ...resource.args, ...(resource.kind === 'address' ? ['stop'] : [])].join(' ');
    tools.log('info', `Running ${stopLine}`);
    const result = await stop();
    if (result.exitCode === 0 && !result.timedOut) {
      tools.stopped?.(resource);
      return;
    }
    if (result.timedOut)
      tools.log('ERROR', `${resource.path} did not finish within ${Math.round(result.durationMs)} ms and was killed`);
    else tools.log('ERROR', `Return code ${result.exitCode} from ${resource.path}`);
    // A stop that hangs would hang again: the rest is more urgent.
    if (result.timedOut || tries >= STOP_TRIES) break;
    await new Promise((resolve) => setTimeout(resolve, STOP_PAUSE_MS));
  }
  tools.log('CRIT', `Resource STOP failure: ${resource.word} may still run here. Reboot required!`);
  stuck.push(resource.word);
}
