/**
 * The door of every network test: says whether this machine can run a lab, and what happens if not.
 */

import { describe } from 'vitest';
import { labObstacle } from './prerequisites.ts';

/**
 * Gives the `describe` to use for tests that need a lab.
 *
 * Where no lab is possible these tests are skipped, with one line that says why; with CI=true that is a failure instead, since a
 * skipped test proves nothing.
 *
 * @throws Error with CI=true on a machine without what a lab needs
 * @example requireLab()('two nodes', () => { test(…) });
 */
export function requireLab(): typeof describe | typeof describe.skip {
  const obstacle = labObstacle();
  if (obstacle === null) return describe;
  if (process.env.CI === 'true') throw new Error(`network tests must run in CI: ${obstacle}`);
  process.stderr.write(`network tests skipped: ${obstacle}\n`);
  return describe.skip;
}
