import { describe, expect, it } from 'vitest';
import { LogBudget } from './log-budget.core.ts';

const count = (budget: LogBudget, uid: number, times: number, nowMs: number): number => {
  let logged = 0;
  for (let complaint = 0; complaint < times; complaint++) if (budget.take(uid, nowMs).log) logged += 1;
  return logged;
};

describe('the log budget of a user', () => {
  it('is 20 lines a minute, and says at the last one that it is', () => {
    const budget = new LogBudget();
    const answers = Array.from({ length: 25 }, () => budget.take(7, 0));
    expect(answers.filter(({ log }) => log)).toHaveLength(20);
    expect(answers.findIndex(({ isLast }) => isLast)).toBe(19);
    expect(count(budget, 7, 5, 59_999)).toBe(0);
  });

  it('is full again after a minute, and tells first what was left out', () => {
    const budget = new LogBudget();
    count(budget, 7, 30, 0);
    expect(budget.take(7, 60_000)).toEqual({ log: true, leftOut: 10, isLast: false });
    expect(budget.take(7, 60_000)).toEqual({ log: true, leftOut: 0, isLast: false });
  });

  it('is nobody else’s', () => {
    const budget = new LogBudget();
    count(budget, 7, 1_000, 0);
    expect(budget.take(8, 0).log).toBe(true);
  });

  it('is one for all beyond 256 users, so that made-up users cost no memory', () => {
    const budget = new LogBudget();
    for (let uid = 0; uid < 256; uid++) budget.take(uid, 0);
    expect(count(budget, 1_000, 15, 0) + count(budget, 2_000, 15, 0)).toBe(20);
    // Users that were quiet for a minute make room.
    expect(count(budget, 3_000, 15, 60_000)).toBe(15);
  });
});
