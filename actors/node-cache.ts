/**
 * The nodes that came and went at run time, over restarts: `hostcache` and `delhostcache` in the state directory, in Heartbeat's own format.
 *
 * A line is `name TAB uuid TAB weight TAB site`. The original writes `hostcache` only when it does not manage resources itself, with all nodes. Here it
 * holds, in a haresources cluster, just the nodes that ha.cf does not declare: a node that is taken out of ha.cf must not come back from a
 * file that nobody looks at.
 */
import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterNode, Settings } from '../conf/settings.ts';
import { type NodeName, nodeName } from '../runtime/units.ts';
import { NIL_UUID } from './membership/envelope.ts';
import { formatUuid, isNilUuid } from './membership/identity.ts';

/** What a line says of a node. */
export interface CachedNode {
  readonly name: NodeName;
  /** 16 bytes; null = not known. */
  readonly uuid: Uint8Array | null;
  readonly weight: number;
  readonly site: string;
}

/** What changes the nodes of ha.cf at a start. */
export interface NodeCache {
  /** From `hostcache`. */
  readonly added: readonly CachedNode[];
  /** From `delhostcache`. */
  readonly deleted: readonly CachedNode[];
}

const addedFile = 'hostcache';
const deletedFile = 'delhostcache';

/**
 * Reads both files. A file that is missing says nothing; a line that cannot be read is left out and told of.
 *
 * @param warn takes one line for the log
 * @throws the error of open(2) or read(2), but for a missing file
 */
export function readNodeCache(stateDir: string, warn: (text: string) => void): NodeCache {
  const read = (file: string): readonly CachedNode[] => {
    const path = join(stateDir, file);
    const { nodes, unreadable } = parseNodeCache(readIfThere(path));
    if (unreadable.length > 0) warn(`${path}: line ${unreadable.join(', ')} is no entry of a node and is left out`);
    return nodes;
  };
  return { added: read(addedFile), deleted: read(deletedFile) };
}

/** Lines to nodes; a node that is written twice counts once, the later line. `unreadable` are line numbers from 1. */
export function parseNodeCache(text: string): {
  readonly nodes: readonly CachedNode[];
  readonly unreadable: readonly number[];
} {
  const nodes = new Map<string, CachedNode>();
  const unreadable: number[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [name = '', uuidText = '', weightText = '', site = ''] = line.split('\t');
    const uuid = parseUuid(uuidText);
    if (!/^[\w.-]{1,99}$/.test(name) || uuid === undefined || !/^-?\d{1,9}$/.test(weightText)) {
      unreadable.push(index + 1);
      continue;
    }
    const known = nodeName(name);
    nodes.set(known, { name: known, uuid, weight: Number(weightText), site });
  }
  return { nodes: [...nodes.values()], unreadable };
}

/** Nodes to lines, as the original writes them. */
export function formatNodeCache(nodes: readonly CachedNode[]): string {
  return nodes
    .map(({ name, uuid, weight, site }) => {
      const plainSite = site.replace(/[\t\n\0]/g, ' ');
      return `${name}\t${formatUuid(uuid ?? NIL_UUID)}\t${weight}\t${plainSite}\n`;
    })
    .join('');
}

/** undefined: no uuid; null: the nil uuid, which stands for one that is not known. */
function parseUuid(text: string): Uint8Array | null | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) return undefined;
  const uuid = Uint8Array.from(Buffer.from(text.replaceAll('-', ''), 'hex'));
  return isNilUuid(uuid) ? null : uuid;
}

/**
 * The nodes of a start: those of ha.cf, and behind them the added ones that are not deleted.
 *
 * ha.cf always wins, as with Heartbeat 3.0.6, which does not read these files in a haresources cluster: a forgotten entry must not make a node deaf to
 * its partner. A node that was deleted and is still in ha.cf is one again, unless the others say that it is deleted (roster.ts).
 *
 * @returns the nodes, the names that stay deleted, and a line for the log for each difference, which says how to make it one no more
 */
export function currentNodes(
  { nodes, autojoin }: Pick<Settings, 'nodes' | 'autojoin'>,
  cache: NodeCache,
): {
  readonly nodes: readonly ClusterNode[];
  readonly deleted: readonly NodeName[];
  readonly notes: readonly string[];
} {
  const declared = new Set<string>(nodes.map((node) => node.name));
  const notes = cache.deleted
    .filter(({ name }) => declared.has(name))
    .map(
      ({ name }) =>
        `node ${name} was deleted by hb_delnode (${deletedFile}), but ha.cf declares it: take it out of ha.cf of all nodes`,
    );
  const deleted = cache.deleted.map(({ name }) => name).filter((name) => !declared.has(name));
  const added = cache.added.filter(({ name }) => !declared.has(name) && !deleted.includes(name));
  // With autojoin nobody writes them into ha.cf.
  for (const { name } of autojoin === 'none' ? added : [])
    notes.push(
      `node ${name} was added at run time (${addedFile}): write it into ha.cf of all nodes, or remove it by hb_delnode ${name}`,
    );
  return { nodes: [...nodes, ...added.map(({ name }) => ({ name, type: 'normal' as const }))], deleted, notes };
}

/** Writes both files, each as a whole: a crash leaves the old or the new one. @throws the error of the file system */
export async function writeNodeCache(stateDir: string, cache: NodeCache): Promise<void> {
  await replaceFile(join(stateDir, addedFile), formatNodeCache(cache.added));
  await replaceFile(join(stateDir, deletedFile), formatNodeCache(cache.deleted));
}

async function replaceFile(path: string, text: string): Promise<void> {
  if (readIfThere(path) === text) return;
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o644);
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
