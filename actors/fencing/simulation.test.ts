/** Two nodes that can switch each other off, any schedule: nothing ever runs twice, and whatever was cut or hung, all is well in the end. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { viewResources } from '../resources/core.ts';
import { group } from '../resources/test-bench.ts';
import { TestCluster, type Which } from '../resources/test-cluster.ts';
import type { ResourcesConfig } from '../resources/types.ts';

const groups = [group('node1 web'), group('node1 mail'), group('node2 db')];

interface Act {
  readonly do: 'start' | 'kill' | 'stop' | 'cut' | 'heal' | 'standby' | 'confirm' | 'device-refuses' | 'device-works';
  readonly node: Which;
  /** What passes before the next act [ms]. */
  readonly waitMs: number;
}

const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.record({
    do: fc.constantFrom<Act['do'][]>(
      'start',
      'start',
      'kill',
      'stop',
      'cut',
      'cut',
      'heal',
      'heal',
      'standby',
      'confirm',
      'device-refuses',
      'device-works',
    ),
    node: fc.constantFrom<Which>(0, 1),
    waitMs: fc.integer({ min: 0, max: 16_000 }),
  }),
  { maxLength: 16, size: 'max' },
);

/** A small generator of its own, so that a failing case is one number and one list. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

class FencedCluster {
  readonly cluster: TestCluster;
  deviceRefuses = false;

  constructor(seed: number, autoFailback: ResourcesConfig['autoFailback']) {
    const fencing = { refuses: (): boolean => this.deviceRefuses };
    const faults = { random: seeded(seed), broken: new Set<string>(), stubborn: new Set<string>(), fencing };
    this.cluster = new TestCluster({ autoFailback, groups, fences: true }, faults);
  }

  play(schedule: readonly Act[]): void {
    const { cluster } = this;
    cluster.start(0);
    cluster.start(1);
    for (const act of schedule) {
      this.#perform(act);
      cluster.run(act.waitMs);
    }
  }

  #perform({ do: what, node }: Act): void {
    const { cluster } = this;
    if (what === 'device-refuses' || what === 'device-works') this.deviceRefuses = what === 'device-refuses';
    else if (what === 'cut' || what === 'heal') cluster.setCut(node, what === 'cut');
    else if (what === 'standby') cluster.ask(node, 'standby', 'all');
    else cluster[what](node);
  }

  fail(what: string): never {
    throw new Error(`${what}\n${this.cluster.trace.slice(-150).join('\n')}`);
  }
}

const RUNS = Number(process.env.SIMULATION_RUNS ?? 400);
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const failback = fc.constantFrom<ResourcesConfig['autoFailback']>('on', 'off', 'legacy');

it('never makes two owners, not even of what a hung or separated node runs', () => {
  fc.assert(
    fc.property(acts, seeds, failback, (schedule, seed, autoFailback) => {
      const run = new FencedCluster(seed, autoFailback);
      run.play(schedule);
      run.cluster.run(30_000);
      const { twice } = run.cluster;
      if (twice.length > 0) run.fail(`two owners: ${twice.slice(0, 3).join(', ')}`);
    }),
    { numRuns: RUNS },
  );
});

it('ends with exactly one owner of each group when the device works and all nodes are started', () => {
  fc.assert(
    fc.property(acts, seeds, failback, (schedule, seed, autoFailback) => {
      const run = new FencedCluster(seed, autoFailback);
      run.play(schedule);
      const { cluster } = run;
      run.deviceRefuses = false;
      cluster.setCut(0, false);
      cluster.setCut(1, false);
      cluster.run(30_000);
      cluster.start(0);
      cluster.start(1);
      cluster.run(120_000);
      // Somebody may have been shot by a reset that was under way: once more.
      cluster.start(0);
      cluster.start(1);
      cluster.run(120_000);
      const owners = groups.map(({ key }) => cluster.running.filter((running) => running.has(key)).length);
      const status = cluster.lives.map((live) => (live === null ? 'down' : viewResources(live.core).rscstatus));
      const pending = cluster.lives.some((live) => live?.fencing.pending != null);
      if (pending || owners.some((count) => count !== 1) || status.includes('transition') || status.includes('down'))
        run.fail(`owners ${owners.join(' ')}, ${status.join(' ')}, fencing ${pending}`);
    }),
    { numRuns: RUNS },
  );
});

it('keeps the resources of a hung node down as long as the device refuses, and takes them when it works again', () => {
  fc.assert(
    fc.property(seeds, failback, fc.constantFrom<Which>(0, 1), (seed, autoFailback, dead) => {
      const run = new FencedCluster(seed, autoFailback);
      run.play([]);
      const { cluster } = run;
      cluster.run(60_000);
      const survivor = cluster.running[dead === 0 ? 1 : 0];
      const before = [...survivor];
      const hung = [...cluster.running[dead]];
      run.deviceRefuses = true;
      cluster.kill(dead);
      cluster.run(120_000);
      expect([...survivor], 'nothing was taken').toEqual(before);
      run.deviceRefuses = false;
      cluster.run(60_000);
      expect([...survivor].toSorted()).toEqual([...before, ...hung].toSorted());
      expect(cluster.running[dead].size).toBe(0);
    }),
    { numRuns: 100 },
  );
});
