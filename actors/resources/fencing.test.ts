/** What a fencing device changes for resources: nothing of a dead node is taken before it is off. */
import { describe, expect, it } from 'vitest';
import { viewResources } from './core.ts';
import { CoreBench, n2 } from './test-bench.ts';

const acquires = (lines: readonly string[]): readonly string[] => lines.filter((line) => line.startsWith('acquire'));
const stable = 'send resource rsc_hold=local rtype=full isstable=1';

/** A node with a fencing device that runs its own groups next to a healthy partner that runs its own. */
function steady(autoFailback: 'on' | 'legacy' = 'on'): CoreBench {
  const bench = new CoreBench({ fences: true, autoFailback });
  bench.commUp();
  bench.hear('starting');
  bench.hear('resource rsc_hold=local rtype=full isstable=1');
  bench.finish();
  return bench;
}

const alive = (bench: CoreBench): readonly string[] => [
  ...bench.feed({ type: 'partition-healed', node: n2 }),
  ...bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'active', previous: 'dead' }),
];
const fenced = (bench: CoreBench): readonly string[] => bench.feed({ type: 'fenced', node: n2, by: 'device' });

describe('a node that dies', () => {
  it('is fenced first, and then taken over from', () => {
    const bench = steady();
    expect(bench.die()).toEqual(['fence node2']);
    expect(bench.pass(3_600_000)).toEqual([]);
    // As the original: the holdings are what they are until then.
    expect(viewResources(bench.state).rscstatus).toBe('local');
    expect(fenced(bench)).toEqual([
      'log info: Resources being acquired from node2.',
      'log info: Local Resource acquisition completed.',
      'send resource rsc_hold=all rtype=full isstable=1 info=req_our_resources()',
      'log harc: info: Running /etc/ha.d/rc.d/status status',
      'acquire takeover db',
    ]);
    bench.finish();
    expect(viewResources(bench.state).rscstatus).toBe('all');
    // A second word about the same death means nothing.
    expect(fenced(bench)).toEqual([]);
  });

  it('is spared when it has said that it holds nothing and is done', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=shutdown');
    bench.hear('shutdone st=dead');
    bench.finish();
    expect(bench.die()).toEqual([
      'log info: Dead node node2 gave up resources.',
      'send stonith node=node2 result=unneeded',
    ]);
  });

  it.each([
    ['is still releasing', 'resource rsc_hold=none rtype=full isstable=0 info=shutdown'],
    ['is still handing over', 'resource rsc_hold=none rtype=full isstable=0 info=standby'],
    ['has just begun its life', 'starting'],
  ])('is not spared when it says that it holds nothing but %s', (_name, message) => {
    const bench = steady();
    bench.hear(message);
    expect(bench.die()).toContain('fence node2');
  });

  it('is not spared in the middle of an exchange: it may have begun to start what it was given', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=1');
    bench.feed({ type: 'standby', set: 'local' });
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    bench.hear('resource rsc_hold=none rtype=full isstable=1');
    expect(bench.finish()).toContain('send ask_resources rsc_hold=local info=done');
    expect(bench.die()).toContain('fence node2');
    // It is back, and waits for the other half of an exchange that is forgotten here.
    expect(alive(bench)).toContain('send resource rsc_hold=none rtype=full isstable=1 info=nostandby rsc_ask=local');
  });

  it('is not spared when it was heard but has never said what it holds', () => {
    const bench = new CoreBench({ fences: true });
    bench.commUp();
    expect(bench.die()).toEqual(['fence node2']);
  });

  it('is not fenced by a node that leaves, or that could not take over', () => {
    const leaving = steady();
    leaving.feed({ type: 'give-up-all' });
    expect(leaving.die()).toEqual([]);

    const crippled = steady();
    crippled.state.crippled = true;
    expect(crippled.die()).toEqual([
      'log CRIT: Resources of node2 are not acquired: this node could not stop a resource and needs a reboot.',
    ]);
  });
});

