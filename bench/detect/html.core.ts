/**
 * Everything in one page that needs nothing else: tables, plots and the records.
 */
import type { Plot } from './plots.core.ts';
import { type BenchRecord, recordLine } from './records.ts';
import { escapeText } from './svg.core.ts';

/** @param markdown as made by markdown.core.ts: headings, paragraphs, lists and tables only */
export function htmlReport(markdown: string, plots: readonly Plot[], records: readonly BenchRecord[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Systole: detection and takeover</title>
<style>
body { font: 15px/1.5 sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; }
th, td { border: 1px solid #ccc; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
th:first-child, td:first-child { font-weight: bold; white-space: nowrap; }
table { display: block; overflow-x: auto; }
.plot { overflow-x: auto; margin: 1rem 0; }
svg { width: 100%; min-width: 40rem; max-width: 820px; height: auto; display: block; }
pre { font-size: 11px; max-height: 20rem; overflow: auto; background: #f6f6f6; padding: 0.5rem; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; }
  th, td { border-color: #555; }
  pre { background: #262626; }
}
</style>
</head>
<body>
${markdownToHtml(markdown)}
<h2>Plots</h2>
${plots.map((plot) => `<div class="plot">${plot.svg}</div>`).join('\n')}
<details><summary>Records</summary><pre>${records.map((record) => escapeText(recordLine(record))).join('\n')}</pre></details>
</body>
</html>
`;
}

function markdownToHtml(markdown: string): string {
  return markdown
    .trim()
    .split(/\n\n+/)
    .map((block) => {
      const heading = /^(#{1,2}) (.*)$/.exec(block);
      if (heading !== null) return `<h${heading[1]?.length}>${inline(heading[2] ?? '')}</h${heading[1]?.length}>`;
      if (block.startsWith('|')) return tableToHtml(block.split('\n'));
      if (block.startsWith('- '))
        return `<ul>${block
          .split('\n')
          .map((item) => `<li>${inline(item.slice(2))}</li>`)
          .join('')}</ul>`;
      return `<p>${inline(block)}</p>`;
    })
    .join('\n');
}

function tableToHtml([head = '', , ...rows]: readonly string[]): string {
  const cells = (row: string, tag: 'th' | 'td'): string =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => `<${tag}>${unbroken(inline(cell.trim()))}</${tag}>`)
      .join('');
  return `<table><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</tbody></table>`;
}

/** The figures of one cell part at the semicolons between them, not within one. */
function unbroken(cell: string): string {
  return cell
    .split('; ')
    .map((part) => part.replaceAll(' ', '\u00a0'))
    .join('; ');
}

function inline(text: string): string {
  return escapeText(text)
    .replaceAll(/`([^`]*)`/g, '<code>$1</code>')
    .replaceAll(/\*\*([^*]*)\*\*/g, '<strong>$1</strong>');
}
