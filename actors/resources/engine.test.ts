import { describe, expect, it } from 'vitest';
import type { AgentAction } from '../../plugins/agents/agent.ts';
import { type OperationResult, ResourceEngine } from './engine.ts';
import type { Target } from './locate.ts';
import { group } from './test-bench.ts';
import type { GroupOutcome, Job, Why } from './types.ts';

const groups = [group('node1 ip svc::a svc::b::c'), group('node2 db'), group('node2 agent')];

type Answer = Partial<OperationResult> | undefined;

/** An engine over services that exist in a set only: start puts a name in, stop takes it out. */
class EngineBench {
  readonly running = new Set<string>();
  readonly calls: string[] = [];
  readonly lines: string[] = [];
  readonly inventory: string[] = [];
  readonly pauses: number[] = [];
  /** Answers instead of the service; called with `name action`. */
  answer: (call: string) => Answer = () => undefined;
  readonly #waiting: ((outcomes: readonly GroupOutcome[]) => void)[] = [];
  readonly engine: ResourceEngine;
  #next = 1;

  constructor() {
    this.engine = new ResourceEngine({
      groups,
      locate: (resource): Target =>
        resource.script === 'missing'
          ? { kind: 'missing', script: 'missing', reason: 'nobody has it' }
          : {
              kind: 'script',
              agent: resource.script === 'agent' ? 'ocf' : 'resource.d',
              path: `/r/${resource.script}`,
              args: resource.args,
            },
      run: (target, action) => Promise.resolve(this.#run(target, action)),
      look: (target) => Promise.resolve(this.#run(target, 'status')),
      hold: (resource) => {
        this.inventory.push(`hold ${resource.word}`);
        return Promise.resolve();
      },
      drop: (id) => this.inventory.push(`drop ${id}`),
      log: (_severity, text) => this.lines.push(text),
      event: (happening) => 'group' in happening && this.lines.push(`${happening.event} ${happening.group}`),
      done: ({ outcomes }) => this.#waiting.shift()?.(outcomes),
      failed: (error) => {
        throw error;
      },
      pause: (delayMs) => {
        this.pauses.push(delayMs);
        return Promise.resolve();
      },
    });
  }

  job(verb: Job['verb'], keys: readonly string[], why: Why = 'own'): Promise<readonly GroupOutcome[]> {
    const done = new Promise<readonly GroupOutcome[]>((resolve) => this.#waiting.push(resolve));
    this.engine.submit({ id: this.#next++, verb, why, keys });
    return done;
  }

  /** Operations other than status, as `a start`. */
  get work(): readonly string[] {
    return this.calls.filter((call) => !call.endsWith('status'));
  }

  #run(target: Exclude<Target, { kind: 'missing' }>, action: AgentAction): OperationResult {
    const name = [target.path.slice(3), ...target.args].join(' ');
    this.calls.push(`${name} ${action}`);
    const answer = this.answer(`${name} ${action}`);
    if (answer === undefined && action === 'start') this.running.add(name);
    if (answer === undefined && action === 'stop') this.running.delete(name);
    const output = action === 'status' ? (this.running.has(name) ? 'running' : 'stopped') : '';
    return { exitCode: 0, output, timedOut: false, durationMs: 1, ...answer };
  }
}

const [first] = groups;
const KEY = first?.key ?? '';

describe('what operators see', () => {
  it('a failed operation: its last lines as errors with the name of the resource, and the count', async () => {
    const bench = new EngineBench();
    const output = `${Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n')}\n`;
    bench.answer = (call) => (call === 'svc a start' ? { exitCode: 4, output } : undefined);
    await bench.job('acquire', [KEY]);
    await bench.job('acquire', [KEY]);
    const shown = bench.lines.filter((line) => line.startsWith('svc::a start: '));
    expect(shown).toHaveLength(40);
    expect([shown[0], shown[19]]).toEqual(['svc::a start: line 10', 'svc::a start: line 29']);
    expect(bench.engine.records(KEY, 60_000)).toEqual([
      { resource: 'ip', failures: 0, lastFailure: null, operation: null },
      {
        resource: 'svc::a',
        failures: 2,
        lastFailure: { action: 'start', reason: 'Return code 4 from /r/svc', ageMs: expect.any(Number) },
        operation: null,
      },
      { resource: 'svc::b::c', failures: 0, lastFailure: null, operation: null },
    ]);
  });

  it('the operation that runs, and when it will be killed', async () => {
    const bench = new EngineBench();
    const seen: unknown[] = [];
    bench.answer = (call) => {
      if (call === 'ip start') seen.push(bench.engine.records(KEY, 60_000)[0]?.operation);
      return undefined;
    };
    await bench.job('acquire', [KEY]);
    expect(seen).toEqual([{ action: 'start', sinceMs: expect.any(Number), limitMs: 60_000 }]);
  });
});

describe('ResourceEngine', () => {
  it('starts left to right, leaves what runs alone, and stops right to left', async () => {
    const bench = new EngineBench();
    bench.running.add('svc a');
    expect(await bench.job('acquire', [KEY])).toEqual([{ key: KEY, result: 'held' }]);
    expect(await bench.job('release', [KEY])).toEqual([{ key: KEY, result: 'released', wasHeld: true }]);
    expect(bench.work).toEqual(['ip start', 'svc b c start', 'svc b c stop', 'svc a stop', 'ip stop']);
    expect(bench.lines).toEqual([
      'info: Acquiring resource group: node1 ip svc::a svc::b::c',
      'group.starting ip',
      'info: Running /r/ip start',
      'info: Running /r/svc b c start',
      'group.started ip',
      'info: Releasing resource group: node1 ip svc::a svc::b::c',
      'group.stopping ip',
      'info: Running /r/svc b c stop',
      'info: Running /r/svc a stop',
      'info: Running /r/ip stop',
      'group.stopped ip',
    ]);
    expect(bench.inventory).toEqual([
      'hold ip',
      'hold svc::a',
      'hold svc::b::c',
      'drop ip 2',
      'drop ip 1',
      'drop ip 0',
    ]);
  });

  it('tells the guardian before a start, not after', async () => {
    const bench = new EngineBench();
    bench.answer = (call) => {
      if (call === 'ip start') expect(bench.inventory).toEqual(['hold ip']);
      return undefined;
    };
    await bench.job('acquire', [KEY]);
    expect(bench.inventory).toHaveLength(3);
  });

  it('stops what it started when a resource fails, and only that', async () => {
    const bench = new EngineBench();
    bench.answer = (call) => (call === 'svc a start' ? { exitCode: 1 } : undefined);
    expect(await bench.job('acquire', [KEY])).toEqual([{ key: KEY, result: 'failed', resource: 'svc::a' }]);
    expect(bench.work).toEqual(['ip start', 'svc a start', 'svc a stop', 'ip stop']);
    expect(bench.lines).toContain('ERROR: Return code 1 from /r/svc');
    expect(bench.lines).toContain('CRIT: Giving up resources due to failure of svc::a');
    expect(bench.running.size).toBe(0);
  });

  it('stops nothing that does not run', async () => {
    const bench = new EngineBench();
    expect(await bench.job('release', [KEY], 'shutdown')).toEqual([{ key: KEY, result: 'released', wasHeld: false }]);
    expect(bench.work).toEqual([]);
    expect(await bench.job('release', [KEY], 'shutdown')).toHaveLength(1);
    expect(bench.calls).toHaveLength(3);
  });

  it('stops what runs although nobody claims it', async () => {
    const bench = new EngineBench();
    bench.running.add('db');
    expect(await bench.job('release', ['db'], 'verify-idle')).toEqual([
      { key: 'db', result: 'released', wasHeld: true },
    ]);
    expect(bench.lines).toContain('Resource db is active, and should not be!');
    expect(bench.running.size).toBe(0);
  });

  it('tries a failing stop ten times more, a second apart, and then reports the group stuck', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.answer = (call) => (call === 'svc a stop' ? { exitCode: 1 } : undefined);
    expect(await bench.job('release', [KEY])).toEqual([{ key: KEY, result: 'stuck', resource: 'svc::a' }]);
    expect(bench.calls.filter((call) => call === 'svc a stop')).toHaveLength(11);
    expect(bench.pauses).toEqual(Array.from({ length: 10 }, () => 1_000));
    expect(bench.lines).toContain('info: Retrying failed stop operation [svc::a]');
    expect(bench.lines).toContain('CRIT: Resource STOP failure. Reboot required!');
    // What lies below it is stopped all the same, and the guardian keeps only what may still run.
    expect(bench.running).toEqual(new Set(['svc a']));
    expect(bench.inventory.filter((line) => line.startsWith('drop'))).toEqual(['drop ip 2', 'drop ip 0']);
  });

  it('escapes narrowly when a script fails to stop what does not run', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', ['db']);
    bench.answer = (call) => {
      if (call === 'db stop') bench.running.delete('db');
      return call === 'db stop' ? { exitCode: 1 } : undefined;
    };
    expect(await bench.job('release', ['db'])).toEqual([{ key: 'db', result: 'released', wasHeld: true }]);
    expect(bench.lines).toContain('WARN: Machine reboot narrowly avoided!');
  });

  it('does not try again what an OCF agent calls hopeless', async () => {
    const bench = new EngineBench();
    bench.answer = () => ({ exitCode: 5 });
    expect(await bench.job('acquire', ['agent'])).toEqual([{ key: 'agent', result: 'failed', resource: 'agent' }]);
    expect(bench.work).toEqual(['agent start', 'agent stop']);
    expect(bench.pauses).toEqual([]);
  });

  it('tries a hanging stop only twice', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', ['db']);
    bench.answer = (call) => (call === 'db stop' ? { exitCode: 143, timedOut: true, durationMs: 60_000 } : undefined);
    expect(await bench.job('release', ['db'])).toEqual([{ key: 'db', result: 'stuck', resource: 'db' }]);
    expect(bench.calls.filter((call) => call === 'db stop')).toHaveLength(2);
  });

  it('asks for the status when it is unknown what became of a start', async () => {
    const bench = new EngineBench();
    let lost = true;
    bench.answer = (call) => {
      if (call !== 'db start' || !lost) return undefined;
      lost = false;
      return { exitCode: 1, lost: true };
    };
    expect(await bench.job('acquire', ['db'])).toEqual([{ key: 'db', result: 'held' }]);
    expect(bench.calls).toEqual(['db status', 'db start', 'db status', 'db start']);
  });

  it('does not begin with groups that a later job takes over', async () => {
    const bench = new EngineBench();
    const acquired = bench.job('acquire', [KEY, 'db']);
    const released = bench.job('release', ['db'], 'shutdown');
    expect(await acquired).toEqual([
      { key: KEY, result: 'held' },
      { key: 'db', result: 'skipped' },
    ]);
    expect(await released).toEqual([{ key: 'db', result: 'released', wasHeld: false }]);
    expect(bench.work).not.toContain('db start');
  });
});

describe('check', () => {
  const held = async (): Promise<EngineBench> => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    return bench;
  };

  it('finds a group held, or the first resource of it that does not run', async () => {
    const bench = await held();
    expect(await bench.engine.check(KEY)).toEqual({ result: 'held' });
    bench.running.delete('svc a');
    bench.running.delete('svc b c');
    expect(await bench.engine.check(KEY)).toEqual({ result: 'failed', resource: 'svc::a' });
  });

  it.each([
    ['hangs', { timedOut: true }, 'unsure'],
    ['was lost with the guardian', { lost: true }, 'unsure'],
    ['says nothing and fails', { output: '', exitCode: 1 }, 'failed'],
    ['says nothing and succeeds', { output: '', exitCode: 0 }, 'held'],
  ] as const)('judges a status that %s: %s', async (_name, answer, result) => {
    const bench = await held();
    bench.answer = (call) => (call === 'svc a status' ? answer : undefined);
    expect((await bench.engine.check(KEY))?.result).toBe(result);
  });

  it('says nothing of what is not held, nor when a job comes in between', async () => {
    const bench = await held();
    expect(await bench.engine.check('db')).toBeNull();
    expect(await bench.engine.check('unknown')).toBeNull();
    const check = bench.engine.check(KEY);
    const released = bench.job('release', [KEY]);
    expect(await check).toBeNull();
    await released;
    expect(await bench.engine.check(KEY)).toBeNull();
  });
});