describe('a node that was never heard', () => {
  it('is fenced before this node starts even its own groups, since the other one may hold them', () => {
    const bench = new CoreBench({ fences: true });
    expect(bench.commUp('node2')).toEqual(['fence node2 (never heard)']);
    expect(bench.pass(60_000)).toEqual([]);
    expect(viewResources(bench.state).rscstatus).toBe('transition');
    expect(acquires(fenced(bench))).toEqual(['acquire takeover db', 'acquire own web']);
  });

  it('is asked what it holds when it turns up instead', () => {
    const bench = new CoreBench({ fences: true });
    bench.commUp('node2');
    expect(alive(bench)).toEqual(['cancel-fencing returned', 'send starting']);
    expect(acquires(bench.hear('resource rsc_hold=all rtype=full isstable=1'))).toEqual([]);
    expect(bench.state.claims).toBe('none');
    expect(viewResources(bench.state).rscstatus).toBe('none');
  });

  it('settles with it as usual when it boots meanwhile', () => {
    const bench = new CoreBench({ fences: true });
    bench.commUp('node2');
    expect(bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'up', previous: 'dead' })).toEqual([
      'cancel-fencing returned',
    ]);
    expect(acquires(bench.hear('starting'))).toEqual(['acquire own web']);
    expect(fenced(bench), 'a late success').toEqual([]);
  });

  it('does not end the wait for a stable other node either', () => {
    const bench = new CoreBench({ fences: true });
    bench.commUp();
    bench.hear('resource rsc_hold=all rtype=full isstable=0');
    expect(bench.die()).toEqual(['fence node2']);
    expect(bench.pass(10_000), 'the settle timer of 10 s').toEqual([]);
    // It is back, and silent about its stability: now the timer counts.
    expect(alive(bench)).toContain('cancel-fencing returned');
    expect(bench.pass(10_000)).toContain('log info: local resource transition completed.');
  });
});

describe('a node that is back before it was fenced', () => {
  it('is left alone, and keeps what it had', () => {
    const bench = steady();
    bench.die();
    expect(alive(bench)).toEqual([
      'cancel-fencing returned',
      'send resource rsc_hold=local rtype=full isstable=0',
      stable,
    ]);
    expect(fenced(bench)).toEqual([]);
    bench.hear('resource rsc_hold=local rtype=full isstable=1');
    expect(bench.state.claims).toBe('local');
    // The next silence is a death of its own.
    expect(bench.die()).toEqual(['fence node2']);
  });

  it('may say so with the first word of a new life', () => {
    const bench = steady();
    bench.die();
    expect(bench.hear('starting')[0]).toBe('cancel-fencing returned');
    expect(fenced(bench)).toEqual([]);
  });

  it('may leave in order', () => {
    const bench = steady();
    bench.die();
    const lines = bench.hear('shutdone st=dead');
    expect(lines.slice(0, 2)).toEqual(["log info: Received shutdown notice from 'node2'.", 'cancel-fencing left']);
    expect(acquires(lines)).toEqual(['acquire takeover db']);
  });

  it('is not fenced any more when we leave', () => {
    const bench = steady();
    bench.die();
    expect(bench.feed({ type: 'give-up-all' })).toContain('cancel-fencing leaving');
    expect(fenced(bench)).toEqual([]);
  });
});

it('says that a device lies when a fenced node goes on as if nothing had been', () => {
  const bench = steady();
  bench.die();
  fenced(bench);
  bench.finish();
  expect(alive(bench)[0]).toMatch(
    /^log CRIT: node node2 was reported as switched off and goes on as if nothing had been/,
  );
  // Once.
  expect(alive(bench).filter((line) => line.includes('CRIT: node node2'))).toEqual([]);
});

it('does not say so of a node that was started again', () => {
  const bench = steady();
  bench.die();
  fenced(bench);
  bench.finish();
  bench.feed({ type: 'node-restarted', node: n2 });
  expect(alive(bench).join()).not.toContain('reported as switched off');
});

describe('legacy clusters', () => {
  it('wait as well', () => {
    const bench = new CoreBench({ fences: true, autoFailback: 'legacy' });
    expect(bench.commUp('node2')).toEqual(['fence node2 (never heard)']);
    expect(acquires(fenced(bench))).toEqual(['acquire takeover db', 'acquire own web']);
  });

  it('do not start a group that was asked for while the other node died', () => {
    const bench = new CoreBench({ fences: true, autoFailback: 'legacy' });
    expect(bench.commUp()).toContain('probe own web');
    expect(bench.die()).toEqual(['fence node2']);
    expect(acquires(bench.finish())).toEqual([]);
    expect(acquires(fenced(bench))).toEqual(['acquire takeover db', 'acquire own web']);
  });

  it('ask the other node for their groups when it is back', () => {
    const bench = new CoreBench({ fences: true, autoFailback: 'legacy' });
    bench.commUp('node2');
    expect(bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'up', previous: 'dead' })).toEqual([
      'cancel-fencing returned',
      'probe own web',
    ]);
    expect(bench.finish()).toContain('send ip-request ipaddr=web');
  });
});

it('a script cannot take a group of a node that is being fenced (req_resource)', () => {
  const bench = steady();
  bench.die();
  expect(acquires(bench.hearSelf('ip-request-resp dest=node1 ipaddr=db ok=OK weown=yes'))).toEqual([]);
});
