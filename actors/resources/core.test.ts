import { describe, expect, it } from 'vitest';
import { ms, nodeName } from '../../runtime/units.ts';
import { viewResources } from './core.ts';
import { CoreBench, group, n1, n2, works } from './test-bench.ts';
import type { GroupOutcome } from './types.ts';

const stable = 'send resource rsc_hold=local rtype=full isstable=1';

/** A node that runs its own groups next to a healthy partner that runs its own. */
function steady(options: ConstructorParameters<typeof CoreBench>[0] = {}): CoreBench {
  const bench = new CoreBench(options);
  bench.commUp();
  bench.hear('starting');
  bench.hear('resource rsc_hold=local rtype=full isstable=1');
  bench.finish();
  return bench;
}

describe('negotiation (section 3)', () => {
  it('settles at once when the other node has just begun its life', () => {
    const bench = new CoreBench();
    expect(bench.commUp()).toEqual([]);
    expect(bench.hear('starting')).toEqual([
      'send resource rsc_hold=none rtype=full isstable=0',
      'log info: local resource transition completed.',
      stable,
      'log info: Initial resource acquisition complete (T_RESOURCES(us))',
      'log info: Local Resource acquisition completed.',
      `${stable} info=req_our_resources()`,
      'acquire own web',
      'release verify-idle db',
    ]);
    expect(bench.finish()).toEqual([]);
    expect(viewResources(bench.state).rscstatus).toBe('transition');
    expect(bench.hear('resource rsc_hold=none rtype=full isstable=0')).toEqual([]);
    expect(bench.hear('resource rsc_hold=local rtype=full isstable=1')).toEqual([
      'log info: remote resource transition completed.',
      stable,
    ]);
    expect(viewResources(bench.state).rscstatus).toBe('local');
  });

  it('follows the other node that settled first', () => {
    const bench = new CoreBench();
    bench.commUp();
    expect(bench.hear('resource rsc_hold=none rtype=full isstable=0')).toEqual([]);
    expect(bench.hear('resource rsc_hold=local rtype=full isstable=1')).toEqual([
      'log info: remote resource transition completed.',
      'send resource rsc_hold=none rtype=full isstable=0',
      'log info: remote resource transition completed.',
      stable,
      'log info: Initial resource acquisition complete (T_RESOURCES(us))',
      'log info: Local Resource acquisition completed.',
      `${stable} info=req_our_resources()`,
      'acquire own web',
      'release verify-idle db',
    ]);
  });

  it('waits 10 s for a node that is silent about its stability, and not longer', () => {
    const bench = new CoreBench();
    bench.commUp();
    bench.hear('resource rsc_hold=none rtype=full isstable=0');
    expect(bench.pass(9_999)).toEqual([]);
    expect(bench.pass(1)).toContain('acquire own web');
  });

  it.each([
    ['on', ['log info: Local Resource acquisition completed. (none)']],
    [
      'off',
      [
        'log info: Local Resource acquisition completed. (none)',
        'log info: Initial resource acquisition complete (T_RESOURCES(them))',
      ],
    ],
  ] as const)('leaves its groups with a node that holds everything (auto_failback %s)', (autoFailback, lines) => {
    const bench = new CoreBench({ autoFailback });
    bench.commUp();
    const out = bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(out.filter((line) => line.startsWith('log'))).toEqual([
      'log info: remote resource transition completed.',
      'log info: remote resource transition completed.',
      ...lines,
    ]);
    expect(out.filter((line) => line.startsWith('acquire'))).toEqual([]);
    expect(bench.state.claims).toBe('none');
  });

  it('tells a node that starts what it holds, also what it is still stopping', () => {
    const bench = steady();
    expect(bench.hear('starting')).toEqual([stable]);
    bench.hear('resource rsc_hold=none rtype=full isstable=1');
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    expect(bench.state.claims).toBe('none');
    const out = bench.hear('starting');
    expect(out.at(-1)).toBe('send resource rsc_hold=local rtype=full isstable=0');
    expect(out).toContain('acquire standby web');
  });

  it('does not settle on the word of a node that is still stopping things', () => {
    const bench = new CoreBench();
    bench.commUp();
    bench.hear('resource rsc_hold=all rtype=full isstable=0');
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=shutdown');
    expect(bench.pass(60_000)).toEqual([]);
    expect(bench.hear('shutdone st=dead')).toContain('acquire own web');
    expect(bench.finish()).toContain('log info: local resource transition completed.');
  });

  it('ignores a report that arrives after a newer one', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=local rtype=full isstable=1 seq=1f');
    bench.hear('resource rsc_hold=all rtype=full isstable=0 seq=1e');
    expect(bench.state.other?.holding).toBe('local');
  });

  it('adds reports of scripts to what is known, and lets `none` clear it', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=foreign info=mach_down');
    expect(bench.state.other?.holding).toBe('all');
    bench.hear('resource rsc_hold=none');
    expect(bench.state.other?.holding).toBe('none');
  });

  it('takes everything of a cluster of one node', () => {
    const bench = new CoreBench({
      nodes: [{ name: steady().state.config.self, type: 'normal' }],
      groups: [group('node1 web')],
    });
    bench.commUp();
    bench.finish();
    expect(viewResources(bench.state)).toMatchObject({ rscstatus: 'local', groups: [{ key: 'web', running: true }] });
  });
});

