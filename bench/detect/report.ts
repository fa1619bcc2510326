/**
 * The files of a run: records as they come, and the report made of them.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { htmlReport } from './html.core.ts';
import { markdownReport } from './markdown.core.ts';
import { plotsOf } from './plots.core.ts';
import { type BenchRecord, recordLine } from './records.ts';
import { summarize } from './summary.core.ts';

/** Takes a directory that may exist; an older run's records in it are replaced. Throws what the file system says. */
export function openReport(directory: string): { add(record: BenchRecord): void } {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'records.jsonl');
  writeFileSync(path, '');
  return { add: (record) => appendFileSync(path, `${recordLine(record)}\n`) };
}

/** Writes report.md, report.html and one SVG file for each plot. */
export function writeReport(directory: string, records: readonly BenchRecord[]): void {
  const summary = summarize(records);
  const markdown = markdownReport(summary);
  const plots = plotsOf(summary);
  writeFileSync(join(directory, 'report.md'), markdown);
  for (const plot of plots) writeFileSync(join(directory, `${plot.name}.svg`), plot.svg);
  writeFileSync(join(directory, 'report.html'), htmlReport(markdown, plots, records));
}
