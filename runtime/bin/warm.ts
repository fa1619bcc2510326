/**
 * Fills the compile cache of a checkout, so that the first daemon starts as fast and as small as every later one. Run by `npm ci`.
 *
 * The cache holds the JavaScript of each module with its types stripped; without it every thread would load the TypeScript stripper, which
 * costs some 15 MB a thread. The programs themselves are run, since the cache goes by how a module was loaded.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileCacheDir, v8Flags } from './commands/start.ts';

const env = { ...process.env, NODE_COMPILE_CACHE: compileCacheDir() };
const options = { env };
const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

spawnSync(
  process.execPath,
  [...v8Flags, '--disable-warning=ExperimentalWarning', program('heartbeatd.ts'), '--warm'],
  options,
);
// A guardian whose input is closed has nothing to guard: it loads and ends.
spawnSync(process.execPath, [program('../../actors/guardian/main.ts')], { ...options, input: '' });
