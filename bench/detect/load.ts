/**
 * Load: one endless loop of ordinary priority for each processor.
 */
import { availableParallelism } from 'node:os';
import { LabProcess } from '../../test/net/lab/process.ts';
import type { Load } from './plan.core.ts';

/** @returns ends it */
export function startLoad(load: Load): () => Promise<void> {
  const count = load === 'busy' ? availableParallelism() : 0;
  const loops = Array.from({ length: count }, () => new LabProcess(['sh', '-c', 'while :; do :; done'], { stdin: '' }));
  return async () => {
    await Promise.all(loops.map((loop) => loop.kill()));
  };
}
