/**
 * The supervision tree of a node as data: which actors run, in which order, who may talk to whom, and what each one's death means.
 *
 * Started left to right (media first, so that the first heartbeat finds its way out), stopped in reverse.
 */
import type { AuthKeys, Settings } from '../conf/settings.ts';
import type { IpfailProtocol } from '../plugins/ipfail/ipfail.ts';
import { isHostedSpec } from '../plugins/media/index.ts';
import type { LogTarget } from '../runtime/log.ts';
import { sibling } from '../runtime/module-url.ts';
import type { ChildSpec } from '../runtime/supervisor.ts';
import { defaultRealtimePriority } from '../runtime/sys/realtime.ts';
import { type Ms, ms, type NodeName } from '../runtime/units.ts';
import { clientSocketPath } from './api/paths.ts';
import type { ApiProtocol } from './api.ts';
import { programsOf } from './children/respawn.core.ts';
import type { ChildrenProtocol } from './children.ts';
import { type HeartFd, openHeart } from './heart.ts';
import type { MediumProtocol } from './medium.ts';
import type { MembershipProtocol } from './membership.ts';
import type { NodeCache } from './node-cache.ts';
import { isPingSpec, pingNodeOf } from './ping.core.ts';
import type { PingProtocol } from './ping.ts';
import { createPulseBoard } from './pulse.ts';
import type { ResourcesProtocol } from './resources.ts';
import type { WatchdogProtocol } from './watchdog.ts';

export interface TreeOptions {
  readonly settings: Settings;
  readonly keys: AuthKeys;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly generation: number;
  /** What has changed the nodes of ha.cf at run time; `settings.nodes` has it already. */
  readonly nodeCache: NodeCache;
  /** Names that were deleted at run time and that ha.cf does not declare. */
  readonly deleted: readonly NodeName[];
  /** The nodes that ha.cf itself declares. */
  readonly declared: readonly NodeName[];
  readonly stateDir: string;
  readonly runDir: string;
  readonly socketPath: string;
  readonly log: LogTarget;
  /** Start of the process [monotonic ms]. */
  readonly startedMs: Ms;
}

export interface Tree {
  /** The heart board: the MCP notes its own beats and the node's phase on it. */
  readonly heart: HeartFd;
  readonly media: readonly ChildSpec<MediumProtocol>[];
  /** Null without ping media. */
  readonly ping: ChildSpec<PingProtocol> | null;
  readonly membership: ChildSpec<MembershipProtocol>;
  readonly resources: ChildSpec<ResourcesProtocol>;
  readonly api: ChildSpec<ApiProtocol>;
  /** Null without a `watchdog` device. */
  readonly watchdog: ChildSpec<WatchdogProtocol> | null;
  /** Null without `respawn` and `failfast` programs. */
  readonly programs: ChildSpec<ChildrenProtocol> | null;
  /** All of them in start order. */
  readonly children: readonly ChildSpec[];
}

/**
 * How long an actor may take to start [ms]. It takes a few hundred; thirty programs that all wanted the processors of a machine have made it
 * half a minute, and a node that does not come up then is worse than a late one.
 */
const startMs = ms(120_000);
/** Silence of a thread's event loop that counts as its death: with the kill it leaves the process gone within a second [ms]. */
const hangMs = ms(700);
/** The same for threads of ordinary priority, which a busy machine may let wait. */
const ordinaryHangMs = ms(3_000);
/**
 * A medium's small heap: it holds one datagram at a time. Membership keeps 500 messages, resources the outputs of scripts.
 * A young generation of 1 MiB collects in well under a millisecond.
 */
const smallHeap = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 48, codeRangeSizeMb: 16 } as const;

/** Scheduling priority of the beating threads; null when ha.cf says `realtime off`. */
export function realtimePriority(settings: Settings): number | null {
  return settings.realtime ? (settings.rtprio ?? defaultRealtimePriority) : null;
}

