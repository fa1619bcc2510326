/** Addresses that follow one another are set in one go: what comes before what, and what is done when one of them cannot be set. */
import { describe, expect, it } from 'vitest';
import type { AgentResult, AheadResult } from '../../plugins/agents/agent.ts';
import { ResourceEngine } from './engine.ts';
import { group } from './test-bench.ts';
import type { GroupOutcome, Job } from './types.ts';

const result = (exitCode: number, output: string): AgentResult => ({
  exitCode,
  output,
  timedOut: false,
  durationMs: 1,
});
const heldResult = result(0, 'INFO:  Running OK\n');
const absentResult = result(7, 'INFO:  Resource is stopped\n');
const good = result(0, 'INFO:  Success\n');

/** Services and addresses of a machine; `trace` is all that touched it or told the guardian, in order. */
class AheadBench {
  readonly trace: string[] = [];
  readonly lines: string[] = [];
  readonly up = new Set<string>();
  /** The kernel refuses these. */
  readonly refused = new Set<string>();
  /** Addresses that a plan ends before. */
  readonly odd = new Set<string>();
  seized = false;
  slowGuardian = false;
  readonly engine: ResourceEngine;
  readonly #waiting: ((outcomes: readonly GroupOutcome[]) => void)[] = [];
  #next = 1;