describe('restart', () => {
  it('stops and starts what does not run and what stands on it', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.calls.length = 0;
    bench.running.delete('svc a');
    expect(await bench.job('restart', [KEY], 'monitor')).toEqual([{ key: KEY, result: 'held' }]);
    expect(bench.work).toEqual(['svc b c stop', 'svc a stop', 'svc a start', 'svc b c start']);
    expect(bench.running).toEqual(new Set(['ip', 'svc a', 'svc b c']));
  });

  it('does nothing when all runs after all', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.calls.length = 0;
    expect(await bench.job('restart', [KEY], 'monitor')).toEqual([{ key: KEY, result: 'held' }]);
    expect(bench.work).toEqual([]);
  });

  it('stops the whole group when the resource does not start again', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.running.delete('svc b c');
    bench.answer = (call) => (call === 'svc b c start' ? { exitCode: 1 } : undefined);
    expect(await bench.job('restart', [KEY], 'monitor')).toEqual([
      { key: KEY, result: 'failed', resource: 'svc::b::c' },
    ]);
    expect(bench.running.size).toBe(0);
  });

  it('reports the group stuck when something on it cannot be stopped, and starts nothing', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.calls.length = 0;
    bench.running.delete('svc a');
    bench.answer = (call) => (call === 'svc b c stop' ? { exitCode: 1 } : undefined);
    expect(await bench.job('restart', [KEY], 'monitor')).toEqual([
      { key: KEY, result: 'stuck', resource: 'svc::b::c' },
    ]);
    expect(bench.work.filter((call) => call.endsWith('start'))).toEqual([]);
  });

  it('gives way to a release that waits behind it', async () => {
    const bench = new EngineBench();
    await bench.job('acquire', [KEY]);
    bench.running.delete('svc a');
    const other = bench.job('probe', ['db']);
    const restarted = bench.job('restart', [KEY], 'monitor');
    const released = bench.job('release', [KEY], 'shutdown');
    await other;
    expect(await restarted).toEqual([{ key: KEY, result: 'skipped' }]);
    expect(await released).toEqual([{ key: KEY, result: 'released', wasHeld: true }]);
  });
});