describe('death of the other node (section 5)', () => {
  const takeover = [
    'log info: Resources being acquired from node2.',
    'log info: Local Resource acquisition completed.',
    'send resource rsc_hold=all rtype=full isstable=1 info=req_our_resources()',
    'log harc: info: Running /etc/ha.d/rc.d/status status',
    'acquire takeover db',
  ];
  const complete = [
    'log mach_down: info: /usr/share/heartbeat/mach_down: nice_failback: foreign resources acquired',
    'log mach_down: info: mach_down takeover complete for node node2.',
    'log info: mach_down takeover complete.',
    'send resource rsc_hold=all rtype=full isstable=1 info=mach_down',
  ];

  it('takes over at once, since no fencing device is configured', () => {
    const bench = steady();
    expect(bench.die()).toEqual([
      'send stonith node=node2 result=n_stnth',
      'log WARN: No STONITH device configured.',
      'log WARN: Shared disks are not protected.',
      ...takeover,
    ]);
    expect(bench.finish()).toEqual(complete);
    expect(viewResources(bench.state).rscstatus).toBe('all');
    expect(bench.effects.filter((effect) => effect.type === 'event').map((effect) => effect.happening.event)).toEqual([
      'holding',
      'takeover.begun',
      'holding',
      'takeover.ended',
    ]);
  });

  it('takes everything when it starts alone, and settles as soon as it is done', () => {
    const bench = new CoreBench();
    expect(bench.commUp('node2')).toEqual([
      'send stonith node=node2 result=n_stnth',
      'log WARN: No STONITH device configured.',
      'log WARN: Shared disks are not protected.',
      ...takeover,
      'acquire own web',
    ]);
    expect(bench.finish()).toEqual([
      ...complete,
      'log info: Initial resource acquisition complete (mach_down)',
      'log info: Local Resource acquisition completed. (none)',
      'log info: local resource transition completed.',
      'send resource rsc_hold=all rtype=full isstable=1',
    ]);
    // The same death is told once more when membership emits it after communication is up.
    expect(bench.die(false)).toEqual([]);
  });

  it('knows from an early death whether the node was heard', () => {
    const bench = new CoreBench();
    expect(bench.die(true)).toEqual([]);
    expect(bench.commUp('node2')).toContain('log info: Dead node node2 gave up resources.');
  });

  it('does nothing more when a node dies that had given up', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=shutdown');
    bench.hear('shutdone st=dead');
    bench.finish();
    expect(bench.die()).toEqual([
      'log info: Dead node node2 gave up resources.',
      'send stonith node=node2 result=unneeded',
    ]);
  });

  it('does not count the failed groups of a takeover as held', () => {
    const bench = steady();
    bench.die();
    const out = bench.finish((key) => ({ key, result: 'failed', resource: key }));
    expect(out).toContain('log mach_down: ERROR: Takeover of resource group db failed.');
    expect(out).toContain('send resource rsc_hold=local rtype=full isstable=1 info=mach_down');
    expect(viewResources(bench.state).rscstatus).toBe('local');
  });

  it('leaves ping nodes and strangers alone', () => {
    const bench = steady();
    const silence = { silentMs: 1, limitMs: 1, decidedMs: 1 } as unknown as Parameters<typeof bench.feed>[0];
    expect(
      bench.feed({ ...silence, type: 'node-dead', node: n2, nodeType: 'ping', wasHeard: true } as Parameters<
        typeof bench.feed
      >[0]),
    ).toEqual([]);
  });
});

