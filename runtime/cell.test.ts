import { describe, expect, it } from 'vitest';
import { type ActorDefinition, defineActor } from './actor.ts';
import { Cell, type CellEnd } from './cell.ts';
import { SimulatedClock } from './clock.ts';
import type { Protocol, Tagged } from './protocol.ts';
import { ms } from './units.ts';

interface TestProtocol extends Protocol {
  readonly init: string;
  readonly cast: { readonly type: string };
  readonly call: { describe(): readonly string[]; fail(): void };
  readonly emit: { readonly type: string };
}

/** A cell on a simulated clock, with what it emitted and how it ended. */
function makeCell<S>(definition: ActorDefinition<TestProtocol, S>): {
  readonly cell: Cell<TestProtocol, S>;
  readonly clock: SimulatedClock;
  readonly emitted: Tagged[];
  readonly ends: CellEnd[];
} {
  const clock = new SimulatedClock();
  const emitted: Tagged[] = [];
  const ends: CellEnd[] = [];
  const cell = new Cell(definition, {
    id: 'test',
    incarnation: 1,
    clock,
    refs: new Map(),
    controls: new Map(),
    emit: (event) => emitted.push(event),
    ended: (end) => ends.push(end),
  });
  return { cell, clock, emitted, ends };
}

/** Lets promises that are settled by now run their handlers. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('turns', () => {
  it('messages that come during the start wait for it', async () => {
    const gate = Promise.withResolvers<void>();
    const { cell } = makeCell<string[]>({
      start: async (_ctx, init) => {
        await gate.promise;
        return [init];
      },
      onCast: (_ctx, state, message) => [...state, message.type],
      calls: { describe: (_ctx, state) => state, fail: () => undefined },
    });
    const started = cell.start('first');
    cell.deliver({ type: 'second' });
    gate.resolve();
    expect(await started).toBe(true);
    cell.proceed();
    expect(cell.surface().describe?.()).toEqual(['first', 'second']);
  });

  it('an asynchronous handler holds up messages, timers and enqueued functions, but not calls', async () => {
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const { cell, clock } = makeCell<null>({
      start: (ctx) => {
        ctx.after(ms(10), () => void log.push('timer'));
        return null;
      },
      async onCast(ctx, _state, message) {
        if (message.type === 'slow') {
          ctx.enqueue(() => void log.push('enqueued'));
          await gate.promise;
        }
        log.push(message.type);
      },
      calls: { describe: () => [...log], fail: () => undefined },
    });
    await cell.start('');
    cell.proceed();
    cell.deliver({ type: 'slow' });
    cell.deliver({ type: 'quick' });
    clock.increment(ms(10));
    expect(cell.surface().describe?.()).toEqual([]);
    gate.resolve();
    await settle();
    expect(log).toEqual(['slow', 'enqueued', 'quick', 'timer']);
  });

  it('an idle actor runs what is enqueued at once', async () => {
    const log: number[] = [];
    const late: { enqueue?: (fn: () => void) => void } = {};
    const { cell } = makeCell<null>({
      start: (ctx) => {
        late.enqueue = (fn) => ctx.enqueue(fn);
        return null;
      },
    });
    await cell.start('');
    cell.proceed();
    late.enqueue?.(() => {
      late.enqueue?.(() => void log.push(2));
      log.push(1);
    });
    expect(log).toEqual([1, 2]);
  });

  it('a timer that is cancelled after its instant, before its turn, does not run', async () => {
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const { cell, clock } = makeCell<{ cancel(): void }>({
      start: (ctx) => ctx.after(ms(10), () => void log.push('timer')),
      async onCast(_ctx, timer) {
        await gate.promise;
        timer.cancel();
      },
    });
    await cell.start('');
    cell.proceed();
    cell.deliver({ type: 'slow' });
    clock.increment(ms(10));
    gate.resolve();
    await settle();
    expect(log).toEqual([]);
  });
});

describe('ends', () => {
  it('stop discards what waits, lets the present handler finish, then calls stop and the exit hooks', async () => {
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    const { cell, clock, ends } = makeCell<null>({
      start: (ctx) => {
        ctx.onExit(() => void log.push('first hook'));
        ctx.onExit(() => void log.push('second hook'));
        ctx.after(ms(5), () => void log.push('timer'));
        return null;
      },
      async onCast(_ctx, _state, message) {
        await gate.promise;
        log.push(message.type);
      },
      stop: (_ctx, _state, reason) => void log.push(reason),
    });
    await cell.start('');
    cell.proceed();
    cell.deliver({ type: 'present' });
    cell.deliver({ type: 'waiting' });
    cell.stop('shutdown');
    cell.deliver({ type: 'late' });
    gate.resolve();
    await settle();
    clock.increment(ms(10));
    expect(log).toEqual(['present', 'shutdown', 'second hook', 'first hook']);
    expect(ends).toEqual([{ type: 'ended', reason: 'shutdown' }]);
  });

  const failures: readonly (readonly [string, ActorDefinition<TestProtocol, null>])[] = [
    [
      'a cast',
      {
        start: () => null,
        onCast: () => {
          throw new Error('boom');
        },
      },
    ],
    ['an asynchronous cast', { start: () => null, onCast: () => Promise.reject(new Error('boom')) }],
    ['the start', { start: () => Promise.reject(new Error('boom')) }],
    [
      'an exit hook',
      {
        start: (ctx) => {
          ctx.onExit(() => {
            throw new Error('boom');
          });
          return null;
        },
        onCast: (ctx) => ctx.exit(),
      },
    ],
    ['stop', { start: () => null, onCast: (ctx) => ctx.exit(), stop: () => Promise.reject(new Error('boom')) }],
    ['ctx.fail', { start: () => null, onCast: (ctx) => ctx.fail(new Error('boom')) }],
  ];
  it.each(failures)('an error in %s is a crash, once, and nothing runs after it', async (_where, definition) => {
    const { cell, ends } = makeCell(defineActor(definition));
    if (await cell.start('')) cell.proceed();
    cell.deliver({ type: 'go' });
    cell.deliver({ type: 'again' });
    await settle();
    cell.stop('shutdown');
    await settle();
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ type: 'crashed', error: { message: expect.stringContaining('boom') } });
  });

  it('a cast to an actor that takes none is a crash that says so', async () => {
    const { cell, ends } = makeCell<null>({ start: () => null });
    await cell.start('');
    cell.proceed();
    cell.deliver({ type: 'hello' });
    expect(ends).toMatchObject([{ type: 'crashed', error: { code: 'HB_ACTOR_FAILED' } }]);
  });

  it("an error in a call is the caller's, not the actor's", async () => {
    const { cell, ends } = makeCell<null>({
      start: () => null,
      calls: {
        describe: () => [],
        fail: () => {
          throw new Error('refused');
        },
      },
    });
    await cell.start('');
    cell.proceed();
    expect(() => cell.surface().fail?.()).toThrow('refused');
    expect(ends).toEqual([]);
  });
});
