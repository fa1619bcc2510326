import { describe, expect, it } from 'vitest';
import { field } from '../../runtime/message/message.ts';
import { ms } from '../../runtime/units.ts';
import type { SentHistory } from './history.ts';
import { answerRequest, createHistory, free, remember } from './history.ts';

/** A history of `count` messages sent at time 0; message k has the field n=k. */
function history(count: number): SentHistory {
  const state = createHistory();
  for (let seq = 1; seq <= count; seq++) remember(state, [field('n', String(seq))], ms(0));
  return state;
}

const quietMs = 240;
const ask = (state: SentHistory, first: number, last: number, acked = 0, nowMs = 1000): string[] =>
  answerRequest(state, first, last, acked, quietMs, ms(nowMs)).map((answer) => `${answer.kind} ${answer.seq}`);

describe('answers to a request', () => {
  it('resends what is there, the newest asked for alone included', () => {
    expect(ask(history(9), 3, 5)).toEqual(['resend 3', 'resend 4', 'resend 5']);
    expect(ask(history(9), 9, 9)).toEqual(['resend 9']);
  });

  it('resends the very same fields', () => {
    const state = history(3);
    const [answer] = answerRequest(state, 2, 2, 0, quietMs, ms(1));
    expect(answer).toEqual({ kind: 'resend', seq: 2, fields: [['n', 0, '2']] });
  });

  it('ignores what the asker has acknowledged', () => expect(ask(history(9), 3, 5, 4)).toEqual(['resend 5']));

  it('ignores a repetition within the quiet time', () => {
    const state = history(9);
    expect(ask(state, 3, 3, 0, 1000)).toEqual(['resend 3']);
    expect(ask(state, 3, 3, 0, 1239)).toEqual([]);
    expect(ask(state, 3, 3, 0, 1240)).toEqual(['resend 3']);
  });

  it('says once that a number was never sent', () =>
    expect(ask(history(9), 9, 1e12)).toEqual(['resend 9', 'beyond 10']));

  it('refuses what has left the ring', () => {
    const state = history(502);
    expect(ask(state, 2, 3)).toEqual(['nak 2', 'resend 3']);
  });

  it('answers at most 50 numbers of one request', () => expect(ask(history(200), 1, 200)).toHaveLength(50));
});

describe('freeing', () => {
  it('takes what is acknowledged and 2.5 s old', () => {
    const state = history(5);
    remember(state, [field('n', '6')], ms(1000));
    free(state, 6, ms(2499));
    expect(state.low).toBe(0);
    free(state, 4, ms(2500));
    expect(state.low).toBe(4);
    free(state, 6, ms(3000));
    expect(state.low).toBe(5);
    expect(ask(state, 5, 6)).toEqual(['nak 5', 'resend 6']);
  });
});
