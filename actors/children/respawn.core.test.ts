import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  createRespawn,
  nextDeadlineMs,
  type RespawnEffect,
  type RespawnInput,
  step,
  viewRespawn,
} from './respawn.core.ts';

/** Runs the core with programs that are started at once, on a clock of its own. */
class Bench {
  readonly state;
  readonly effects: RespawnEffect[] = [];
  nowMs = 1_000;
  #nextPid = 100;

  constructor(...lines: readonly { readonly command: string; readonly failfast?: boolean }[]) {
    const account = { uid: 103, gid: 106 };
    this.state = createRespawn(lines.map(({ command, failfast = false }) => ({ command, failfast, account })));
  }

  feed(input: RespawnInput): void {
    for (const effect of step(this.state, input, this.nowMs)) {
      this.effects.push(effect);
      if (effect.type === 'run') this.feed({ type: 'started', id: effect.id, pid: this.#nextPid++ });
    }
  }

  end(id: number, exitCode: number | null, signal: string | null = null): void {
    this.feed({ type: 'ended', id, pid: viewRespawn(this.state, this.nowMs)[id]?.pid ?? 0, exitCode, signal });
  }

  /** Lets time pass to the next deadline, at most so far. */
  wait(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (
      let dueMs = nextDeadlineMs(this.state);
      dueMs !== null && dueMs <= untilMs;
      dueMs = nextDeadlineMs(this.state)
    ) {
      this.nowMs = Math.max(dueMs, this.nowMs);
      this.feed({ type: 'timer' });
    }
    this.nowMs = untilMs;
  }

  starts(id = 0): number {
    return this.effects.filter((effect) => effect.type === 'run' && effect.id === id).length;
  }

  signals(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'signal' ? [`${effect.signal} ${effect.id}`] : []));
  }

  logged(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'log' ? [`${effect.severity}: ${effect.text}`] : []));
  }
}

describe('programs', () => {
  it('start in the order of the file when communication is up, once', () => {
    const bench = new Bench({ command: '/a' }, { command: '/b' });
    expect(bench.starts(0)).toBe(0);
    bench.feed({ type: 'start' });
    bench.feed({ type: 'start' });
    expect(bench.logged()).toEqual([
      'info: Starting child client "/a" (103,106)',
      'info: Starting "/a" as uid 103  gid 106 (pid 100)',
      'info: Starting child client "/b" (103,106)',
      'info: Starting "/b" as uid 103  gid 106 (pid 101)',
    ]);
  });

  test.each([
    [0, null, 'info: Managed /a process 100 exited with return code 0.'],
    [3, null, 'WARN: Managed /a process 100 exited with return code 3.'],
    [null, 'SIGKILL', 'WARN: Managed /a process 100 killed by signal 9 [SIGKILL - Kill, unblockable].'],
  ])('that end (%s %s) are started again a second later', (exitCode, signal, line) => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    bench.end(0, exitCode, signal);
    expect(bench.logged().slice(-2)).toEqual([line, 'ERROR: Respawning client "/a":']);
    bench.wait(999);
    expect(bench.starts()).toBe(1);
    bench.wait(1);
    expect(bench.starts()).toBe(2);
    expect(viewRespawn(bench.state, bench.nowMs)[0]).toMatchObject({ status: 'running', restarts: 1, uptimeMs: 0 });
  });

  it('that end after a long life are started again at once', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    bench.wait(30_000);
    bench.end(0, 1);
    expect(bench.starts()).toBe(2);
  });

  it('that end with 100 stay down', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    bench.end(0, 100);
    bench.wait(100_000);
    expect(bench.starts()).toBe(1);
    expect(viewRespawn(bench.state, bench.nowMs)[0]).toMatchObject({ status: 'down', lastExit: 'exit code 100' });
  });

  it('that die again and again get eleven starts', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    for (let life = 0; life < 30 && viewRespawn(bench.state, bench.nowMs)[0]?.pid !== null; life++) {
      bench.end(0, 1);
      bench.wait(1_000);
    }
    expect(bench.starts()).toBe(11);
    expect(bench.logged().at(-1)).toBe('ERROR: Client /a "respawning too fast"');
  });

  it('that die again and again, but live long once, are not given up', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    for (let life = 0; life < 25; life++) {
      if (life % 10 === 9) bench.wait(30_000);
      bench.end(0, 1);
      bench.wait(1_000);
    }
    expect(bench.starts()).toBe(26);
  });

  it('that cannot be started are tried as often', () => {
    const bench = new Bench({ command: '/a' });
    step(bench.state, { type: 'start' }, 0);
    for (let turn = 0; turn < 20; turn++) {
      step(bench.state, { type: 'not-started', id: 0, reason: 'EAGAIN' }, turn * 1_000);
      step(bench.state, { type: 'timer' }, (turn + 1) * 1_000);
    }
    expect(viewRespawn(bench.state, 0)[0]).toMatchObject({ status: 'down', lastExit: 'EAGAIN' });
  });

  it('tell who may be a client of theirs', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    bench.end(0, 1);
    expect(bench.effects).toContainEqual({ type: 'process-ended', pid: 100 });
  });
});

