/**
 * Cables and firewalls (scenarios 2, 4, 4b, 7).
 */
import { eventually } from '../lab/wait.ts';
import { endMs, times, twoLinks } from '../pair.ts';
import type { Scenario } from './scenario.ts';
import type { Stage } from './stage.ts';

const heartbeatPort = 694;
/** A 3.0.6 that meets its partner again restarts after two seconds, rests deadtime + 1 s and negotiates for ten [ms]. */
const restartMs = 60_000;

const publicCable: Scenario = {
  id: '2-public-cable',
  title: "cable of the clients' network pulled, ping node and ipfail",
  plan: (pairing) =>
    twoLinks(`auto_failback on\ndeadping ${times.deadtimeMs}ms\nping 10.77.0.254`, {
      linesOf: (host) => [
        // Where the real one is: its package has it in another place than the one that stands for our own.
        (host === 'node1' ? pairing.node1 : pairing.node2) === 'systole'
          ? 'respawn hacluster /usr/lib/heartbeat/ipfail'
          : 'respawn hacluster /usr/libexec/heartbeat/ipfail',
      ],
    }),
  async play(stage) {
    const { lab } = stage.pair;
    await stage.pair.up();
    await stage.pair.settled();
    for (const [host, peer] of [
      ['node1', 'node2'],
      ['node2', 'node1'],
    ] as const) {
      await eventually(
        async () => (await stage.pair.host(host).clStatus('clientstatus', peer, 'ipfail', '2000')).answer === 'online',
        { what: `ipfail of ${peer}, as ${host} sees it`, timeoutMs: endMs, intervalMs: 200 },
      );
    }
    await stage.phase('cable pulled', { owner: 'node2' }, () => lab.network('net0').cut('node1'));
    await stage.pair.settled();
    await stage.phase('cable back', { owner: 'node1' }, () => lab.network('net0').heal('node1'));
  },
};

const split: Scenario = {
  id: '4-all-links',
  title: 'all links cut, then healed',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    const { lab } = stage.pair;
    await stage.pair.up();
    await stage.pair.settled();
    await stage.phase('cut', { owner: 'both', overlap: 'unavoidable' }, () =>
      Promise.all(lab.networks.map((network) => network.cut('node1'))),
    );
    const offsets = logLengths(stage);
    await stage.phase('healed', { owner: 'one', overlap: 'unavoidable' }, async () => {
      await Promise.all(lab.networks.map((network) => network.heal('node1')));
      await restarts(stage, offsets);
    });
    await stage.pair.settled();
    noteRestarts(stage, offsets);
    for (const name of ['node1', 'node2'] as const)
      stage.expectLog(name, /CRIT: Cluster node node\d returning after partition/, offsets[name]);
    if (!stage.isReal('node1')) stage.expectLog('node2', /giving them up, since node1 holds them/, offsets.node2);
    await stage.phase('afterwards', { owner: 'one' }, () => stage.watch(2 * times.deadtimeMs));
  },
};

const firewall: Scenario = {
  id: '4b-firewall-first',
  title: 'both started behind a firewall that is opened later',
  plan: () => twoLinks('auto_failback on', { initdeadMs: 3_000 }),
  async play(stage) {
    const { lab } = stage.pair;
    const walls = await Promise.all(
      lab.networks.flatMap((network) =>
        (['from', 'to'] as const).map((direction) => network.drop('node1', { direction, udpPort: heartbeatPort })),
      ),
    );
    await stage.phase('both start, closed', { owner: 'both', overlap: 'unavoidable' }, () =>
      Promise.all([stage.pair.start('node1'), stage.pair.start('node2')]),
    );
    const offsets = logLengths(stage);
    // Two real ones find no fault in it; only a failback, which auto_failback allows ten seconds later, ends it.
    const withinMs = stage.allReal ? 20_000 : endMs;
    await stage.phase('opened', { owner: 'one', overlap: 'unavoidable', withinMs }, async () => {
      await Promise.all(walls.map((wall) => wall.lift()));
      await restarts(stage, offsets);
    });
    noteRestarts(stage, offsets);
    if (stage.allReal) return;
    // A real node2 may be first to end it: its failback is due when it sees a partner.
    stage.expectLog('node2', /CRIT: Both machines own foreign resources: giving them up/, offsets.node2);
    await stage.pair.settled();
    await stage.phase('afterwards', { owner: 'one' }, () => stage.watch(2 * times.deadtimeMs));
  },
};

