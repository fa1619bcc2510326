import fc from 'fast-check';
import { describe, it } from 'vitest';
import { ms } from '../../runtime/units.ts';
import { viewResources } from './core.ts';
import { group } from './test-bench.ts';
import { TestCluster, type Which } from './test-cluster.ts';
import type { ResourcesConfig } from './types.ts';

const groups = [group('node1 web'), group('node1 mail'), group('node2 db')];

type Act =
  | { readonly do: 'start' | 'kill' | 'stop'; readonly node: Which }
  | { readonly do: 'standby' | 'takeover'; readonly node: Which; readonly set: 'all' | 'local' | 'foreign' }
  | { readonly do: 'cut' | 'heal'; readonly node: Which }
  /** A resource of a group stops running by itself. */
  | { readonly do: 'fail'; readonly node: Which; readonly key: string };

interface Step {
  readonly act: Act;
  /** What passes before the next step [ms]. */
  readonly waitMs: number;
}

const node = fc.constantFrom<Which>(0, 1);
const life: fc.Arbitrary<Act> = fc.record({ do: fc.constantFrom('start', 'kill', 'stop'), node });
const operator: fc.Arbitrary<Act> = fc.record({
  do: fc.constantFrom('standby', 'takeover'),
  node,
  set: fc.constantFrom('all', 'local', 'foreign'),
});
const link: fc.Arbitrary<Act> = fc.record({ do: fc.constantFrom('cut', 'heal'), node });
const failure: fc.Arbitrary<Act> = fc.record({
  do: fc.constant('fail' as const),
  node,
  key: fc.constantFrom('web', 'mail', 'db'),
});
const waits = fc.integer({ min: 0, max: 16_000 });
const steps = (acts: fc.Arbitrary<Act>): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ act: acts, waitMs: waits }), { maxLength: 14, size: 'max' });

/** A small generator of its own, so that a failing case is one number and one list. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function perform(cluster: TestCluster, act: Act): void {
  switch (act.do) {
    case 'start':
    case 'kill':
    case 'stop':
      cluster[act.do](act.node);
      return;
    case 'standby':
    case 'takeover':
      cluster.ask(act.node, act.do, act.set);
      return;
    case 'cut':
    case 'heal':
      cluster.setCut(act.node, act.do === 'cut');
      return;
    case 'fail':
      cluster.fail(act.node, act.key);
      return;
  }
}

function play(
  schedule: readonly Step[],
  seed: number,
  autoFailback: ResourcesConfig['autoFailback'],
  faults: { readonly broken?: readonly string[]; readonly stubborn?: readonly string[] } = {},
): TestCluster {
  const { broken = [], stubborn = [] } = faults;
  const cluster = new TestCluster(
    { autoFailback, groups, monitor: { intervalMs: ms(1_000), failures: 2 } },
    { random: seeded(seed), broken: new Set(broken), stubborn: new Set(stubborn) },
  );
  cluster.start(0);
  cluster.start(1);
  for (const { act, waitMs } of schedule) {
    perform(cluster, act);
    cluster.run(waitMs);
  }
  return cluster;
}

/** Everything is repaired, nobody interferes: a minute of deadlines and a minute of work are enough for any settling. */
function recover(cluster: TestCluster): void {
  cluster.setCut(0, false);
  cluster.setCut(1, false);
  cluster.run(20_000);
  cluster.start(0);
  cluster.start(1);
  cluster.run(120_000);
}

function expectOneOwnerEach(cluster: TestCluster): void {
  const owners = groups.map(({ key }) => cluster.running.filter((running) => running.has(key)).length);
  const status = cluster.lives.map((live) => (live === null ? 'down' : viewResources(live.core).rscstatus));
  if (owners.some((count) => count !== 1) || status.includes('transition')) {
    throw new Error(`owners ${owners.join(' ')}, ${status.join(' ')}\n${cluster.trace.slice(-120).join('\n')}`);
  }
}

function expectNeverTwice(cluster: TestCluster): void {
  if (cluster.twice.length > 0)
    throw new Error(`two owners: ${cluster.twice.slice(0, 3).join(', ')}\n${cluster.trace.slice(-120).join('\n')}`);
}

/** Set SIMULATION_RUNS for a long search. */
const RUNS = Number(process.env.SIMULATION_RUNS ?? 400);

const failback = fc.constantFrom<ResourcesConfig['autoFailback']>('on', 'off', 'legacy');
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