describe('graceful stop (section 6)', () => {
  it('gives everything up, and says so when it is done', () => {
    const bench = steady();
    expect(bench.feed({ type: 'give-up-all' })).toEqual([
      'send resource rsc_hold=none rtype=full isstable=0 info=shutdown',
      'log info: Giving up all HA resources.',
      'release shutdown web db',
    ]);
    expect(bench.finish()).toEqual(['log info: All HA resources relinquished.', 'send shutdone st=dead', 'released']);
    expect(bench.hear('shutdone st=dead')).toEqual([
      "log info: Received shutdown notice from 'node2'.",
      'log info: Resource takeover cancelled - shutdown in progress.',
    ]);
  });

  it('does not tell the other node to take what is stuck here', () => {
    const bench = steady();
    bench.feed({ type: 'give-up-all' });
    const out = bench.finish((key) =>
      key === 'web' ? { key, result: 'stuck', resource: key } : works(key, 'release'),
    );
    expect(out).not.toContain('send shutdone st=dead');
    expect(out).toContain('send resource rsc_hold=local rtype=full isstable=0');
    expect(out.at(-1)).toBe('released web');
  });

  it('takes over at the notice, without waiting for silence', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=shutdown');
    expect(bench.hear('shutdone st=dead')).toEqual([
      "log info: Received shutdown notice from 'node2'.",
      'log info: Resources being acquired from node2.',
      'log info: acquire local HA resources (standby).',
      'log info: Local Resource acquisition completed.',
      'send resource rsc_hold=all rtype=full isstable=1 info=req_our_resources()',
      'log info: local HA resource acquisition completed (standby).',
      'log info: Standby resource acquisition done [all].',
      'log harc: info: Running /etc/ha.d/rc.d/status status',
      'acquire takeover db',
    ]);
  });

  it('is done at once, and tells nobody, before communication is up', () => {
    const bench = new CoreBench();
    bench.feed({ type: 'give-up-all' });
    expect(bench.finish()).toEqual(['log info: All HA resources relinquished.', 'released']);
  });
});

