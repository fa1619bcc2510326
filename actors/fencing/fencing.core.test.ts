import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms } from '../../runtime/units.ts';
import { CHECK_MS, nextDeadlineMs, RECHECK_MS, RETRY_MS } from './fencing.core.ts';
import { done, FencingBench, n1, refused, strange } from './test-bench.ts';
import type { FencingInput } from './types.ts';
import { viewFencing } from './view.core.ts';

const failed = [
  'log ERROR: Host node1 not reset!',
  'log WARN: Managed STONITH node1 process 4711 exited with return code 1.',
  'tell node1 bad',
  'event fencing.failed',
];
const whatToDo =
  'log CRIT: The resources of node1 are not taken before it is reset. If node1 is certainly switched off, say so with: systole fence-confirm node1';

describe('a reset', () => {
  it('that works gives the node free, in the words of Heartbeat', () => {
    const bench = new FencingBench('external/lab');
    expect(bench.fence()).toEqual([
      'event fencing.begun',
      'log info: Resetting node node1 with [external/lab]',
      'run 0 reset node1',
    ]);
    expect(bench.end(done)).toEqual([
      'log info: node node1 now reset.',
      'log info: Managed STONITH node1 process 4711 exited with return code 0.',
      'tell node1 OK',
      'event fencing.ended',
      'fenced node1 by device',
    ]);
    expect(nextDeadlineMs(bench.state)).toBeNull();
  });

  it('that is refused twice is tried every 5 s until it works (corpus stonith-retry-success)', () => {
    const bench = new FencingBench('external/lab');
    bench.fence();
    expect(bench.end(refused)).toEqual([...failed, 'log ERROR: STONITH of node1 failed.  Retrying...', whatToDo]);
    expect(bench.pass(RETRY_MS - 1)).toEqual([]);
    expect(bench.pass(1)).toEqual(['log info: Resetting node node1 with [external/lab]', 'run 0 reset node1']);
    // What the operator can do is said once.
    expect(bench.end(refused)).toEqual([...failed, 'log ERROR: STONITH of node1 failed.  Retrying...']);
    bench.pass(RETRY_MS);
    expect(bench.end(done)).toContain('fenced node1 by device');
  });

  it('goes to the next device at once, and to the first one again after the pause', () => {
    const bench = new FencingBench('a', 'b');
    bench.fence();
    expect(bench.end(refused)).toEqual([...failed, 'log info: Resetting node node1 with [b]', 'run 1 reset node1']);
    expect(bench.end(strange)).toEqual([
      'log ERROR: Device b cannot reset host node1.',
      'log WARN: Managed STONITH node1 process 4711 exited with return code 100.',
      'tell node1 badhost',
      'event fencing.failed',
      'log ERROR: STONITH of node1 failed.  Retrying...',
      whatToDo,
    ]);
    expect(bench.pass(RETRY_MS)).toEqual(['log info: Resetting node node1 with [a]', 'run 0 reset node1']);
  });

  it('is asked only of devices that are for that node', () => {
    const bench = new FencingBench('a>node2', 'b>node2,node1');
    expect(bench.fence()).toContain('run 1 reset node1');
    const none = new FencingBench('a>node2');
    expect(none.fence()).toEqual([
      'event fencing.begun',
      'log ERROR: No STONITH device can reset host node1.',
      'tell node1 badhost',
      'log ERROR: STONITH of node1 failed.  Retrying...',
      whatToDo,
    ]);
    expect(nextDeadlineMs(none.state)).toBe(RETRY_MS);
  });

  it('tells why it shoots a node that it has never heard', () => {
    expect(new FencingBench('a').fence(false)[0]).toBe(
      'log WARN: node node1 was never heard since this node started: it may hold resources all the same, so it is reset before anything is taken.',
    );
  });

  it('that hangs is said to, with the last words of the device', () => {
    const bench = new FencingBench('a');
    bench.fence();
    expect(bench.end({ ...refused, timedOutMs: 60_000, remark: 'connecting' }).slice(0, 2)).toEqual([
      'log ERROR: STONITH device [a] was not done within 60000 ms and was stopped.',
      'log info: STONITH device [a]: connecting',
    ]);
  });
});