describe('failfast', () => {
  test.each([
    [0, null, false],
    [1, null, true],
    [100, null, true],
    [null, 'SIGTERM', true],
  ])('exit code %s, signal %s: reboot %s', (exitCode, signal, reboots) => {
    const bench = new Bench({ command: '/a', failfast: true });
    bench.feed({ type: 'start' });
    bench.end(0, exitCode, signal);
    expect(bench.effects.some((effect) => effect.type === 'reboot')).toBe(reboots);
    if (reboots) expect(bench.logged().at(-1)).toBe('EMERG: Rebooting system.  Reason: /a');
  });

  it('does not reboot for the end that we asked for', () => {
    const bench = new Bench({ command: '/a', failfast: true });
    bench.feed({ type: 'start' });
    bench.feed({ type: 'stop' });
    bench.end(0, null, 'SIGTERM');
    expect(bench.effects.at(-1)).toEqual({ type: 'stopped' });
  });
});

describe('the end', () => {
  it('stops one at a time, the last first, and says when all are down', () => {
    const bench = new Bench({ command: '/a' }, { command: '/b' }, { command: '/c' });
    bench.feed({ type: 'start' });
    bench.end(1, 100);
    bench.feed({ type: 'stop' });
    expect(bench.signals()).toEqual(['SIGTERM 2']);
    bench.end(2, 0);
    expect(bench.signals()).toEqual(['SIGTERM 2', 'SIGTERM 0']);
    bench.end(0, null, 'SIGTERM');
    expect(bench.effects.at(-1)).toEqual({ type: 'stopped' });
    expect(bench.logged().slice(-5)).toEqual([
      'info: killing /c process group 102 with signal 15',
      'info: Managed /c process 102 exited with return code 0.',
      'info: client [/b] is not running.',
      'info: killing /a process group 100 with signal 15',
      'WARN: Managed /a process 100 killed by signal 15 [SIGTERM - Termination (ANSI)].',
    ]);
  });

  it('kills what does not end', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'start' });
    bench.feed({ type: 'stop' });
    bench.wait(29_999);
    expect(bench.signals()).toEqual(['SIGTERM 0']);
    bench.wait(1);
    expect(bench.signals()).toEqual(['SIGTERM 0', 'SIGKILL 0']);
  });

  it('waits for a program that is just being started', () => {
    const bench = new Bench({ command: '/a' });
    expect(step(bench.state, { type: 'start' }, 0).map(({ type }) => type)).toEqual(['log', 'run']);
    expect(step(bench.state, { type: 'stop' }, 0)).toEqual([]);
    bench.feed({ type: 'started', id: 0, pid: 7 });
    expect(bench.signals()).toEqual(['SIGTERM 0']);
  });

  it('is there at once when nothing runs, and is told once', () => {
    const bench = new Bench({ command: '/a' });
    bench.feed({ type: 'stop' });
    bench.feed({ type: 'stop' });
    expect(bench.effects.filter((effect) => effect.type === 'stopped')).toHaveLength(1);
  });

  it('starts nothing any more, whatever ends in whatever order', () => {
    const input = fc.oneof(
      fc.record({ what: fc.constant('end' as const), id: fc.nat(2), code: fc.constantFrom(0, 1, 100) }),
      fc.record({ what: fc.constant('wait' as const), ms: fc.nat(40_000) }),
      fc.record({ what: fc.constant('stop' as const) }),
    );
    fc.assert(
      fc.property(fc.array(input, { maxLength: 30 }), (inputs) => {
        const bench = new Bench({ command: '/a' }, { command: '/b' }, { command: '/c' });
        bench.feed({ type: 'start' });
        let startsAtStop: number | null = null;
        for (const entry of inputs) {
          if (entry.what === 'end' && viewRespawn(bench.state, 0)[entry.id]?.pid !== null)
            bench.end(entry.id, entry.code);
          if (entry.what === 'wait') bench.wait(entry.ms);
          if (entry.what === 'stop') {
            bench.feed({ type: 'stop' });
            startsAtStop ??= bench.starts(0) + bench.starts(1) + bench.starts(2);
          }
        }
        if (startsAtStop !== null) expect(bench.starts(0) + bench.starts(1) + bench.starts(2)).toBe(startsAtStop);
      }),
    );
  });
});