describe('standby (section 7)', () => {
  it.each([
    ['all', 'none'],
    ['local', 'none'],
    ['foreign', 'local'],
  ] as const)('gives %s up', (set, left) => {
    const bench = steady();
    expect(bench.hearSelf(`ask_resources rsc_hold=${set} info=me`)).toEqual([
      `log info: node1 wants to go standby [${set}]`,
    ]);
    expect(bench.hear(`ask_resources rsc_hold=${set} info=other`)).toEqual([
      `log info: standby: node2 can take our ${set} resources`,
      `send resource rsc_hold=${left} rtype=full isstable=0 info=standby`,
      `log info: give up ${set} HA resources (standby).`,
      `release standby ${{ all: 'web db', local: 'web', foreign: 'db' }[set]}`,
    ]);
    expect(viewResources(bench.state).rscstatus).toBe('transition');
    expect(bench.finish()).toEqual([
      `log info: ${set} HA resource release completed (standby).`,
      `log info: Local standby process completed [${set}].`,
      `send ask_resources rsc_hold=${set} info=done`,
    ]);
    expect(
      bench.hear(`resource rsc_hold=${{ all: 'all', local: 'all', foreign: 'local' }[set]} rtype=full isstable=1`),
    ).toEqual([
      'log info: remote resource transition completed.',
      `send resource rsc_hold=${left} rtype=full isstable=1`,
    ]);
    expect(bench.hear(`ask_resources rsc_hold=${set} info=done`)).toEqual([
      `log info: Other node completed standby takeover of ${set} resources.`,
      `send resource rsc_hold=${left} rtype=full isstable=1`,
    ]);
    expect(viewResources(bench.state).rscstatus).toBe(left);
  });

  it.each([
    ['all', 'all', 'all'],
    ['foreign', 'local', 'local'],
    ['local', 'foreign', 'all'],
  ] as const)('takes what the other calls %s', (set, mine, held) => {
    const bench = steady();
    expect(bench.hear(`ask_resources rsc_hold=${set} info=me`)).toEqual([
      `log info: node2 wants to go standby [${set}]`,
      `send ask_resources rsc_hold=${set} info=other`,
    ]);
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=standby');
    expect(bench.hear(`ask_resources rsc_hold=${set} info=done`)).toEqual([
      `log info: standby: acquire [${set}] resources from node2`,
      `log info: acquire ${mine} HA resources (standby).`,
      `acquire standby ${{ all: 'web db', local: 'web', foreign: 'db' }[mine]}`,
    ]);
    expect(bench.finish()).toEqual([
      `log info: ${mine} HA resource acquisition completed (standby).`,
      `log info: Standby resource acquisition done [${set}].`,
      `send resource rsc_hold=${held} rtype=full isstable=1`,
      `send ask_resources rsc_hold=${set} info=done`,
    ]);
  });

  it('cancels a request that nobody answers after 10 s', () => {
    const bench = steady();
    bench.hearSelf('ask_resources rsc_hold=all info=me');
    expect(bench.pass(9_999)).toEqual([]);
    expect(bench.pass(1)).toEqual(['log WARN: No reply to standby request.  Standby request cancelled.', stable]);
    expect(bench.state.claims).toBe('local');
  });

  it.each([
    [
      'a second request',
      (b: CoreBench) => b.hearSelf('ask_resources rsc_hold=all info=me'),
      'Standby in progress- new request from node1 ignored [10 seconds left]',
    ],
    [
      'an unstable partner',
      (b: CoreBench) => b.hear('resource rsc_hold=local rtype=full isstable=0'),
      'standby message [me] from node1 ignored.  Other side is in flux.',
    ],
  ])('refuses %s', (_name, prepare, line) => {
    const bench = steady();
    prepare(bench);
    expect(bench.hearSelf('ask_resources rsc_hold=all info=me')).toEqual([`log WARN: ${line}`]);
  });

  it('names unexpected messages, and ends the exchange that the other node believes in', () => {
    const bench = steady();
    expect(bench.hear('ask_resources rsc_hold=all info=done')).toEqual([
      "log ERROR: Ignored standby message 'done' from node2 in state 0",
      'send resource rsc_hold=local rtype=full isstable=1 info=nostandby rsc_ask=all',
    ]);
    bench.hear('ask_resources rsc_hold=all info=me');
    bench.hear('resource rsc_hold=local rtype=full isstable=1 info=nostandby rsc_ask=all');
    expect(viewResources(bench.state).rscstatus).toBe('local');
  });

  it('never says `done` for what it could not stop', () => {
    const bench = steady();
    bench.hearSelf('ask_resources rsc_hold=all info=me');
    bench.hear('ask_resources rsc_hold=all info=other');
    const out = bench.finish((key) =>
      key === 'web' ? { key, result: 'stuck', resource: key } : works(key, 'release'),
    );
    expect(out.filter((line) => line.includes('done'))).toEqual([]);
    expect(out).toContain('reboot-required web');
    expect(out).toContain('send resource rsc_hold=local rtype=full isstable=0');
    expect(bench.die().filter((line) => line.startsWith('acquire'))).toEqual([]);
  });

  it('takes over when the other node dies in the middle', () => {
    const bench = steady();
    bench.hearSelf('ask_resources rsc_hold=all info=me');
    bench.hear('ask_resources rsc_hold=all info=other');
    expect(bench.die()).toContain('log info: Cancelling pending standby operation');
    bench.finish();
    expect(viewResources(bench.state)).toMatchObject({
      rscstatus: 'all',
      groups: [{ running: true }, { running: true }],
    });
  });

  it.each([
    ['all', 'all'],
    ['local', 'foreign'],
    ['foreign', 'local'],
    ['failback', 'foreign'],
  ])('does as a node asks that wants our groups (%s)', (word, asked) => {
    expect(steady().hear(`hb_takeover rsc_hold=${word}`)).toEqual([
      'log harc: info: Running /etc/ha.d/rc.d/hb_takeover hb_takeover',
      `log hb_standby: Going standby [${asked}].`,
      `send ask_resources rsc_hold=${asked} info=me`,
    ]);
  });
});

