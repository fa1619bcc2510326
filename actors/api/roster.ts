/**
 * Keeps `hostcache` and `delhostcache` as the cluster is: looked at after everything that may change them, written apart from the actor's turn.
 */
import { getString } from '../../runtime/message/message.ts';
import { type CachedNode, formatNodeCache, type NodeCache, writeNodeCache } from '../node-cache.ts';
import type { ClientsInput } from './types.ts';
import type { ClusterView, NodeView } from './view.core.ts';

interface RosterOptions {
  readonly stateDir: string;
  /** Nodes that need no line, since ha.cf has them. */
  readonly declared: ReadonlySet<string>;
  /** Takes one line for the log: a file cannot be written. */
  log(text: string): void;
}

/** What may change a line: a node comes or goes, its uuid becomes known, its weight or site is set. */
function mayChange(input: ClientsInput): boolean {
  switch (input.type) {
    case 'node-added':
    case 'node-removed':
    case 'node-status':
      return true;
    case 'message': {
      const type = getString(input.fields, 't');
      return type === 'setweight' || type === 'setsite';
    }
    default:
      return false;
  }
}

export class Roster {
  readonly #options: RosterOptions;
  #known: string | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /** Called after `input` was taken into the view. Costs nothing in a cluster whose nodes are those of ha.cf. */
  look(input: ClientsInput, view: ClusterView): void {
    if (!mayChange(input)) return;
    const { declared } = this.#options;
    const added = view.nodes.filter((node) => node.type === 'normal' && !declared.has(node.name)).map(entryOf);
    const cache = { added, deleted: view.deleted.map(entryOf) };
    const text = `${formatNodeCache(cache.added)}\0${formatNodeCache(cache.deleted)}`;
    if (text === this.#known) return;
    this.#known = text;
    this.#saving = this.#saving.then(() => this.#save(cache));
  }

  /** When everything is on the disk, or was refused. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  async #save(cache: NodeCache): Promise<void> {
    try {
      await writeNodeCache(this.#options.stateDir, cache);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log(
        `the nodes that came and went cannot be stored, so that the next start forgets them: ${reason}`,
      );
    }
  }
}

function entryOf({ name, uuid, weight, site }: NodeView): CachedNode {
  return { name, uuid, weight, site };
}
