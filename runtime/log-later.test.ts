import { expect, it } from 'vitest';
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

it('writes after the turn that logged, in order', async () => {
  const { log, lines } = recorder();
  const later = writeLater(log);
  later.write('info', 'first');
  later.script('tag', 7, 'second');
  await Promise.resolve();
  expect(lines).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual(['info: first', 'tag[7]: second']);
});

it('loses nothing at the end', () => {
  const { log, lines } = recorder();
  const later = writeLater(log);
  later.write('CRIT', 'last words');
  later.flush();
  later.write('info', 'one more');
  later.close();
  expect(lines).toEqual(['CRIT: last words', 'info: one more', 'closed']);
});
