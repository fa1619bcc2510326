/**
 * Finds a module that lies beside another one, as source or as compiled JavaScript.
 *
 * Threads are started by module URL, and a build turns `medium.ts` into `medium.js` without touching the URLs in strings.
 *
 * ```ts
 * const spec = { id: 'membership', module: sibling(import.meta.url, './membership.ts'), … };
 * ```
 *
 * @param base the caller's `import.meta.url`
 * @param path relative path with its source ending, `./x.ts`
 * @returns the URL with the caller's own ending: `.js` when the caller itself was compiled
 */
export function sibling(base: string, path: `${'./' | '../'}${string}.ts`): URL {
  const compiled = new URL(base).pathname.endsWith('.js');
  return new URL(compiled ? path.replace(/\.ts$/, '.js') : path, base);
}