it('says what Heartbeat 3.0.6 said in the recorded run, line by line', () => {
  const log = readFileSync(new URL('../../test/corpus/logs/stonith-retry-success/node2.log', import.meta.url), 'utf8');
  const real = log
    .replaceAll('[lab STONITH device\n]', '[lab]')
    .split('\n')
    .flatMap((line) => /heartbeat: \[\d+\]: (.*(?:STONITH|Resetting|not reset|now reset).*)$/.exec(line)?.[1] ?? [])
    .filter((text) => !text.includes('STONITH-stat') && !text.includes('Checking status'))
    .map((text) => text.replace(/process \d+/, 'process 4711'));
  const bench = new FencingBench('lab');
  const lines = [
    ...bench.fence(),
    ...bench.end(refused),
    ...bench.pass(RETRY_MS),
    ...bench.end(refused),
    ...bench.pass(RETRY_MS),
    ...bench.end(done),
  ];
  // The one line of ours: what the operator can do.
  const ours = lines.filter((line) => line.startsWith('log ') && line !== whatToDo).map((line) => line.slice(4));
  expect(real.length).toBeGreaterThan(10);
  expect(ours).toEqual(real);
});

describe('what ends it without a device', () => {
  it.each([
    ['returned', 'WARN', 'node1 is heard again', ['abort 1']],
    ['left', 'WARN', 'node1 has released everything and leaves', ['abort 1']],
    // A reset that was broken off could leave the machine switched off for good.
    ['leaving', 'info', 'this node is shutting down', []],
  ] as const)('%s', (why, severity, text, aborts) => {
    const bench = new FencingBench('a');
    bench.fence();
    expect(bench.feed({ type: 'cancel', why })).toEqual([
      `log ${severity}: STONITH of node1 cancelled: ${text}.`,
      ...aborts,
      'event fencing.cancelled',
    ]);
    expect(bench.end(done, 1), 'the late result').toEqual([]);
    expect(nextDeadlineMs(bench.state)).toBeNull();
  });

  it('cancels the wait for the next round as well', () => {
    const bench = new FencingBench('a');
    bench.fence();
    bench.end(refused);
    bench.feed({ type: 'cancel', why: 'returned' });
    expect(bench.pass(10 * RETRY_MS)).toEqual([]);
  });

  it("is the operator's word, for the node that is waited for only", () => {
    const bench = new FencingBench('a');
    expect(bench.feed({ type: 'confirm', node: n1 })).toEqual([]);
    bench.fence();
    const confirmed = [
      'log CRIT: The operator has confirmed that node node1 is switched off: its resources are taken on that word alone.',
      'tell node1 OK',
      'event fencing.ended',
      'fenced node1 by operator',
    ];
    expect(bench.feed({ type: 'confirm', node: n1 })).toEqual(['abort 1', ...confirmed]);
    expect(bench.feed({ type: 'confirm', node: n1 })).toEqual([]);
  });
});

describe('the status of the devices', () => {
  const good = 'log info: Managed STONITH-stat process 4711 exited with return code 0.';

  it('is asked one device after the other when communication comes up, and every hour', () => {
    const bench = new FencingBench('a', 'b');
    expect(bench.feed({ type: 'comm-up' })).toEqual([
      'log info: Checking status of STONITH device [a]',
      'run 0 status',
    ]);
    expect(bench.end(done)).toEqual([
      good,
      'event fencing.device-ok',
      'log info: Checking status of STONITH device [b]',
      'run 1 status',
    ]);
    expect(bench.end(done)).toEqual([good, 'event fencing.device-ok']);
    expect(bench.pass(CHECK_MS - 1)).toEqual([]);
    expect(bench.pass(1)).toEqual(['log info: Checking status of STONITH device [a]', 'run 0 status']);
    expect(bench.end(done)[0]).toBe(good);
  });

  it('that is bad is told in the words of Heartbeat, and asked again soon', () => {
    const bench = new FencingBench('a');
    bench.feed({ type: 'comm-up' });
    expect(bench.end(refused)).toEqual([
      'log ERROR: STONITH device a not operational!',
      'log WARN: Managed STONITH-stat process 4711 exited with return code 1.',
      'log ERROR: STONITH status operation failed.',
      'log info: This may mean that the STONITH device has failed!',
      'event fencing.device-failed',
    ]);
    expect(viewFencing(bench.state, ms(bench.nowMs)).devices).toEqual([{ device: 'a', status: 'failed', ageMs: 0 }]);
    expect(bench.pass(RECHECK_MS)).toContain('run 0 status');
    // Still bad: no event again.
    expect(bench.end(refused)).not.toContain('event fencing.device-failed');
    bench.pass(RECHECK_MS);
    expect(bench.end(done)).toEqual([good, 'event fencing.device-ok']);
  });

  it('waits while a node is being fenced, also one that was under way', () => {
    const bench = new FencingBench('a');
    bench.feed({ type: 'comm-up' });
    expect(bench.fence()).toEqual([
      'abort 1',
      'event fencing.begun',
      'log info: Resetting node node1 with [a]',
      'run 0 reset node1',
    ]);
    expect(bench.end(refused, 1), 'the broken-off check').toEqual([]);
    bench.nowMs = CHECK_MS;
    bench.end(refused, 2);
    expect(nextDeadlineMs(bench.state)).toBe(CHECK_MS + RETRY_MS);
    bench.pass(RETRY_MS);
    expect(bench.end(done)).toContain('run 0 status');
  });

  it('is asked when communication comes up while the other node is being fenced, afterwards', () => {
    const bench = new FencingBench('a');
    bench.fence(false);
    expect(bench.feed({ type: 'comm-up' })).toEqual([]);
    expect(bench.end(done)).toContain('run 0 status');
  });
});