/** One direction between the nodes is lost on both networks; clients and the other direction are as before. */
function oneWay(id: string, title: string, direction: 'from' | 'to'): Scenario {
  return {
    id,
    title,
    plan: () => twoLinks('auto_failback on'),
    async play(stage) {
      const { lab } = stage.pair;
      await stage.pair.up();
      await stage.pair.settled();
      const offsets = logLengths(stage);
      const deaf = direction === 'from' ? stage.node2 : stage.node1;
      const [hearing, deafName] = direction === 'from' ? (['node1', 'node2'] as const) : (['node2', 'node1'] as const);
      // A deaf node2 takes what node1 still runs; without fencing only node1, which hears of it, can end that.
      const overlap = direction === 'from' ? 'unavoidable' : 'never';
      // A 3.0.6 that hears it says so and does nothing.
      const owner = direction === 'to' ? 'node1' : stage.isReal('node1') ? 'both' : 'node2';
      const walls: Awaited<ReturnType<ReturnType<typeof lab.network>['drop']>>[] = [];
      await stage.phase('blocked', { owner, overlap }, async () => {
        const drops = lab.networks.map((network) => network.drop('node1', { direction, udpPort: heartbeatPort }));
        walls.push(...(await Promise.all(drops)));
        await deaf.waitForLog(new RegExp(`node ${hearing}: is dead`), {
          fromOffset: offsets[deafName],
          timeoutMs: endMs,
        });
        await stage.watch(2 * times.deadtimeMs);
      });
      if (direction === 'from') stage.expectLog('node1', /giving them up.* does not hear us/, offsets.node1);
      await stage.phase('opened', { owner: 'one', overlap: 'unavoidable' }, async () => {
        await Promise.all(walls.map((wall) => wall.lift()));
        await restarts(stage, offsets);
        await stage.pair.settled();
      });
      noteRestarts(stage, offsets);
      await stage.phase('afterwards', { owner: 'one' }, () => stage.watch(2 * times.deadtimeMs));
    },
  };
}

type Offsets = Readonly<Record<'node1' | 'node2', number>>;

function logLengths(stage: Stage): Offsets {
  return { node1: stage.node1.log().length, node2: stage.node2.log().length };
}

const restarted = (log: string): boolean => log.includes('Performing heartbeat restart exec');

/** Waits until every real node that saw a partition heal has begun its restart: what it owns meanwhile is not its last word. */
async function restarts(stage: Stage, offsets: Offsets): Promise<void> {
  await Promise.all(
    (['node1', 'node2'] as const)
      .filter((name) => stage.isReal(name))
      .map(async (name) => {
        const host = stage.pair.host(name);
        const said = (): string => host.log().slice(offsets[name]);
        // A node that has heard the other one all the time has nothing to find.
        const lastWord = [...host.log().matchAll(/Link node\d:eth\d (up|dead)/g)].at(-1)?.[1];
        if (lastWord !== 'up')
          await host.waitForLog(/Link node\d:eth\d up/, { fromOffset: offsets[name], timeoutMs: endMs });
        if (!said().includes('returning after partition')) return;
        await eventually(() => restarted(said()), { what: `the restart of ${name}`, timeoutMs: restartMs });
      }),
  );
}

function noteRestarts(stage: Stage, offsets: Offsets): void {
  for (const name of ['node1', 'node2'] as const) {
    const log = stage.pair.host(name).log().slice(offsets[name]);
    if (restarted(log)) stage.note(`${name} (${stage.isReal(name) ? '3.0.6' : 'Systole'}) restarted itself`);
    const given = /CRIT: (Both machines own .*)/.exec(log)?.[1];
    if (given !== undefined) stage.note(`${name}: ${given}`);
  }
}

export const networkScenarios: readonly Scenario[] = [
  publicCable,
  split,
  firewall,
  oneWay('7-node1-mute', "node1's heartbeats blocked: node2 does not hear it", 'from'),
  oneWay('7-node1-deaf', "node2's heartbeats blocked: node1 does not hear it", 'to'),
];