describe('automatic failback (section 8)', () => {
  const back = (autoFailback: 'on' | 'off'): readonly string[] => {
    const bench = steady({ autoFailback });
    bench.die();
    bench.finish();
    bench.hear('starting');
    bench.hear('resource rsc_hold=none rtype=full isstable=0');
    return bench.hear('resource rsc_hold=none rtype=full isstable=1');
  };

  it('gives the groups back once the node is stable', () => {
    expect(back('on')).toEqual([
      'log info: remote resource transition completed.',
      'send resource rsc_hold=all rtype=full isstable=1',
      'send ask_resources rsc_hold=foreign info=me',
    ]);
  });

  it('waits for a node that left and is back before it was taken for dead: what it said in its last life counts no more', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=0 info=shutdown');
    bench.hear('shutdone st=dead');
    bench.finish();
    bench.feed({ type: 'node-restarted', node: n2 });
    const early = bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'up', previous: 'active' });
    expect(early.filter((line) => line.includes('ask_resources'))).toEqual([]);
    bench.hear('starting');
    bench.hear('resource rsc_hold=none rtype=full isstable=0');
    expect(bench.hear('resource rsc_hold=none rtype=full isstable=1')).toContain(
      'send ask_resources rsc_hold=foreign info=me',
    );
  });

  it('keeps them when it is off', () => {
    expect(back('off').filter((line) => line.includes('ask_resources'))).toEqual([]);
  });

  it('tries again when the node did not answer', () => {
    const bench = steady();
    bench.die();
    bench.finish();
    bench.hear('starting');
    bench.hear('resource rsc_hold=none rtype=full isstable=1');
    bench.hearSelf('ask_resources rsc_hold=foreign info=me');
    bench.pass(10_000);
    expect(bench.pass(10_000)).toContain('send ask_resources rsc_hold=foreign info=me');
  });
});

describe('failed starts (section 14)', () => {
  const fails = (key: string, verb: string): GroupOutcome =>
    verb === 'acquire' ? { key, result: 'failed', resource: key } : works(key, verb);

  it('reports what really runs, and offers a local group to the other node once', () => {
    const bench = new CoreBench();
    bench.commUp();
    bench.hear('starting');
    bench.finish(fails);
    const out = bench.hear('resource rsc_hold=local rtype=full isstable=1');
    expect(out).toContain('log hb_standby: Going standby [local].');
    expect(out).toContain('send ask_resources rsc_hold=local info=me');
    expect(bench.state.claims).toBe('none');
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    bench.finish();
    // It cannot start there either: it comes back, fails again, and is not offered again.
    bench.hear('resource rsc_hold=local rtype=full isstable=1');
    bench.hear('ask_resources rsc_hold=local info=done');
    bench.hear('ask_resources rsc_hold=foreign info=me');
    bench.hear('ask_resources rsc_hold=foreign info=done');
    const last = bench.finish(fails);
    expect(last.filter((line) => line.includes('info=me'))).toEqual([]);
    bench.hear('resource rsc_hold=local rtype=full isstable=1');
    expect(bench.pass(60_000).filter((line) => line.includes('info=me') || line.startsWith('acquire'))).toEqual([]);
  });
});

