/**
 * The supervision tree of a node as data: which actors run, in which order, who may talk to whom, and what each one's death means.
 *
 * Started left to right (media first, so that the first heartbeat finds its way out), stopped in reverse.
 */
import type { AuthKeys, Settings } from '../conf/settings.ts';
import { isDatagramSpec } from '../plugins/media/index.ts';
import type { LogTarget } from '../runtime/log.ts';
import { sibling } from '../runtime/module-url.ts';
import type { ChildSpec } from '../runtime/supervisor.ts';
import { defaultRealtimePriority } from '../runtime/sys/realtime.ts';
import { type Ms, ms } from '../runtime/units.ts';
import type { ApiProtocol } from './api.ts';
import type { MediumProtocol } from './medium.ts';
import type { MembershipProtocol } from './membership.ts';
import { createPulseBoard } from './pulse.ts';
import type { ResourcesProtocol } from './resources.ts';

export interface TreeOptions {
  readonly settings: Settings;
  readonly keys: AuthKeys;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly generation: number;
  readonly stateDir: string;
  readonly runDir: string;
  readonly socketPath: string;
  readonly log: LogTarget;
  /** Start of the process [monotonic ms]. */
  readonly startedMs: Ms;
}

export interface Tree {
  readonly media: readonly ChildSpec<MediumProtocol>[];
  readonly membership: ChildSpec<MembershipProtocol>;
  readonly resources: ChildSpec<ResourcesProtocol>;
  readonly api: ChildSpec<ApiProtocol>;
  /** All of them in start order. */
  readonly children: readonly ChildSpec[];
}

/** Silence of a thread's event loop that counts as its death: with the kill it leaves the process gone within a second [ms]. */
const hangMs = ms(700);
/**
 * A medium's small heap: it holds one datagram at a time. Membership keeps 500 messages, resources the outputs of scripts.
 * A young generation of 1 MiB collects in well under a millisecond.
 */
const smallHeap = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 48, codeRangeSizeMb: 16 } as const;

/** Scheduling priority of the beating threads; null when ha.cf says `realtime off`. */
export function realtimePriority(settings: Settings): number | null {
  return settings.realtime ? (settings.rtprio ?? defaultRealtimePriority) : null;
}

/** Settings as membership may use them: without media that this version cannot open, and without the nodes only those reach. */
function activeSettings(settings: Settings): Settings {
  return {
    ...settings,
    media: settings.media.filter(isDatagramSpec),
    nodes: settings.nodes.filter((node) => node.type === 'normal'),
  };
}

export function nodeTree(options: TreeOptions): Tree {
  const { settings, keys, log } = options;
  const active = activeSettings(settings);
  const priority = realtimePriority(settings);
  const links = [...new Set(active.media.map((medium) => medium.link))];
  const pulse = createPulseBoard(
    active.nodes.map((node) => node.name),
    links,
  );
  const core = { onDeath: 'emergency-shutdown', hangMs, resourceLimits: smallHeap } as const;

  const media = active.media.filter(isDatagramSpec).map(
    (spec, index): ChildSpec<MediumProtocol> => ({
      ...core,
      id: `medium:${spec.kind}:${spec.link}:${index}`,
      module: sibling(import.meta.url, './medium.ts'),
      init: { spec, keys, pulse, realtimePriority: priority, log, logBadPackets: settings.log.logBadPackets },
      // The original waits for a port that is in use: 10 tries, 50 for mcast, a second apart.
      startMs: ms(60_000),
      refs: ['membership'],
      mailbox: { capacity: 256, overflow: { transmit: 'drop-oldest', keys: 'fail' } },
      // `restart` is Heartbeat 3's rule: the medium is opened again, and only when that fails over and over the node gives up.
      ...(settings.mediaFailure === 'restart'
        ? { onDeath: 'restart', restartDelayMs: ms(100), intensity: { maxRestarts: 10, periodMs: ms(60_000) } }
        : {}),
    }),
  );
  const membership: ChildSpec<MembershipProtocol> = {
    ...core,
    id: 'membership',
    module: sibling(import.meta.url, './membership.ts'),
    init: {
      settings: active,
      uuid: options.uuid,
      generation: options.generation,
      keys,
      pulse,
      realtimePriority: priority,
      log,
    },
    refs: ['medium:*', 'resources', 'api'],
    mailbox: { capacity: 4_096, overflow: { packet: 'drop-oldest', send: 'fail', leaving: 'fail', keys: 'fail' } },
  };
  const resources: ChildSpec<ResourcesProtocol> = {
    ...core,
    id: 'resources',
    module: sibling(import.meta.url, './resources.ts'),
    init: { settings, stateDir: options.stateDir, runDir: options.runDir, log },
    refs: ['membership', 'api'],
    shutdownMs: ms(2_000),
    mailbox: { capacity: 4_096, held: 4_096, otherwise: 'fail' },
  };
  const api: ChildSpec<ApiProtocol> = {
    ...core,
    id: 'api',
    module: sibling(import.meta.url, './api.ts'),
    init: {
      socketPath: options.socketPath,
      self: settings.self,
      media: media.map((spec) => ({ actor: spec.id, link: spec.init.spec.link })),
      startedMs: options.startedMs,
      notActive: settings.notActive.map((entry) => entry.directive),
    },
    controls: ['membership', 'resources', 'medium:*'],
    mailbox: { capacity: 4_096, otherwise: 'drop-oldest' },
  };
  return { media, membership, resources, api, children: [...media, membership, resources, api] };
}
