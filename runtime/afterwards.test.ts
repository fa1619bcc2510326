import { expect, it } from 'vitest';
import { Afterwards } from './afterwards.ts';
import type { Log } from './log.ts';
import { writeLater } from './log-later.ts';

function recorder(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    log: {
      write: (severity, text) => void lines.push(`${severity}: ${text}`),
      script: (tag, pid, text) => void lines.push(`${tag}[${pid}]: ${text}`),
      lostLines: 0,
      close: () => void lines.push('closed'),
    },
  };
}

it('works after the turn, in order, lines and other work alike', async () => {
  const { log, lines } = recorder();
  const afterwards = new Afterwards();
  const later = writeLater(log, afterwards);
  later.write('info', 'first');
  afterwards.push(() => lines.push('told'));
  later.script('tag', 7, 'second');
  await Promise.resolve();
  expect(lines).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual(['info: first', 'told', 'tag[7]: second']);
});

it('takes what its own work gives it for the next turn', async () => {
  const order: string[] = [];
  const afterwards = new Afterwards();
  afterwards.push(() => afterwards.push(() => order.push('second')));
  afterwards.push(() => order.push('first'));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(order).toEqual(['first', 'second']);
});

it('loses nothing at the end', () => {
  const { log, lines } = recorder();
  const afterwards = new Afterwards();
  const later = writeLater(log, afterwards);
  later.write('CRIT', 'last words');
  afterwards.flush();
  later.write('info', 'one more');
  later.close();
  expect(lines).toEqual(['CRIT: last words', 'info: one more', 'closed']);
});
