/** The devices of ha.cf, in their order: which lines this node may use is decided by the reader of ha.cf. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { fenceAgentPaths, isFenceAgentType, readFenceAgentFile, readFenceAgentLine } from '../../conf/fence-agent.ts';
import type { ClusterNode, StonithSpec } from '../../conf/settings.ts';
import type { FencingDevice } from './device.ts';
import { fenceAgentDevice } from './fence-agent.ts';
import { stonithCommandDevice } from './stonith-command.ts';

const stonithPaths = ['/usr/sbin/stonith', '/sbin/stonith', '/usr/local/sbin/stonith'] as const;

export function devicesOf(specs: readonly StonithSpec[], nodes: readonly ClusterNode[]): readonly FencingDevice[] {
  return specs.map((spec) => {
    const id = idOf(spec, specs);
    const { type, parameters } = spec;
    if (!isFenceAgentType(type)) {
      return stonithCommandDevice({
        id,
        type,
        file: spec.host === null ? parameters : null,
        parameters: () => (spec.host === null ? (readText(parameters) ?? '') : parameters),
        nodes: nodes.map((node) => node.name),
        // Not installed: the first path, so that the failure of each operation names it.
        program: firstExecutable(stonithPaths) ?? stonithPaths[0],
      });
    }
    return fenceAgentDevice({
      id,
      program: firstExecutable(fenceAgentPaths(type)),
      read() {
        if (spec.host !== null) return readFenceAgentLine(parameters);
        const text = readText(parameters);
        return text === null ? null : readFenceAgentFile(text);
      },
    });
  });
}

/** The type alone when there is only one of it. */
function idOf(spec: StonithSpec, specs: readonly StonithSpec[]): string {
  const twins = specs.filter(({ type }) => type === spec.type).length > 1;
  return twins ? `${spec.type} (line ${spec.place.line})` : spec.type;
}

function firstExecutable(paths: readonly string[]): string | null {
  return (
    paths.find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        // Not there, or not for us: the next one may be.
        return false;
      }
    }) ?? null
  );
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Whatever the reason, the device cannot be used now; the operation says so.
    return null;
  }
}