  constructor(...lines: readonly string[]) {
    this.engine = new ResourceEngine({
      groups: lines.map(group),
      locate: (resource) =>
        resource.script === 'IPaddr' || resource.script === 'IPaddr2'
          ? { kind: 'address', script: resource.script, path: `/r/${resource.script}`, args: resource.args }
          : { kind: 'script', agent: 'resource.d', path: `/r/${resource.script}`, args: resource.args },
      run: async (target, action) => {
        const name = target.kind === 'address' ? (target.args[0] ?? '') : target.path.slice(3);
        this.trace.push(`${action} ${name}`);
        if (action === 'status') return this.up.has(name) ? { ...heldResult } : absentResult;
        if (action === 'start' && (this.seized || this.refused.has(name))) return result(1, 'refused\n');
        if (action === 'start') this.up.add(name);
        else this.up.delete(name);
        return good;
      },
      look: () => Promise.resolve(heldResult),
      ahead: (targets) => {
        const words = targets.map(({ args }) => args[0] ?? '');
        const end = words.findIndex((word) => this.odd.has(word));
        const planned = end < 0 ? words : words.slice(0, end);
        const before = new Map(planned.map((word) => [word, this.up.has(word)]));
        return {
          count: planned.length,
          carryOut: () => (this.seized ? null : this.#set(planned, before)),
        };
      },
      hold: (...resources) => {
        this.trace.push(`hold ${resources.map(({ word }) => word.replace(/^.*::/, '')).join(' ')}`);
        return this.slowGuardian ? Promise.resolve() : undefined;
      },
      drop: (id) => this.trace.push(`drop ${id}`),
      log: (_severity, text) => this.lines.push(text),
      event: (happening) => 'group' in happening && this.lines.push(`${happening.event} ${happening.group}`),
      done: ({ outcomes }) => this.#waiting.shift()?.(outcomes),
      failed: (error) => {
        throw error;
      },
      pause: () => Promise.resolve(),
    });
  }

  submit(verb: Job['verb'], ...keys: readonly string[]): Promise<readonly GroupOutcome[]> {
    const { promise, resolve } = Promise.withResolvers<readonly GroupOutcome[]>();
    this.#waiting.push(resolve);
    this.engine.submit({ id: this.#next++, verb, why: 'own', keys });
    return promise;
  }

  #set(words: readonly string[], before: ReadonlyMap<string, boolean>): readonly AheadResult[] {
    this.trace.push(`set ${words.filter((word) => before.get(word) === false).join(' ')}`);
    for (const word of words) if (!this.refused.has(word)) this.up.add(word);
    return words.map((word) => ({
      status: () => (before.get(word) === true ? heldResult : absentResult),
      start: () => (this.refused.has(word) ? result(1, 'refused\n') : good),
    }));
  }
}

const three = 'node1 IPaddr2::a IPaddr2::b IPaddr2::c svc IPaddr2::d';
const key = 'IPaddr2::a';

describe('addresses that follow one another', () => {
  it('are told to the guardian and then set before submit returns; what stands behind them waits for its turn', async () => {
    const bench = new AheadBench(three);
    const done = bench.submit('acquire', key);
    expect(bench.trace).toEqual(['hold a b c', 'set a b c']);
    expect(await done).toEqual([{ key, result: 'held' }]);
    expect(bench.trace).toEqual(['hold a b c', 'set a b c', 'status svc', 'hold svc', 'start svc', 'hold d', 'set d']);
    expect(bench.lines.filter((line) => line.startsWith('info: Running'))).toEqual([
      'info: Running /r/IPaddr2 a start',
      'info: Running /r/IPaddr2 b start',
      'info: Running /r/IPaddr2 c start',
      'info: Running /r/svc start',
      'info: Running /r/IPaddr2 d start',
    ]);
  });

  it('those of groups that consist of them are set with those of the next group, but never past a service', async () => {
    const bench = new AheadBench('node1 IPaddr2::a', 'node1 IPaddr2::b svc', 'node1 IPaddr2::c');
    const keys = ['IPaddr2::a', 'IPaddr2::b', 'IPaddr2::c'];
    expect(await bench.submit('acquire', ...keys)).toEqual(keys.map((one) => ({ key: one, result: 'held' })));
    expect(bench.trace).toEqual(['hold a b', 'set a b', 'status svc', 'hold svc', 'start svc', 'hold c', 'set c']);
    expect(bench.lines.filter((line) => line.startsWith('group.'))).toEqual(
      keys.flatMap((one) => [`group.starting ${one}`, `group.started ${one}`]),
    );
  });

  it('of the other script are another go', async () => {
    const bench = new AheadBench('node1 IPaddr2::a IPaddr::b');
    await bench.submit('acquire', key);
    expect(bench.trace).toEqual(['hold a', 'set a', 'hold b', 'set b']);
  });

  it('that are up are held and not started', async () => {
    const bench = new AheadBench('node1 IPaddr2::a IPaddr2::b');
    bench.up.add('a');
    await bench.submit('acquire', key);
    expect(bench.trace).toEqual(['hold a b', 'set b']);
    expect(bench.lines).not.toContain('info: Running /r/IPaddr2 a start');
  });

  it('are eight at first, then all', async () => {
    const words = Array.from({ length: 30 }, (_, index) => `w${index}`);
    const bench = new AheadBench(`node1 ${words.map((word) => `IPaddr2::${word}`).join(' ')}`);
    await bench.submit('acquire', 'IPaddr2::w0');
    expect(bench.trace.map((line) => line.split(' ').length - 1)).toEqual([8, 8, 22, 22]);
    expect([...bench.up]).toEqual(words);
  });
});

describe('when one of them cannot be set', () => {
  it('everything of its group is stopped from right to left, those after it included, and nothing behind is started', async () => {
    const bench = new AheadBench(three);
    bench.refused.add('b');
    expect(await bench.submit('acquire', key)).toEqual([{ key, result: 'failed', resource: 'IPaddr2::b' }]);
    expect(bench.trace).toEqual([
      'hold a b c',
      'set a b c',
      // Of those that were never begun with, it is asked.
      'status d',
      `drop ${key} 4`,
      'status svc',
      `drop ${key} 3`,
      'stop c',
      `drop ${key} 2`,
      'stop b',
      `drop ${key} 1`,
      'stop a',
      `drop ${key} 0`,
    ]);
    expect([...bench.up]).toEqual([]);
    expect(bench.lines).toContain('ERROR: Return code 1 from /r/IPaddr2');
    // Whoever reads of its stop has read of its start.
    expect(bench.lines.indexOf('info: Running /r/IPaddr2 c start')).toBeGreaterThan(0);
    expect(bench.lines.indexOf('info: Running /r/IPaddr2 c start')).toBeLessThan(
      bench.lines.indexOf('info: Running /r/IPaddr2 c stop'),
    );
  });

  it('the groups after it are acquired all the same', async () => {
    const bench = new AheadBench('node1 IPaddr2::a', 'node1 IPaddr2::b');
    bench.refused.add('a');
    expect(await bench.submit('acquire', 'IPaddr2::a', 'IPaddr2::b')).toMatchObject([
      { result: 'failed' },
      { result: 'held' },
    ]);
    expect([...bench.up]).toEqual(['b']);
  });

  it('one that needs more than a message is started by itself, after those before it', async () => {
    const bench = new AheadBench('node1 IPaddr2::a IPaddr2::b IPaddr2::c');
    bench.odd.add('b');
    await bench.submit('acquire', key);
    expect(bench.trace).toEqual(['hold a', 'set a', 'status b', 'hold b', 'start b', 'hold c', 'set c']);
  });
});

describe('what can come between', () => {
  it('a guardian that is slow to hear: nothing is set before, and they are asked for their status again', async () => {
    const bench = new AheadBench('node1 IPaddr2::a IPaddr2::b');
    bench.slowGuardian = true;
    const done = bench.submit('acquire', key);
    expect(bench.trace).toEqual(['hold a b']);
    await done;
    expect(bench.trace).toEqual([
      'hold a b',
      'status a',
      'hold a',
      'start a',
      'hold b',
      'status b',
      'hold b',
      'start b',
    ]);
  });

  it('the guardian has taken over: nothing is set', async () => {
    const bench = new AheadBench('node1 IPaddr2::a IPaddr2::b');
    bench.seized = true;
    expect(await bench.submit('acquire', key)).toMatchObject([{ result: 'failed' }]);
    expect(bench.trace.filter((line) => line.startsWith('set'))).toEqual([]);
    expect([...bench.up]).toEqual([]);
  });

  it('a release of a group that was set ahead of its turn: it is stopped', async () => {
    const bench = new AheadBench('node1 IPaddr2::a', 'node1 IPaddr2::b');
    const done = bench.submit('acquire', 'IPaddr2::a', 'IPaddr2::b');
    expect(bench.trace).toEqual(['hold a b', 'set a b']);
    expect(await bench.submit('release', 'IPaddr2::b')).toEqual([
      { key: 'IPaddr2::b', result: 'released', wasHeld: true },
    ]);
    expect(await done).toEqual([
      { key: 'IPaddr2::a', result: 'held' },
      { key: 'IPaddr2::b', result: 'skipped' },
    ]);
    expect([...bench.up]).toEqual(['a']);
  });
});