describe('two owners, and none', () => {
  const CRIT =
    'log CRIT: Both machines own foreign resources: giving them up, since node2 holds them and it is their preferred owner.';

  it('gives the other node its groups after a healed partition, and keeps its own', () => {
    const bench = steady();
    bench.die();
    bench.finish();
    expect(bench.feed({ type: 'partition-healed', node: n2 })).toEqual([
      'send resource rsc_hold=all rtype=full isstable=0',
      'send resource rsc_hold=all rtype=full isstable=1',
    ]);
    const out = bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(out).toContain(CRIT);
    expect(out).toContain('release double-holding db');
    expect(out).toContain('send resource rsc_hold=local rtype=full isstable=0');
    // The neighbours believe whoever announced last: once more when the other node gives up, and again when it has.
    expect(bench.hear('resource rsc_hold=local rtype=full isstable=0')).toEqual(['announce web']);
    expect(bench.finish()).toContain('send resource rsc_hold=local rtype=full isstable=1');
    expect(bench.hear('resource rsc_hold=local rtype=full isstable=1')).toContain('announce web');
    expect(bench.hear('resource rsc_hold=local rtype=full isstable=1')).not.toContain('announce web');
    expect(bench.pass(60_000).filter((line) => line.startsWith('release'))).toEqual([]);
  });

  it('does the same on first contact of nodes that were started apart', () => {
    const bench = new CoreBench();
    bench.commUp('node2');
    bench.finish();
    expect(
      bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'active', previous: 'dead' }),
    ).toEqual(['send resource rsc_hold=all rtype=full isstable=0', 'send resource rsc_hold=all rtype=full isstable=1']);
    expect(bench.hear('resource rsc_hold=all rtype=full isstable=1')).toContain('release double-holding db');
  });

  const asking = [
    'log WARN: Both machines own local resources: asking node2 to give them up.',
    'send hb_takeover rsc_hold=local',
  ];

  it('asks a node that keeps them in its own protocol, once', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(bench.pass(1_999)).toEqual([]);
    expect(bench.pass(1)).toEqual(asking);
    expect(bench.hear('ask_resources rsc_hold=foreign info=me')).toContain(
      'send ask_resources rsc_hold=foreign info=other',
    );
    bench.hear('resource rsc_hold=local rtype=full isstable=0 info=standby');
    expect(bench.pass(10_000)).toEqual([]);
    bench.hear('ask_resources rsc_hold=foreign info=done');
    bench.finish();
    bench.hear('resource rsc_hold=local rtype=full isstable=1');
    expect(bench.pass(60_000).filter((line) => line.startsWith('release'))).toEqual([]);
    expect(bench.state.claims).toBe('local');
  });

  it('gives way after 5 s when the other node does not, and takes its groups back when it may', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(bench.pass(4_999)).toEqual(asking);
    expect(bench.pass(1)).toContain('release double-holding web');
    bench.finish();
    expect(bench.state.claims).toBe('none');
    bench.hear('resource rsc_hold=local rtype=full isstable=1');
    expect(bench.pass(2_000)).toContain('acquire own web');
  });

  it('gives way after 1 s when the other node has declared this one dead: it does not hear', () => {
    const bench = steady();
    bench.hear('stonith node=node1 result=n_stnth');
    bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(bench.pass(999)).toEqual([]);
    const out = bench.pass(1);
    expect(out).toContain('release double-holding web');
    expect(out[0]).toContain('it did not give them up within 1 s and does not hear us');
  });

  it('waits the whole 5 s again after a healed partition, and when another node was fenced', () => {
    const bench = steady();
    bench.hear('stonith node=node1 result=n_stnth');
    bench.die();
    bench.finish();
    bench.feed({ type: 'partition-healed', node: n2 });
    bench.hear('stonith node=node3 result=n_stnth');
    bench.hear('resource rsc_hold=all rtype=full isstable=1');
    expect(bench.pass(4_999).filter((line) => line.startsWith('release'))).toEqual([]);
    expect(bench.pass(1)).toContain('release double-holding web');
  });

  it('logs the audit once', () => {
    const bench = steady();
    expect(bench.hear('resource rsc_hold=all rtype=full isstable=1')).toContain(
      'log ERROR: Both machines own our resources!',
    );
    expect(bench.hear('resource rsc_hold=all rtype=full isstable=1')).toEqual([]);
  });

  it('takes groups that nobody has, but only its own', () => {
    const bench = steady();
    bench.hear('resource rsc_hold=none rtype=full isstable=1');
    expect(bench.pass(10_000).filter((line) => line.startsWith('acquire'))).toEqual([]);
    expect(bench.state.audit).toEqual(new Set(['No one owns foreign resources!']));
  });
});

