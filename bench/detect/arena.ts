/**
 * The place of a match: a laboratory of two hosts on one switch, the referee on the survivor, and the C programs, compiled.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Lab } from '../../test/net/lab/lab.ts';
import type { Arena } from '../peers/peer.ts';
import { Referee } from './referee.ts';

export interface LabArena extends Arena {
  readonly lab: Lab;
  close(): Promise<void>;
}

/** Compiles the C sources of the benchmark. Throws when there is no C compiler. */
function compile(directory: string): { floor: string; referee: string } {
  mkdirSync(directory, { recursive: true });
  const build = (source: string, name: string): string => {
    const executable = join(directory, name);
    execFileSync('gcc', ['-O2', '-o', executable, fileURLToPath(new URL(source, import.meta.url))]);
    return executable;
  };
  return { floor: build('../peers/floor.c', 'floor'), referee: build('./referee.c', 'referee') };
}

/** Needs root, the laboratory's packages and gcc. */
export async function openArena(realtimePriority: number | null, medium: Arena['medium']): Promise<LabArena> {
  const lab = await Lab.create({ hosts: ['survivor', 'victim'] });
  try {
    const [survivor, victim] = [lab.host('survivor'), lab.host('victim')];
    const tools = compile(join(lab.directory, 'tools'));
    const { device, address } = survivor.attachment();
    const referee = await Referee.start(tools.referee, survivor.enterNetwork, device);
    return {
      lab,
      survivor,
      victim,
      device,
      survivorAddress: address,
      victimAddress: victim.attachment().address,
      serviceAddress: lab.network().serviceAddress(100),
      referee,
      tools,
      realtimePriority,
      medium,
      close: async () => {
        await referee.stop();
        await lab.close();
      },
    };
  } catch (error) {
    await lab.close();
    throw error;
  }
}
