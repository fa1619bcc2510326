import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExitReason, SupervisorEvent } from './events.ts';
import {
  type ChildPolicy,
  type Effect,
  type Input,
  initialState,
  isAlive,
  nextDeadlineMs,
  type Strategy,
  type SupervisorState,
  step,
} from './supervisor.core.ts';
import { type Ms, ms } from './units.ts';

const CRASHED: ExitReason = { type: 'crashed', error: new Error('boom') };
const NORMAL: ExitReason = { type: 'normal' };
const SHUTDOWN: ExitReason = { type: 'shutdown' };

function policy(id: string, change: Partial<ChildPolicy> = {}): ChildPolicy {
  return {
    id,
    restart: 'permanent',
    onDeath: 'restart',
    intensity: { maxRestarts: 3, periodMs: ms(1000) },
    restartDelayMs: ms(0),
    whenGivenUp: 'emergency-shutdown',
    significant: false,
    startMs: ms(100),
    shutdownMs: ms(50),
    ...change,
  };
}

/** Drives the core by hand and writes down what it does: `start a#1`, `ask a#1`, `kill a#1`, `forget a`, `emergency a`… */
class Bench {
  state: SupervisorState;
  nowMs: Ms = ms(0);
  readonly log: string[] = [];
  readonly events: SupervisorEvent[] = [];

  constructor(policies: readonly ChildPolicy[], strategy: Strategy = 'one_for_one') {
    this.state = initialState(strategy, ms(20), policies);
  }

  /** Gives one input and returns what was done because of it. */
  take(input: Input): readonly string[] {
    const [state, effects] = step(this.state, input, this.nowMs);
    this.state = state;
    const lines = effects.map((effect) => this.#line(effect)).filter((line) => line !== null);
    this.log.push(...lines);
    return lines;
  }

  at(nowMs: number): this {
    this.nowMs = ms(nowMs);
    return this;
  }

  incarnation(id: string): number {
    return this.state.children.find((child) => child.policy.id === id)?.incarnation ?? 0;
  }

  status(id: string): string | undefined {
    return this.state.children.find((child) => child.policy.id === id)?.state.status;
  }

  ready(id: string): readonly string[] {
    return this.take({ type: 'ready', id, incarnation: this.incarnation(id) });
  }

  exited(id: string, reason: ExitReason): readonly string[] {
    return this.take({ type: 'exited', id, incarnation: this.incarnation(id), reason });
  }

  dying(id: string, reason: ExitReason): readonly string[] {
    return this.take({ type: 'dying', id, incarnation: this.incarnation(id), reason });
  }

  /** Starts everything and makes it ready. */
  up(): this {
    this.take({ type: 'start' });
    for (const { policy: child } of this.state.children) this.ready(child.id);
    return this;
  }

  #line(effect: Effect): string | null {
    if (effect.type === 'event') {
      this.events.push(effect.event);
      const { event } = effect;
      if (event.type === 'emergency') return `emergency ${event.id} ${event.cause}`;
      if (event.type === 'stopped') return ['stopped', ...event.survivors].join(' ');
      return ['given-up', 'start-failed', 'auto-shutdown', 'kill-overdue', 'started'].includes(event.type)
        ? ['id' in event ? `${event.type} ${event.id}` : event.type].join('')
        : null;
    }
    return effect.type === 'forget' ? `forget ${effect.id}` : `${effect.type} ${effect.id}#${effect.incarnation}`;
  }
}

