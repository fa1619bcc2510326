/** For tests: whether the tags of a document match. */

/** Elements of HTML that have no end. */
const voidElements = new Set(['meta', 'br', 'hr', 'img', 'input', 'link']);

/** The first problem with the nesting of tags, or null. Understands what this benchmark writes: no CDATA, no comments. */
export function tagProblem(document: string): string | null {
  const open: string[] = [];
  const text = document.replace(/^<!doctype html>/, '').replace(/<style>[^<]*<\/style>/g, '');
  for (const [tag, end, name = '', inside = '', closed] of text.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:\s+[\w:-]+="[^"<]*"|\s+[\w-]+)*)\s*(\/?)>/gi,
  )) {
    if (end === '/') {
      const last = open.pop();
      if (last !== name) return `${tag} closes ${last ?? 'nothing'}`;
    } else if (closed !== '/' && !voidElements.has(name)) open.push(name);
    const names = [...inside.matchAll(/\s([\w:-]+)="/g)].map((match) => match[1]);
    if (new Set(names).size !== names.length) return `an attribute twice: ${tag}`;
  }
  if (open.length > 0) return `never closed: ${open.join(' ')}`;
  const rest = text.replaceAll(/<(\/?)([a-z][a-z0-9]*)((?:\s+[\w:-]+="[^"<]*"|\s+[\w-]+)*)\s*(\/?)>/gi, '');
  const stray = /[<>]|&(?!(?:amp|lt|gt|quot);)/.exec(rest);
  return stray === null ? null : `stray ${stray[0]} at ${rest.slice(stray.index, stray.index + 30)}`;
}