export function nodeTree(options: TreeOptions): Tree {
  const { settings, keys, log } = options;
  const priority = realtimePriority(settings);
  const pulse = createPulseBoard(
    settings.nodes.map((node) => node.name),
    settings.media.map((medium) => medium.link),
  );
  const heart = openHeart();
  const core = { onDeath: 'emergency-shutdown', hangMs, startMs, resourceLimits: smallHeap } as const;
  const beating = { ...core, sleepsPrecisely: true } as const;

  // `restart` is Heartbeat 3's rule: the medium is opened again, and only when that fails over and over the node gives up.
  const mediumDeath =
    settings.mediaFailure === 'restart'
      ? ({
          onDeath: 'restart',
          restartDelayMs: ms(100),
          intensity: { maxRestarts: 10, periodMs: ms(60_000) },
        } as const)
      : {};

  const media = settings.media.filter(isHostedSpec).map(
    (spec, index): ChildSpec<MediumProtocol> => ({
      ...beating,
      id: `medium:${spec.kind}:${spec.link}:${index}`,
      module: sibling(import.meta.url, './medium.ts'),
      init: {
        spec,
        column: settings.media.indexOf(spec),
        self: settings.self,
        warntimeMs: settings.warntimeMs,
        keys,
        pulse,
        realtimePriority: priority,
        log,
        logBadPackets: settings.log.logBadPackets,
      },
      // Within it come the tries for a port that is in use: 10, 50 for mcast, a second apart, as the original's.
      startMs,
      refs: ['membership'],
      mailbox: { capacity: 256, overflow: { transmit: 'drop-oldest', keys: 'fail' } },
      ...mediumDeath,
    }),
  );
  // A ping line may bear a cluster node's name (the configuration warns of it): its answers must not pass for that node's heartbeats.
  const pingNodes = new Set(settings.nodes.flatMap((node) => (node.type === 'ping' ? [node.name] : [])));
  const pingSpecs = settings.media.filter(isPingSpec).filter((spec) => pingNodes.has(pingNodeOf(spec)));
  const ping: ChildSpec<PingProtocol> | null =
    pingSpecs.length === 0
      ? null
      : {
          ...beating,
          id: 'ping',
          module: sibling(import.meta.url, './ping.ts'),
          init: {
            specs: pingSpecs,
            keys,
            pulse,
            realtimePriority: priority,
            log,
            logBadPackets: settings.log.logBadPackets,
          },
          refs: ['membership'],
          mailbox: { capacity: 256, overflow: { 'status-sent': 'drop-oldest', keys: 'fail' } },
          ...mediumDeath,
        };
  const membership: ChildSpec<MembershipProtocol> = {
    ...beating,
    id: 'membership',
    module: sibling(import.meta.url, './membership.ts'),
    init: {
      settings,
      uuid: options.uuid,
      generation: options.generation,
      deleted: options.deleted,
      keys,
      pulse,
      heart,
      realtimePriority: priority,
      log,
    },
    refs: ['medium:*', 'ping', 'resources', 'api'],
    mailbox: { capacity: 4_096, overflow: { packet: 'drop-oldest', send: 'fail', leaving: 'fail', keys: 'fail' } },
  };
  const resources: ChildSpec<ResourcesProtocol> = {
    ...beating,
    id: 'resources',
    hangMs: ordinaryHangMs,
    module: sibling(import.meta.url, './resources.ts'),
    init: {
      settings,
      stateDir: options.stateDir,
      runDir: options.runDir,
      heart,
      // Below the threads that beat: what acts on a death comes after what decides it.
      realtimePriority: priority === null ? null : Math.max(1, priority - 1),
      log,
    },
    refs: ['membership', 'api'],
    shutdownMs: ms(2_000),
    mailbox: { capacity: 4_096, held: 4_096, otherwise: 'fail' },
  };
  const watchdog: ChildSpec<WatchdogProtocol> | null =
    settings.watchdog === null
      ? null
      : {
          ...beating,
          id: 'watchdog',
          module: sibling(import.meta.url, './watchdog.ts'),
          init: { settings, path: settings.watchdog, heart, realtimePriority: priority, log },
          // A thread that is gone leaves the device counting: another one has to take it over at once.
          onDeath: 'restart',
          intensity: { maxRestarts: 10, periodMs: ms(60_000) },
        };
  const plugins = pluginsOf(options);
  const api: ChildSpec<ApiProtocol> = {
    ...core,
    id: 'api',
    hangMs: ordinaryHangMs,
    module: sibling(import.meta.url, './api.ts'),
    init: {
      socketPath: options.socketPath,
      runDir: options.runDir,
      stateDir: options.stateDir,
      settings,
      nodeCache: options.nodeCache,
      declared: options.declared,
      uuid: options.uuid,
      log,
      media: media.map((spec) => ({ actor: spec.id, link: spec.init.spec.link })),
      pings: ping !== null,
      watchdog: watchdog !== null,
      programs: programsOf(settings).length > 0,
      plugins: plugins.map((spec) => spec.id),
      startedMs: options.startedMs,
      notActive: settings.notActive.map((entry) => entry.directive),
    },
    refs: ['membership', 'children'],
    controls: ['membership', 'resources', 'medium:*', 'ping', 'watchdog', 'children'],
    mailbox: { capacity: 4_096, held: 4_096, otherwise: 'drop-oldest' },
  };
  const programs: ChildSpec<ChildrenProtocol> | null =
    programsOf(settings).length === 0
      ? null
      : {
          ...core,
          id: 'children',
          // Nothing here is urgent, and it runs with ordinary priority: a machine that is busy for a moment must not cost the node.
          hangMs: ms(5_000),
          module: sibling(import.meta.url, './children.ts'),
          init: { settings, stateDir: options.stateDir, log },
          refs: ['api'],
          shutdownMs: ms(5_000),
          mailbox: { otherwise: 'fail' },
        };
  const children = [
    ...media,
    ...(ping === null ? [] : [ping]),
    membership,
    ...(watchdog === null ? [] : [watchdog]),
    resources,
    api,
    ...(programs === null ? [] : [programs]),
    ...plugins,
  ];
  return { heart, media, ping, membership, watchdog, resources, api, programs, children };
}

/** Plugins of our own that stand for programs of `respawn` lines which are not installed: respawned as those would be. */
function pluginsOf({ settings, runDir, log }: TreeOptions): readonly ChildSpec<IpfailProtocol>[] {
  const line = settings.respawn.find(({ builtIn }) => builtIn === 'ipfail');
  if (line === undefined) return [];
  return [
    {
      id: 'plugin:ipfail',
      module: sibling(import.meta.url, '../plugins/ipfail/ipfail.ts'),
      init: {
        socketPath: clientSocketPath(runDir),
        line: { command: line.command, user: line.account === null ? line.user : null },
        log,
      },
      startMs,
      restart: 'transient',
      restartDelayMs: ms(1_000),
      intensity: { maxRestarts: 10, periodMs: ms(300_000) },
      whenGivenUp: 'ignore',
      resourceLimits: smallHeap,
    },
  ];
}
