import { describe, expect, it } from 'vitest';
import { CoreBench, config, group } from './test-bench.ts';
import type { ResourcesConfig, ResourcesEffect } from './types.ts';

/** Two settled nodes: node1 (this one) holds its own groups, node2 its own. */
function settled(options: Partial<ResourcesConfig> = {}): CoreBench {
  const bench = new CoreBench(options);
  bench.commUp();
  bench.hear('starting');
  bench.finish();
  bench.hear('resource rsc_hold=local rtype=full isstable=1 seq=1');
  bench.finish();
  return bench;
}

/** What the operator was told by the last inputs, oldest first. */
function answers(bench: CoreBench): readonly string[] {
  return bench.effects
    .splice(0)
    .filter((effect): effect is Extract<ResourcesEffect, { type: 'operator' }> => effect.type === 'operator')
    .map(({ request, answer }) => `${request} ${answer.stage}: ${answer.text}`);
}

function ask(
  bench: CoreBench,
  type: 'standby' | 'takeover',
  set: 'all' | 'local' | 'foreign',
  request = 7,
): readonly string[] {
  answers(bench);
  bench.feed({ type, set, request });
  return answers(bench);
}

describe('standby', () => {
  it('is done when the other node has taken the groups', () => {
    const bench = settled();
    expect(ask(bench, 'standby', 'local')).toEqual(['7 accepted: node2 is asked to take local resources']);
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    bench.finish();
    expect(answers(bench)).toEqual([]);
    bench.hear('ask_resources rsc_hold=local info=done');
    expect(answers(bench)).toEqual(['7 done: node2 has taken local resources']);
  });

  it.each([
    [
      'the other node does not answer',
      (bench: CoreBench) => bench.pass(10_000),
      'No reply to standby request. Standby request cancelled.',
    ],
    ['the other node dies', (bench: CoreBench) => bench.die(), 'node2 has died meanwhile'],
    ['this node stops', (bench: CoreBench) => bench.feed({ type: 'give-up-all' }), 'this node is stopping'],
  ])('fails with the reason when %s', (_name, happen, reason) => {
    const bench = settled();
    ask(bench, 'standby', 'all');
    bench.hearSelf('ask_resources rsc_hold=all info=me');
    happen(bench);
    const [answer = ''] = answers(bench);
    expect(answer).toBe(`7 failed: ${reason}`);
  });

  it('names the silence of the other node as the reason', () => {
    const bench = settled();
    ask(bench, 'standby', 'all');
    bench.hearSelf('ask_resources rsc_hold=all info=me');
    bench.pass(10_000);
    expect(answers(bench)).toEqual(['7 failed: No reply to standby request. Standby request cancelled.']);
  });

  it('fails when a group cannot be stopped', () => {
    const bench = settled();
    ask(bench, 'standby', 'local');
    bench.hearSelf('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=other');
    bench.finish((key) => ({ key, result: 'stuck', resource: key }));
    const [answer = ''] = answers(bench);
    expect(answer).toContain('7 failed: local HA resources could not be released: standby cancelled.');
  });

  it.each([
    ['in a legacy cluster', { autoFailback: 'legacy' as const }, /nice_failback on/],
    ['without another node', { nodes: config().nodes.slice(0, 1) }, /nobody to take resources/],
  ])('is refused %s', (_name, options, reason) => {
    const bench = new CoreBench(options);
    bench.commUp();
    bench.finish();
    const [answer = ''] = ask(bench, 'standby', 'all');
    expect(answer).toMatch(/^7 refused: /);
    expect(answer).toMatch(reason);
  });

  it('is refused while the other node is in transition, before this node is ready, when it is dead, and twice', () => {
    const early = new CoreBench();
    expect(ask(early, 'standby', 'all')[0]).toMatch(/^7 refused: /);
    const bench = settled();
    bench.hear('resource rsc_hold=local rtype=full isstable=0 seq=2');
    expect(ask(bench, 'standby', 'all')).toEqual([
      '7 refused: standby message [me] from node1 ignored.  Other side is in flux.',
    ]);
    bench.hear('resource rsc_hold=local rtype=full isstable=1 seq=3');
    expect(ask(bench, 'standby', 'all')[0]).toMatch(/^7 accepted/);
    expect(ask(bench, 'standby', 'all', 8)).toEqual(['8 refused: an earlier standby is still under way']);
    bench.die();
    bench.finish();
    expect(ask(bench, 'standby', 'all', 9)).toEqual(['9 refused: node2 is dead: there is nobody to take resources']);
  });
});

