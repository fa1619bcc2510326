/**
 * The plugins that run as actors of this process, as `systole status` shows them beside the programs of `respawn` lines.
 */
import type { ProgramView } from '../children/respawn.core.ts';
import type { Happening } from '../events.ts';

interface Plugin {
  readonly name: string;
  /** Start of this life [monotonic ms]; null while it is down. */
  sinceMs: number | null;
  restarts: number;
  lastExit: string | null;
}

export class PluginWatch {
  readonly #plugins: ReadonlyMap<string, Plugin>;

  /** @param ids `plugin:NAME`, each running from now on */
  constructor(ids: readonly string[], nowMs: number) {
    this.#plugins = new Map(
      ids.map((id) => [id, { name: id.replace(/^plugin:/, ''), sinceMs: nowMs, restarts: 0, lastExit: null }]),
    );
  }

  note(happening: Happening, nowMs: number): void {
    switch (happening.event) {
      case 'actor.exited': {
        const plugin = this.#plugins.get(happening.actor);
        if (plugin === undefined) return;
        plugin.sinceMs = null;
        plugin.lastExit = happening.reason;
        return;
      }
      case 'actor.restarted': {
        const plugin = this.#plugins.get(happening.actor);
        if (plugin === undefined) return;
        plugin.sinceMs = nowMs;
        plugin.restarts += 1;
        return;
      }
      default:
        return;
    }
  }

  view(nowMs: number): readonly ProgramView[] {
    return [...this.#plugins.values()].map(({ name, sinceMs, restarts, lastExit }) => ({
      command: `${name} (built in)`,
      status: sinceMs === null ? 'down' : 'running',
      pid: null,
      uptimeMs: sinceMs === null ? null : nowMs - sinceMs,
      restarts,
      lastExit,
    }));
  }
}