describe('start', () => {
  it('starts in order, each when the one before is ready', () => {
    const bench = new Bench([policy('a'), policy('b')]);
    expect(bench.take({ type: 'start' })).toEqual(['start a#1']);
    expect(bench.ready('a')).toEqual(['start b#1']);
    expect(bench.ready('b')).toEqual(['started']);
    expect(bench.state.phase).toBe('running');
  });

  it('takes the start back when a child that must live fails in it', () => {
    const bench = new Bench([policy('a'), policy('b', { onDeath: 'emergency-shutdown' }), policy('c')]);
    bench.take({ type: 'start' });
    bench.ready('a');
    expect(bench.exited('b', CRASHED)).toEqual(['start-failed b', 'ask a#1']);
    expect(bench.exited('a', SHUTDOWN)).toEqual(['stopped']);
    expect(bench.incarnation('c')).toBe(0);
  });

  it('goes on with the next child when one that may be missing cannot be started', () => {
    const web = policy('web', { whenGivenUp: 'ignore', intensity: { maxRestarts: 1, periodMs: ms(1000) } });
    const bench = new Bench([web, policy('b')]);
    bench.take({ type: 'start' });
    expect(bench.exited('web', CRASHED)).toEqual(['start web#2']);
    expect(bench.exited('web', CRASHED)).toEqual(['given-up web', 'start b#1']);
    expect(bench.ready('b')).toEqual(['started']);
  });

  it('kills a child that is not ready in time, and starts it again only after the proof of its death', () => {
    const bench = new Bench([policy('a')]);
    bench.take({ type: 'start' });
    expect(nextDeadlineMs(bench.state)).toBe(100);
    expect(bench.at(99).take({ type: 'tick' })).toEqual([]);
    expect(bench.at(100).take({ type: 'tick' })).toEqual(['kill a#1']);
    expect(bench.at(110).exited('a', { type: 'killed' })).toEqual(['start a#2']);
    expect(bench.events.find((event) => event.type === 'exited')).toMatchObject({
      reason: { type: 'crashed', error: { code: 'HB_ACTOR_START_TIMEOUT' } },
    });
  });

  it('refuses two children of one name', () => {
    expect(() => new Bench([policy('a'), policy('a')])).toThrow(/two children/);
  });
});

describe('stop', () => {
  it('stops in reverse order, each when the one after is gone', () => {
    const bench = new Bench([policy('a'), policy('b'), policy('c')]).up();
    expect(bench.take({ type: 'stop' })).toEqual(['ask c#1']);
    expect(bench.exited('c', SHUTDOWN)).toEqual(['ask b#1']);
    expect(bench.exited('b', SHUTDOWN)).toEqual(['ask a#1']);
    expect(bench.exited('a', SHUTDOWN)).toEqual(['stopped']);
  });

  it('kills who does not stop in time, and names who cannot be killed', () => {
    const bench = new Bench([policy('a')]).up();
    bench.take({ type: 'stop' });
    expect(bench.at(50).take({ type: 'tick' })).toEqual(['kill a#1']);
    expect(bench.at(70).take({ type: 'tick' })).toEqual(['kill-overdue a', 'stopped a']);
  });

  it('kills at once with shutdownMs 0', () => {
    const bench = new Bench([policy('a', { shutdownMs: ms(0) })]).up();
    expect(bench.take({ type: 'stop' })).toEqual(['kill a#1']);
  });

  it('does not restart a child that dies during the stop', () => {
    const bench = new Bench([policy('a'), policy('b')]).up();
    bench.take({ type: 'stop' });
    expect(bench.exited('a', CRASHED)).toEqual([]);
    expect(bench.exited('b', SHUTDOWN)).toEqual(['stopped']);
  });

  it('kills all at once, asking nobody', () => {
    const bench = new Bench([policy('a'), policy('b')]).up();
    expect(bench.take({ type: 'kill-all' })).toEqual(['kill a#1', 'kill b#1']);
    bench.exited('a', { type: 'killed' });
    expect(bench.exited('b', { type: 'killed' })).toEqual(['stopped']);
  });
});

describe('which end is followed by a restart', () => {
  const exit0: ExitReason = { type: 'exited', exitCode: 0 };
  const cases: readonly (readonly [ChildPolicy['restart'], ExitReason, boolean])[] = [
    ['permanent', NORMAL, true],
    ['permanent', CRASHED, true],
    ['transient', NORMAL, false],
    ['transient', exit0, false],
    ['transient', { type: 'exited', exitCode: 1 }, true],
    ['transient', CRASHED, true],
    ['transient', { type: 'out-of-memory' }, true],
    ['transient', { type: 'hung', silentMs: ms(1) }, true],
    ['temporary', CRASHED, false],
  ];
  it.each(cases)('%s after %o: %s', (restart, reason, again) => {
    const bench = new Bench([policy('a', { restart })]).up();
    expect(bench.exited('a', reason)).toEqual(again ? ['start a#2'] : []);
  });
});

describe('a death that must not happen', () => {
  it.each([NORMAL, CRASHED, { type: 'exited', exitCode: 0 } as const])('is an emergency at once: %o', (reason) => {
    const bench = new Bench([policy('a', { onDeath: 'emergency-shutdown' }), policy('b')]).up();
    expect(bench.dying('a', reason)).toEqual(['emergency a death', 'kill a#1']);
    expect(bench.exited('a', reason)).toEqual([]);
    expect(bench.exited('b', CRASHED)).not.toContain('start b#2');
  });

  it('counts a hang like any other death', () => {
    const bench = new Bench([policy('a', { onDeath: 'emergency-shutdown' })]).up();
    expect(bench.dying('a', { type: 'hung', silentMs: ms(900) })).toEqual(['emergency a death', 'kill a#1']);
  });
});

