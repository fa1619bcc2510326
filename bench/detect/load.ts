/**
 * Load of ordinary priority on the whole machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { LabProcess } from '../../test/net/lab/process.ts';
import type { Load } from './plan.core.ts';

/** @returns ends it */
export function startLoad(load: Load): () => Promise<void> {
  if (load === 'idle') return async () => undefined;
  const directory = mkdtempSync(join(tmpdir(), 'systole-load-'));
  const scripts = [
    ...Array.from({ length: availableParallelism() }, () => 'while :; do :; done'),
    // Programs that come and go: each fork and each exit takes locks of the kernel and flushes caches.
    'while :; do /bin/true; done',
    // 8 MB at a time to the disk, and waits until it is there.
    `while :; do dd if=/dev/zero of=${join(directory, 'file')} bs=1M count=8 conv=fsync status=none; done`,
  ];
  const loops = scripts.map((script) => new LabProcess(['sh', '-c', script], { stdin: '' }));
  return async () => {
    await Promise.all(loops.map((loop) => loop.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
}
