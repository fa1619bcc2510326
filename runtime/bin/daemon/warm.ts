/** `heartbeatd --warm`: loads what the daemon's threads will load, as they load it, and starts nothing. Run by `../warm.ts`. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';

export async function warmCompileCache(): Promise<void> {
  createRequire(import.meta.url)('../../entry.ts');
  const actors = ['medium', 'membership', 'resources', 'api', 'ping'].map((name) => `../../../actors/${name}.ts`);
  const media = readdirSync(new URL('../../../plugins/media/', import.meta.url))
    .filter((name) => /^[a-z0-9]+\.ts$/.test(name))
    .map((name) => `../../../plugins/media/${name}`);
  await Promise.all([...actors, ...media].map((path) => import(path)));
}