describe('giving up', () => {
  const tight = { intensity: { maxRestarts: 1, periodMs: ms(1000) } };

  it('is an emergency when restarts do not help', () => {
    const bench = new Bench([policy('a', tight)]).up();
    bench.exited('a', CRASHED);
    bench.ready('a');
    expect(bench.at(999).exited('a', CRASHED)).toEqual(['given-up a', 'emergency a given-up', 'stopped']);
  });

  it('forgets restarts after the period', () => {
    const bench = new Bench([policy('a', tight)]).up();
    bench.exited('a', CRASHED);
    bench.ready('a');
    expect(bench.at(1000).exited('a', CRASHED)).toEqual(['start a#3']);
  });

  it('leaves a child down that may be missing', () => {
    const bench = new Bench([policy('a', { ...tight, whenGivenUp: 'ignore' })]).up();
    bench.exited('a', CRASHED);
    expect(bench.exited('a', CRASHED)).toEqual(['given-up a']);
    expect(bench.state.phase).toBe('running');
  });

  it('does not start a successor beside a thread that cannot be ended', () => {
    const bench = new Bench([policy('a')]).up();
    bench.dying('a', { type: 'hung', silentMs: ms(500) });
    expect(bench.at(20).take({ type: 'tick' })).toEqual(['kill-overdue a', 'emergency a unkillable', 'stopped a']);
  });
});

describe('strategies', () => {
  const abc = [policy('a'), policy('b'), policy('c')];

  it('one_for_one restarts the dead child only', () => {
    const bench = new Bench(abc).up();
    expect(bench.exited('b', CRASHED)).toEqual(['start b#2']);
  });

  it('one_for_all stops the others in reverse and starts all in order', () => {
    const bench = new Bench(abc, 'one_for_all').up();
    expect(bench.exited('b', CRASHED)).toEqual(['ask c#1']);
    expect(bench.exited('c', SHUTDOWN)).toEqual(['ask a#1']);
    expect(bench.exited('a', SHUTDOWN)).toEqual(['start a#2']);
    expect(bench.ready('a')).toEqual(['start b#2']);
    expect(bench.ready('b')).toEqual(['start c#2']);
  });

  it('rest_for_one restarts what comes after the dead child', () => {
    const bench = new Bench(abc, 'rest_for_one').up();
    expect(bench.exited('b', CRASHED)).toEqual(['ask c#1']);
    expect(bench.exited('c', SHUTDOWN)).toEqual(['start b#2']);
    expect(bench.ready('b')).toEqual(['start c#2']);
    expect(bench.incarnation('a')).toBe(1);
  });

  it('waits restartDelayMs, without holding up the others', () => {
    const bench = new Bench([policy('a', { restartDelayMs: ms(30) }), policy('b')]).up();
    expect(bench.exited('a', CRASHED)).toEqual([]);
    expect(bench.exited('b', CRASHED)).toEqual(['start b#2']);
    expect(nextDeadlineMs(bench.state)).toBe(30);
    expect(bench.at(30).take({ type: 'tick' })).toEqual(['start a#2']);
  });
});

describe('changes while running', () => {
  it('adds, restarts and removes a child', () => {
    const bench = new Bench([policy('a')]).up();
    expect(bench.take({ type: 'add', policy: policy('b') })).toEqual(['start b#1']);
    bench.ready('b');
    expect(bench.take({ type: 'restart', id: 'b' })).toEqual(['ask b#1']);
    expect(bench.exited('b', SHUTDOWN)).toEqual(['start b#2']);
    expect(bench.take({ type: 'remove', id: 'b' })).toEqual(['ask b#2']);
    expect(bench.exited('b', SHUTDOWN)).toEqual(['forget b']);
  });

  it('stops everything when a significant child ends in good order', () => {
    const bench = new Bench([policy('a'), policy('b', { restart: 'transient', significant: true })]).up();
    expect(bench.exited('b', NORMAL)).toEqual(['auto-shutdown b', 'ask a#1']);
  });

  it('ignores news about an earlier incarnation', () => {
    const bench = new Bench([policy('a')]).up();
    bench.exited('a', CRASHED);
    expect(bench.take({ type: 'exited', id: 'a', incarnation: 1, reason: CRASHED })).toEqual([]);
    expect(bench.status('a')).toBe('starting');
  });
});

