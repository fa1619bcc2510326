import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { heldVerdict } from './held.ts';

const recorded = readFileSync(new URL('../../test/corpus/resource-manager/status-words.txt', import.meta.url), 'utf8');
const cases = [...recorded.matchAll(/^output=\[(.*)\] script exit=(\d) -> status rc=(\d)$/gm)].map(
  ([, output = '', exit = '', rc = '']) => ({ output, exitCode: Number(exit), held: rc === '0' }),
);

describe('heldVerdict', () => {
  it('has the whole recording', () => {
    expect(cases).toHaveLength(22);
  });

  it.each(cases)('judges "$output", exit $exitCode, as Heartbeat does: $held', ({ output, exitCode, held }) => {
    expect(heldVerdict({ output, exitCode, timedOut: false }) === 'held').toBe(held);
  });

  it.each([
    ['a silent LSB script that exits 0', { output: '', exitCode: 0, timedOut: false }, 'perhaps'],
    ['a silent LSB script that exits 3', { output: '\n', exitCode: 3, timedOut: false }, 'not-held'],
    ['one that did not answer', { output: 'running', exitCode: 143, timedOut: true }, 'perhaps'],
    ['words on several lines', { output: 'is not\nreally running', exitCode: 0, timedOut: false }, 'held'],
    ['a blank, then a later line', { output: 'not \nrunning', exitCode: 0, timedOut: false }, 'not-held'],
  ] as const)('knows %s', (_name, result, verdict) => {
    expect(heldVerdict(result)).toBe(verdict);
  });
});
