/** The reference page and the code say the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { diagnosticCodes } from '../diagnostics.ts';
import { directives, nearestDirective } from '../directives.ts';
import { lineHandlers, wordHandlers } from '../ha-cf.ts';

const page = readFileSync(new URL('../REFERENCE.md', import.meta.url), 'utf8');

/** Rows of all tables below a heading, as cells. */
function rows(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(2, -2)
        .split(/(?<!\\) \| /)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    );
}

function named(form: 'words' | 'line'): string[] {
  return directives
    .filter((entry) => entry.form === form)
    .map(({ name }) => name)
    .toSorted();
}

describe('directives', () => {
  const states = { active: '', 'not-active': 'Not active yet. ', ignored: 'No effect in Systole. ' };

  it('are all described, with syntax, default and state, and none that is gone', () => {
    const described = [...rows('Directives of Heartbeat'), ...rows('Systole only')];
    const known = directives.map((entry) => [
      `\`${entry.name}\``,
      `\`${entry.syntax}\``,
      entry.default === null ? '–' : `\`${entry.default}\``,
      `${states[entry.state]}${entry.meaning}`,
    ]);
    expect(described.toSorted()).toEqual(known.toSorted());
  });

  it('marks those that Heartbeat would refuse', () => {
    expect(rows('Systole only').map(([name]) => name)).toEqual(
      directives.filter(({ systoleOnly }) => systoleOnly).map(({ name }) => `\`${name}\``),
    );
  });

  it('have a reader of the right form each', () => {
    expect(Object.keys(wordHandlers).toSorted()).toEqual(named('words'));
    expect(Object.keys(lineHandlers).toSorted()).toEqual(named('line'));
  });

  it('are found when mistyped', () => {
    expect(['Node', 'keepalve', 'dead_time', 'bogus', 'ucats', 'x'.repeat(100)].map(nearestDirective)).toEqual([
      'node',
      'keepalive',
      'deadtime',
      null,
      'ucast',
      null,
    ]);
  });
});

it('describes every code of a finding', () => {
  expect(rows('Findings')).toEqual(Object.entries(diagnosticCodes).map(([code, meaning]) => [`\`${code}\``, meaning]));
});