describe('takeover', () => {
  it('is done when the groups run here', () => {
    const bench = settled();
    expect(ask(bench, 'takeover', 'foreign')).toEqual(['7 accepted: node2 is asked for foreign resources']);
    bench.hear('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=done');
    expect(answers(bench)).toEqual([]);
    bench.finish();
    expect(answers(bench)).toEqual(['7 done: foreign resources run here']);
  });

  it('names what could not be started', () => {
    const bench = settled();
    ask(bench, 'takeover', 'foreign');
    bench.hear('ask_resources rsc_hold=local info=me');
    bench.hear('ask_resources rsc_hold=local info=done');
    bench.finish((key) => ({ key, result: 'failed', resource: key }));
    expect(answers(bench)).toEqual(['7 failed: not running here: db; see the log']);
  });

  it('has nothing to do for what runs here', () => {
    expect(ask(settled(), 'takeover', 'local')).toEqual(['7 done: local resources run here already']);
  });

  it('fails when the other node offers nothing within ten seconds, and can be asked for again', () => {
    const bench = settled();
    ask(bench, 'takeover', 'foreign');
    bench.pass(9_999);
    expect(answers(bench)).toEqual([]);
    bench.pass(1);
    expect(answers(bench)[0]).toMatch(/^7 failed: node2 has not offered them within 10 s/);
    expect(ask(bench, 'takeover', 'foreign', 8)[0]).toMatch(/^8 accepted/);
  });

  it('fails when the other node dies', () => {
    const bench = settled();
    ask(bench, 'takeover', 'foreign');
    bench.die();
    expect(answers(bench)[0]).toMatch(/^7 failed: node2 has died/);
  });

  it('is refused where nothing can come of it', () => {
    const legacy = new CoreBench({ autoFailback: 'legacy' });
    legacy.commUp();
    legacy.finish();
    expect(ask(legacy, 'takeover', 'all')[0]).toMatch(/^7 refused: with auto_failback legacy/);
    const crippled = settled();
    crippled.state.crippled = true;
    expect(ask(crippled, 'takeover', 'all')[0]).toMatch(/^7 refused: .* needs a reboot/);
    const busy = settled();
    busy.hear('resource rsc_hold=local rtype=full isstable=0 seq=2');
    expect(ask(busy, 'takeover', 'all')[0]).toMatch(/^7 refused: node2 is in transition/);
  });
});

describe('req_resource (a script says that we may take a group)', () => {
  const word = 'ip-request-resp dest=node1 ipaddr=web ok=OK weown=yes';
  const failed = (): CoreBench => {
    const bench = new CoreBench({ groups: [group('node1 web'), group('node2 db')] });
    bench.commUp();
    bench.hear('starting');
    bench.finish((key) => ({ key, result: 'failed', resource: key }));
    bench.hear('resource rsc_hold=none rtype=full isstable=1 seq=1');
    return bench;
  };

  it('is a second try for a group that could not be started', () => {
    const bench = failed();
    bench.state.offers.clear();
    bench.state.asking = null;
    expect(bench.hearSelf(word)).toContain('acquire own web');
    bench.finish();
    expect(bench.state.groups.get('web')?.activity).toBe('held');
    expect(bench.state.claims).toBe('local');
  });

  it('starts nothing that the other node has', () => {
    const bench = failed();
    bench.hear('resource rsc_hold=all rtype=full isstable=1 seq=2');
    const lines = bench.hearSelf(word);
    expect(lines.some((line) => line.startsWith('acquire'))).toBe(false);
    expect(lines).toContain('log WARN: req_resource web ignored: the other node has it.');
  });

  it.each([
    ['another node is meant', 'ip-request-resp dest=node2 ipaddr=web ok=OK weown=yes'],
    ['it is no permission', 'ip-request-resp dest=node1 ipaddr=web ok=no weown=yes'],
    ['there is no such group', 'ip-request-resp dest=node1 ipaddr=nobody ok=OK weown=yes'],
  ])('does nothing when %s', (_name, text) => {
    expect(
      failed()
        .hearSelf(text)
        .filter((line) => line.startsWith('acquire')),
    ).toEqual([]);
  });

  it('does nothing for a group that runs', () => {
    expect(
      settled()
        .hearSelf(word)
        .filter((line) => line.startsWith('acquire')),
    ).toEqual([]);
  });
});