it('shows what is waited for', () => {
  const bench = new FencingBench('a');
  bench.fence();
  bench.nowMs = 3_000;
  const view = () => viewFencing(bench.state, ms(bench.nowMs)).pending;
  expect(view()).toMatchObject({ node: 'node1', sinceMs: 3_000, failures: 0, waitsFor: 'a is resetting node1' });
  bench.end(refused);
  bench.nowMs = 4_000;
  expect(view()).toEqual({
    node: 'node1',
    sinceMs: 4_000,
    failures: 1,
    lastFailure: { device: 'a', ageMs: 1_000 },
    waitsFor:
      'no device has reset node1: they are tried again, until one does, node1 is heard, or systole fence-confirm node1',
  });
});

/** Any order of inputs, results of operations among them. */
const inputs: fc.Arbitrary<readonly (FencingInput['type'] | 'fail' | 'stale' | 'wait')[]> = fc.array(
  fc.constantFrom('comm-up', 'fence', 'cancel', 'confirm', 'ended', 'fail', 'stale', 'timer', 'wait'),
  { maxLength: 60 },
);

it('gives a node free only after a reset that worked or a confirmation, whatever happens in between', () => {
  fc.assert(
    fc.property(inputs, (acts) => {
      const bench = new FencingBench('a', 'b');
      let running: number | null = null;
      for (const act of acts) {
        const wanted = bench.state.pending !== null;
        const resets = bench.state.pending?.running?.operation ?? null;
        const operation = running;
        const lines =
          act === 'fence'
            ? bench.fence()
            : act === 'cancel'
              ? bench.feed({ type: 'cancel', why: 'returned' })
              : act === 'confirm'
                ? bench.feed({ type: 'confirm', node: n1 })
                : act === 'ended'
                  ? bench.end(done, operation ?? 0)
                  : act === 'fail'
                    ? bench.end(refused, operation ?? 0)
                    : act === 'stale'
                      ? bench.end(done, Math.max(0, (operation ?? 0) - 1))
                      : act === 'wait'
                        ? bench.pass(RETRY_MS)
                        : bench.feed({ type: act });
        if (lines.some((line) => line.startsWith('run'))) running = bench.state.nextOperation - 1;
        const freed = lines.some((line) => line.startsWith('fenced'));
        const mayFree =
          wanted &&
          (act === 'confirm' ||
            (act === 'ended' && operation === resets) ||
            (act === 'stale' && (operation ?? 0) - 1 === resets));
        if (freed && !mayFree) throw new Error(`freed by ${act}: ${lines.join(' | ')}`);
        if (wanted && act === 'confirm' && !freed) throw new Error('a confirmation was ignored');
        // Something always goes on while a node waits.
        const { pending } = bench.state;
        if (pending !== null && pending.running === null && pending.retryMs === null)
          throw new Error('nobody will try again');
        // One operation at a time.
        if (pending?.running !== null && pending !== null && bench.state.checking !== null)
          throw new Error('two at once');
      }
    }),
    { numRuns: 2_000 },
  );
});
