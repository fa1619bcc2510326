import { describe, expect, test } from 'vitest';
import { sampleRecords } from './fixture.ts';
import { htmlReport } from './html.core.ts';
import { markdownReport } from './markdown.core.ts';
import { plotsOf } from './plots.core.ts';
import { summarize } from './summary.core.ts';
import { tagProblem } from './well-formed.ts';

const records = sampleRecords(2);
const summary = summarize(records);
const page = htmlReport(markdownReport(summary), plotsOf(summary), records);

describe('the page', () => {
  test('needs nothing else: no address, no script, no file', () => {
    expect(page).not.toMatch(/<(script|link|img|iframe|object)\b/);
    expect(page).not.toMatch(/\b(src|href)=/);
    expect(page).not.toMatch(/url\(|@import/);
    // Names of namespaces are no addresses that are fetched.
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/);
  });

  test('is well-formed, whatever the machine is called', () => {
    expect(tagProblem(page)).toBeNull();
    expect(page).toContain('a machine &lt;with&gt; &quot;signs&quot; &amp; more');
  });

  test('has every table, every plot and every record', () => {
    const tables = markdownReport(summary)
      .split('\n\n')
      .filter((block) => block.startsWith('|')).length;
    expect(page.match(/<table>/g)).toHaveLength(tables);
    expect(page.match(/<svg /g)).toHaveLength(3);
    expect(page.match(/&quot;type&quot;:&quot;trial&quot;/g)).toHaveLength(summary.trials.length);
  });

  test('breaks no line within a figure', () => {
    expect(page).toContain('<td>0.20\u00a0/\u00a00.30\u00a0/\u00a00.30\u00a0(3)</td>');
  });

  test('shows bold words and code as such', () => {
    expect(page).toContain('<strong>Overhead</strong>');
    expect(page).toContain('<code>systole bench detect</code>');
  });
});