const places = ['node1 web', 'node1 mail', 'node1 db', 'node2 web', 'node2 mail', 'node2 db'];
/** Mostly none, else groups that misbehave on a node. */
const trouble = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.subarray(places, { maxLength: 2 }) },
);

describe('two nodes, any schedule', () => {
  // Found by long searches; each one failed once.
  it.each<
    readonly [
      string,
      ResourcesConfig['autoFailback'],
      number,
      readonly (readonly [Act['do'], Which, number, ('all' | 'local' | 'foreign')?])[],
    ]
  >([
    [
      'legacy, only one node missed the other',
      'legacy',
      9,
      [
        ['start', 0, 2_012],
        ['cut', 0, 4_460],
        ['start', 0, 1_540],
      ],
    ],
    [
      'legacy, a request before the other node is up',
      'legacy',
      2_092_536_571,
      [
        ['kill', 1, 347],
        ['start', 1, 0],
      ],
    ],
    [
      'legacy, an answer meant for the life before',
      'legacy',
      400_658_447,
      [
        ['start', 0, 1_409],
        ['stop', 1, 1_302],
        ['start', 1, 0],
      ],
    ],
    [
      'a request of an operator that this node itself ignores',
      'off',
      0,
      [
        ['cut', 0, 12_329],
        ['standby', 0, 0, 'all'],
      ],
    ],
    [
      'a node that was given everything died for the giver only',
      'on',
      0,
      [
        ['standby', 0, 1_097, 'all'],
        ['takeover', 0, 434, 'all'],
        ['cut', 1, 6_000],
        ['heal', 1, 0],
      ],
    ],
  ])('settles: %s', (_name, autoFailback, seed, acts) => {
    const schedule = acts.map(
      ([what, which, waitMs, set = 'all']): Step => ({ act: { do: what, node: which, set } as Act, waitMs }),
    );
    const cluster = play(schedule, seed, autoFailback);
    recover(cluster);
    expectOneOwnerEach(cluster);
  });

  it('never makes two owners while messages flow', () => {
    fc.assert(
      fc.property(
        steps(fc.oneof(life, operator, failure)),
        seeds,
        failback,
        trouble,
        trouble,
        (schedule, seed, autoFailback, broken, stubborn) => {
          const cluster = play(schedule, seed, autoFailback, { broken, stubborn });
          cluster.run(30_000);
          expectNeverTwice(cluster);
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('ends with exactly one owner of each group, whatever died or was cut', () => {
    fc.assert(
      fc.property(steps(fc.oneof(life, operator, link, failure)), seeds, failback, (schedule, seed, autoFailback) => {
        const cluster = play(schedule, seed, autoFailback);
        recover(cluster);
        expectOneOwnerEach(cluster);
        cluster.twice.length = 0;
        cluster.run(60_000);
        expectNeverTwice(cluster);
      }),
      { numRuns: RUNS },
    );
  });

  it('holds groups twice for a short time only when one direction is blocked: the node that is not heard gives way', () => {
    const stepMs = 50;
    // A second of patience, a release of up to 2 s for each of two groups, and messages that take up to 0.4 s; the usual patience alone is 5 s.
    const mostMs = 1_000 + 2 * 2_010 + 2 * 400;
    fc.assert(
      fc.property(seeds, fc.constantFrom<ResourcesConfig['autoFailback']>('on', 'off'), (seed, autoFailback) => {
        const cluster = play([], seed, autoFailback);
        cluster.run(30_000);
        expectOneOwnerEach(cluster);
        cluster.setCut(0, true);
        let bothMs = 0;
        for (let elapsedMs = 0; elapsedMs < 40_000; elapsedMs += stepMs) {
          cluster.run(stepMs);
          if (cluster.running[0].has('web') && cluster.running[1].has('web')) bothMs += stepMs;
        }
        if (bothMs > mostMs) throw new Error(`${bothMs} ms\n${cluster.trace.slice(-60).join('\n')}`);
        expectOneOwnerEach(cluster);
      }),
      { numRuns: 50 },
    );
  });

  it('moves a group that cannot start on one node to the other, and leaves it there', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.constantFrom<ResourcesConfig['autoFailback']>('on', 'off'),
        fc.constantFrom('node1 web', 'node2 db'),
        (seed, autoFailback, broken) => {
          const cluster = play([], seed, autoFailback, { broken: [broken] });
          cluster.run(120_000);
          expectOneOwnerEach(cluster);
          expectNeverTwice(cluster);
        },
      ),
      { numRuns: 50 },
    );
  });
});
