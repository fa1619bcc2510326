import { defineConfig } from 'vitest/config';

/**
 * Three projects, from quick to slow: `unit` (pure cores, beside or mirrored from the tree), `thread` (real worker threads and
 * processes) and `net` (namespaces, the real heartbeat; one file at a time, since the lab shares the machine's two cores).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{runtime,actors,plugins,conf,bench}/**/*.test.ts',
            'test/unit/**/*.test.ts',
            'test/sim/**/*.test.ts',
          ],
          pool: 'forks',
          // Property tests are bounded by what they compute: on a busy machine that takes as long as it takes.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'thread',
          include: ['test/thread/**/*.test.ts', 'test/cli/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 30_000,
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: 'net',
          include: ['test/net/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          fileParallelism: false,
        },
      },
    ],
  },
});