/** What may happen in a random run: something happens to a child, time passes, or an operator acts. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('ready', 'exit', 'crash', 'hang'), child: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), forMs: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart'), child: fc.nat(3) }) },
);

const plan = fc.record({
  strategy: fc.constantFrom<Strategy>('one_for_one', 'one_for_all', 'rest_for_one'),
  maxRestarts: fc.integer({ min: 0, max: 4 }),
  periodMs: fc.integer({ min: 1, max: 1500 }),
  delayMs: fc.constantFrom(0, 0, 25),
  happenings: fc.array(happening, { maxLength: 80 }),
});

function run(chosen: {
  readonly strategy: Strategy;
  readonly maxRestarts: number;
  readonly periodMs: number;
  readonly delayMs: number;
  readonly happenings: readonly { readonly do: string; readonly child?: number; readonly forMs?: number }[];
}): Bench {
  const intensity = { maxRestarts: chosen.maxRestarts, periodMs: ms(chosen.periodMs) };
  const children = ['a', 'b', 'c', 'd'].map((id) =>
    policy(id, {
      intensity,
      restartDelayMs: ms(chosen.delayMs),
      whenGivenUp: id === 'd' ? 'ignore' : 'emergency-shutdown',
    }),
  );
  const bench = new Bench(children, chosen.strategy).up();
  for (const next of chosen.happenings) {
    const id = ['a', 'b', 'c', 'd'][next.child ?? 0] ?? 'a';
    if (next.do === 'pass') bench.at(bench.nowMs + (next.forMs ?? 0)).take({ type: 'tick' });
    else if (next.do === 'ready') bench.ready(id);
    else if (next.do === 'exit') bench.exited(id, SHUTDOWN);
    else if (next.do === 'crash') bench.exited(id, CRASHED);
    else if (next.do === 'hang') bench.dying(id, { type: 'hung', silentMs: ms(100) });
    else bench.take({ type: 'restart', id });
  }
  return bench;
}

describe('properties', () => {
  it('never decides more than maxRestarts restarts of a child in any window of periodMs', () => {
    fc.assert(
      fc.property(plan, (chosen) => {
        const bench = run(chosen);
        for (const id of ['a', 'b', 'c', 'd']) {
          const times = bench.events.flatMap((event) =>
            event.type === 'restarting' && event.id === id ? [event.atMs] : [],
          );
          for (const [i, atMs] of times.entries()) {
            const inWindow = times.slice(i).filter((other) => other - atMs < chosen.periodMs).length;
            expect(inWindow).toBeLessThanOrEqual(chosen.maxRestarts);
          }
        }
      }),
    );
  });

  it('never starts a child whose former thread is not proven to be gone', () => {
    fc.assert(
      fc.property(plan, (chosen) => {
        const { events } = run(chosen);
        const alive = new Set<string>();
        for (const event of events) {
          if (event.type === 'starting') {
            expect(alive).not.toContain(event.id);
            alive.add(event.id);
          } else if (event.type === 'exited') {
            alive.delete(event.id);
          }
        }
      }),
    );
  });

  it('starts nothing after an emergency', () => {
    fc.assert(
      fc.property(plan, (chosen) => {
        const { events } = run(chosen);
        const emergency = events.findIndex((event) => event.type === 'emergency');
        if (emergency < 0) return;
        expect(events.slice(emergency).map((event) => event.type)).not.toContain('starting');
      }),
    );
  });

  it('stops in the reverse of the start order, from wherever it is, and always comes to an end', () => {
    fc.assert(
      fc.property(plan, (chosen) => {
        const bench = run(chosen);
        if (bench.state.phase !== 'running') return;
        const order = bench.state.children.map((child) => child.policy.id);
        const asked: string[] = [];
        const pending = [...bench.take({ type: 'stop' })];
        for (let rounds = 0; !bench.log.includes('stopped'); rounds += 1) {
          expect(rounds).toBeLessThan(100);
          for (const line of pending.splice(0)) if (line.startsWith('ask')) asked.push(line.slice(4, 5));
          const last = bench.state.children.findLast(isAlive);
          if (last !== undefined) pending.push(...bench.exited(last.policy.id, SHUTDOWN));
        }
        expect(asked).toEqual(order.toReversed().filter((id) => asked.includes(id)));
        expect(bench.state.children.some(isAlive)).toBe(false);
      }),
    );
  });
});
