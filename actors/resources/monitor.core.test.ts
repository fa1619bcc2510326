import { describe, expect, it } from 'vitest';
import { ms } from '../../runtime/units.ts';
import { CoreBench, group, n2 } from './test-bench.ts';
import type { ResourcesConfig } from './types.ts';

const monitor = { intervalMs: ms(1_000), failures: 3 };

function settled(options: Partial<ResourcesConfig> = {}): CoreBench {
  const bench = new CoreBench({ autoFailback: 'off', monitor, ...options });
  bench.commUp();
  bench.hear('starting');
  bench.finish();
  bench.hear('resource rsc_hold=local rtype=full isstable=1 seq=1');
  bench.finish();
  return bench;
}

const fail = (bench: CoreBench): readonly string[] =>
  bench.feed({ type: 'resource-failed', key: 'web', resource: 'web' });
const jobs = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => /^(?:acquire|release|restart|send ask_resources)/.test(line));

describe('a resource that does not run any more', () => {
  it('is started again in place, and given up for the other node at the third failure', () => {
    const bench = settled();
    for (let count = 1; count < 3; count++) {
      const lines = fail(bench);
      expect(lines).toContain(`log ERROR: Resource web of group web does not run any more (failure ${count} of 3).`);
      expect(jobs(lines)).toEqual(['restart monitor web']);
      bench.finish();
      expect(bench.state.groups.get('web')?.activity).toBe('held');
      expect(bench.state.claims).toBe('local');
    }
    expect(jobs(fail(bench))).toEqual(['release monitor web']);
    expect(jobs(bench.finish())).toEqual(['send ask_resources rsc_hold=local info=me']);
    expect(bench.state.groups.get('web')?.activity).toBe('failed');
    expect(bench.state.claims).toBe('none');
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    expect(bench.finish()).toContain('send ask_resources rsc_hold=local info=done');
  });

  it('counts only the failures of the last hour', () => {
    const bench = settled();
    for (let hour = 0; hour < 10; hour++) {
      expect(jobs(fail(bench))).toEqual(['restart monitor web']);
      bench.finish();
      bench.pass(1_800_001);
    }
  });

  it('that cannot be started again makes the group failed, and is offered at once', () => {
    const bench = settled();
    fail(bench);
    expect(jobs(bench.finish((key) => ({ key, result: 'failed', resource: key })))).toEqual([
      'send ask_resources rsc_hold=local info=me',
    ]);
  });

  it('that cannot be stopped makes the node unfit to acquire', () => {
    const bench = settled();
    fail(bench);
    expect(bench.finish((key) => ({ key, result: 'stuck', resource: key }))).toContain('reboot-required web');
    expect(bench.state.crippled).toBe(true);
  });

  it('is started again at growing distances when there is nobody to take it', () => {
    const bench = settled();
    bench.die();
    bench.finish();
    const restartsMs: number[] = [];
    for (let second = 0; second < 3_500; second++) {
      if (jobs(fail(bench)).includes('restart monitor web')) restartsMs.push(bench.nowMs);
      bench.finish();
      bench.pass(1_000);
    }
    const distances = restartsMs.slice(1).map((at, index) => (at - (restartsMs[index] ?? 0)) / 1_000);
    expect(distances).toEqual([1, 1, 1, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
  });

  it('is started here again when the node dies that it was given up for', () => {
    // Found by a long search: the node held everything else, so that its partner's death left nothing to take over.
    const bench = settled({ groups: [group('node1 mail'), group('node1 web'), group('node2 db')] });
    bench.hear('resource rsc_hold=none rtype=full isstable=1 seq=2');
    bench.die();
    bench.finish();
    bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'active', previous: 'dead' });
    bench.hear('resource rsc_hold=none rtype=full isstable=1 seq=3');
    expect(bench.state.claims).toBe('all');
    for (let count = 1; count <= 3; count++) {
      fail(bench);
      bench.finish();
    }
    expect(bench.state.groups.get('web')?.activity).toBe('failed');
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    expect(jobs(bench.die()).join()).toMatch(/acquire own mail web/);
    bench.finish();
    expect(bench.state.groups.get('web')?.activity).toBe('held');
  });

  it('does not wander: one that came back from the other node within the hour stays here', () => {
    const bench = settled();
    for (let count = 1; count <= 3; count++) {
      fail(bench);
      bench.finish();
    }
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    bench.finish();
    bench.hear('ask_resources rsc_hold=local info=done');
    bench.hear('resource rsc_hold=all rtype=full isstable=1 seq=2');
    // It failed there as well: the other node offers it back.
    bench.hear('ask_resources rsc_hold=foreign info=me');
    bench.hear('ask_resources rsc_hold=foreign info=done');
    bench.finish();
    bench.hear('resource rsc_hold=local rtype=full isstable=1 seq=3');
    bench.finish();
    expect(bench.state.groups.get('web')?.activity).toBe('held');
    for (let count = 1; count <= 4; count++) {
      expect(jobs(fail(bench))).toEqual(['restart monitor web']);
      bench.finish();
    }
  });

  it.each([
    ['is not held', (bench: CoreBench) => bench.feed({ type: 'resource-failed', key: 'db', resource: 'db' })],
    ['is unknown', (bench: CoreBench) => bench.feed({ type: 'resource-failed', key: 'x', resource: 'x' })],
  ])('does nothing for a group that %s', (_name, feed) => {
    expect(feed(settled())).toEqual([]);
  });

  it('does nothing while something is under way for the group, nor while the node stops', () => {
    const bench = settled();
    fail(bench);
    expect(fail(bench)).toEqual([]);
    bench.finish();
    bench.feed({ type: 'give-up-all' });
    expect(fail(bench)).toEqual([]);
  });

  it('does nothing without the directive', () => {
    expect(fail(settled({ monitor: null }))).toEqual([]);
  });
});