describe('legacy mode (section 9)', () => {
  const legacy = { autoFailback: 'legacy' } as const;

  it('asks the other node for its own groups, and takes each when it may', () => {
    const bench = new CoreBench(legacy);
    expect(bench.commUp()).toEqual(['probe own web']);
    expect(bench.finish()).toEqual([
      'log info: Local Resource acquisition completed.',
      'send ip-request ipaddr=web',
      'log info: Initial resource acquisition complete (req_our_resources)',
    ]);
    expect(bench.hear('ip-request-resp dest=node1 ipaddr=web weown=no ok=OK')).toEqual([
      'log harc: info: Running /etc/ha.d/rc.d/ip-request-resp ip-request-resp',
      'log ip-request-resp: received ip-request-resp web OK no',
      'acquire ip-request-resp web',
    ]);
    bench.finish();
    expect(viewResources(bench.state)).toMatchObject({
      rscstatus: 'none',
      groups: [{ running: true }, { running: false }],
    });
  });

  it('gives up what its owner asks for', () => {
    const bench = new CoreBench(legacy);
    bench.commUp('node2');
    bench.finish();
    bench.feed({ type: 'node-restarted', node: n2 });
    expect(bench.hear('ip-request ipaddr=db')).toEqual([
      'log harc: info: Running /etc/ha.d/rc.d/ip-request ip-request',
      'release ip-request db',
    ]);
    expect(bench.finish()).toEqual(['send ip-request-resp dest=node2 ipaddr=db weown=yes ok=OK']);
    expect(bench.hear('ip-request ipaddr=web')).toEqual([]);
  });

  it('takes over without reports', () => {
    const bench = new CoreBench(legacy);
    bench.commUp();
    bench.finish((key) => ({ key, result: 'held' }));
    expect(bench.die()).toEqual([
      'send stonith node=node2 result=n_stnth',
      'log WARN: No STONITH device configured.',
      'log WARN: Shared disks are not protected.',
      'log info: Resources being acquired from node2.',
      'log info: Local Resource acquisition completed.',
      'log harc: info: Running /etc/ha.d/rc.d/status status',
      'acquire takeover db',
    ]);
    expect(bench.finish()).toEqual(['log mach_down: info: mach_down takeover complete for node node2.']);
  });

  it('knows no standby', () => {
    const bench = new CoreBench(legacy);
    bench.commUp();
    expect(bench.hearSelf('ask_resources rsc_hold=all info=me')).toEqual([
      'log info: Standby mode only implemented when nice_failback on',
    ]);
  });
});

describe('nodes that come and go', () => {
  const n3 = nodeName('node3');

  it('a node that was alone has a partner when the new one speaks, and does not mourn it before', () => {
    const bench = new CoreBench({
      nodes: [{ name: n1, type: 'normal' }],
      groups: [group('node1 web'), group('node2 db')],
    });
    bench.commUp();
    bench.feed({ type: 'node-added', node: n2 });
    expect(bench.state.other).toMatchObject({ name: n2, alive: false });
    const dead = { type: 'node-dead', node: n2, nodeType: 'normal', wasHeard: false } as const;
    const times = { silentMs: ms(1), limitMs: ms(1), decidedMs: ms(1) };
    expect(bench.feed({ ...dead, ...times })).toEqual([]);
    bench.feed({ type: 'node-status', node: n2, nodeType: 'normal', status: 'up', previous: 'init' });
    expect(bench.state.other).toMatchObject({ name: n2, alive: true });
    expect(bench.hear('starting').some((line) => line.startsWith('send resource'))).toBe(true);
  });

  it('when the partner is removed, the next node that speaks is asked what it holds', () => {
    const nodes = [n1, n2, n3].map((name) => ({ name, type: 'normal' as const }));
    const bench = new CoreBench({ nodes });
    bench.commUp(n2);
    bench.feed({ type: 'node-status', node: n3, nodeType: 'normal', status: 'active', previous: 'up' });
    bench.feed({ type: 'node-removed', node: n2 });
    expect(bench.state.other).toMatchObject({ name: n3, alive: true, reported: false });
    bench.feed({ type: 'node-removed', node: n3 });
    expect(bench.state.other).toBeNull();
  });

  it('a partner that was removed as dead and lives on is asked what it holds', () => {
    const bench = new CoreBench();
    bench.commUp(n2);
    bench.feed({ type: 'node-removed', node: n2 });
    expect(bench.state.other).toBeNull();
    bench.feed({ type: 'node-added', node: n2 });
    const said = bench.feed({ type: 'partition-healed', node: n2 });
    expect(bench.state.other).toMatchObject({ name: n2, alive: true, reported: false, stable: false });
    expect(said.some((line) => line.startsWith('send resource'))).toBe(true);
  });

  it('a partner that is still to be fenced stays the one whose end is waited for', () => {
    const bench = new CoreBench({ fences: true });
    bench.commUp(n2);
    expect(bench.state.fencing).toBe('pending');
    bench.feed({ type: 'node-removed', node: n2 });
    expect(bench.state).toMatchObject({ fencing: 'pending', other: { name: n2 } });
    expect(bench.feed({ type: 'fenced', node: n2, by: 'operator' }).some((line) => line.startsWith('acquire'))).toBe(
      true,
    );
  });
});
