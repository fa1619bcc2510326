import { describe, expect, it } from 'vitest';
import { check, checkPeriodMs, type Finding, unwatch, type WatchState, watch } from './liveness.core.ts';
import { type Ms, ms } from './units.ts';

/** Watches threads with a window of 1000 ms and checks every 200 ms. */
class Room {
  state: WatchState = new Map();
  nowMs: Ms = ms(0);
  readonly counters = new Map<string, number>();
  readonly ran = new Map<string, number>();

  constructor(...ids: readonly string[]) {
    for (const id of ids) {
      this.counters.set(id, 0);
      this.state = watch(this.state, id, ms(1000), 0, this.nowMs);
    }
  }

  move(id: string): void {
    this.counters.set(id, (this.counters.get(id) ?? 0) + 1);
  }

  /** Checks at the given time; `lateMs` says how much later than due that is. */
  check(nowMs: number, lateMs = 0): readonly Finding[] {
    this.nowMs = ms(nowMs);
    const [state, findings] = check(this.state, {
      nowMs: this.nowMs,
      dueMs: ms(nowMs - lateMs),
      periodMs: ms(200),
      counterOf: (id) => this.counters.get(id) ?? 0,
      ranOf: (id) => this.ran.get(id) ?? null,
    });
    this.state = state;
    return findings;
  }

  /** Checks every 200 ms up to an instant; gives what was found. */
  until(endMs: number, each: () => void = () => undefined): readonly Finding[] {
    const found: Finding[] = [];
    while (this.nowMs + 200 <= endMs) {
      each();
      found.push(...this.check(this.nowMs + 200));
    }
    return found;
  }
}

describe('a watched thread', () => {
  it('is fine as long as it moves within its window', () => {
    const room = new Room('a');
    expect(room.until(10_000, () => room.move('a'))).toEqual([]);
  });

  it('is hung when it has not moved for its window, and is reported once', () => {
    const room = new Room('a', 'b');
    expect(room.until(800, () => room.move('b'))).toEqual([]);
    expect(room.until(5000, () => room.move('b'))).toEqual([{ type: 'hung', id: 'a', silentMs: 1000 }]);
  });

  it('is no longer looked at when it is unwatched', () => {
    const room = new Room('a');
    room.state = unwatch(room.state, 'a');
    expect(room.until(5000)).toEqual([]);
  });
});

describe('a machine that stood still', () => {
  it('is not taken for hung threads: the windows start again', () => {
    const room = new Room('a', 'b');
    room.until(800);
    expect(room.check(60_000, 59_000)).toEqual([{ type: 'stalled', lateMs: 59_000 }]);
    expect(room.until(60_800)).toEqual([]);
    expect(room.until(61_000).map((finding) => finding.type)).toEqual(['hung', 'hung']);
  });

  it('needs more than two periods of lateness: a little is normal', () => {
    const room = new Room('a');
    expect(room.check(600, 400)).toEqual([]);
    expect(room.check(1001, 401)).toEqual([{ type: 'stalled', lateMs: 401 }]);
  });
});

describe('a silent thread that hardly runs', () => {
  it('gets more windows, at most three in a row', () => {
    const room = new Room('a');
    const findings = room.until(10_000, () => room.ran.set('a', 50 + room.nowMs * 0.2));
    expect(findings.map((finding) => finding.type)).toEqual(['starved', 'starved', 'starved', 'hung']);
  });

  it('gets them also when it waits all the time in one piece', () => {
    const room = new Room('a');
    room.ran.set('a', 50);
    expect(room.until(1000)).toEqual([{ type: 'starved', id: 'a', silentMs: 1000 }]);
  });

  it('is forgiven nothing any more once it has moved: the count starts again', () => {
    const room = new Room('a');
    room.ran.set('a', 50);
    expect(room.until(3600)).toHaveLength(3);
    room.move('a');
    expect(room.until(7200).map((finding) => finding.type)).toEqual(['starved', 'starved', 'starved']);
  });
});

it('is an endless loop, and hung at once, when it ran for a quarter of the time or more', () => {
  const room = new Room('a');
  const findings = room.until(5000, () => room.ran.set('a', room.nowMs * 0.3));
  expect(findings.map((finding) => finding.type)).toEqual(['hung']);
});

it('checks five times within the shortest window', () => {
  expect(checkPeriodMs([ms(1000), ms(500), ms(4000)])).toBe(100);
  expect(checkPeriodMs([])).toBeNull();
});
