/**
 * The one place that knows how Systole is started from a checkout.
 */

import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));

/** The command line of `systole` with these arguments; directories are the defaults, which are private in a host of the lab. */
export function systoleCommand(args: readonly string[]): readonly string[] {
  return [`${checkout}node_modules/.bin/node`, `${checkout}runtime/bin/systole.ts`, ...args];
}
