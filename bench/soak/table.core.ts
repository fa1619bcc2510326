/**
 * The table of a soak run, as Markdown.
 */
import { shortNumber } from '../detect/statistics.core.ts';
import type { ContestRecord } from './contest.ts';

const head = [
  '',
  'false deaths',
  'late heartbeats',
  'longest gap [ms]',
  'jitter p50 / p99 / worst [ms]',
  'drift [ms]',
  'CPU per heartbeat [µs] (× floor)',
  'memory start → end [MB]',
];

/** One row a pair; both of its nodes count, the worse one is shown. */
export function contestTable(records: readonly ContestRecord[]): string {
  const floor = records.find((record) => record.peer === 'floor');
  const rows = records.map((record) => {
    const { victim, survivor } = record.beats;
    const worse = victim.jitterMs.p99 >= survivor.jitterMs.p99 ? victim : survivor;
    const drifts = [victim.driftMs, survivor.driftMs].filter((drift) => drift !== null);
    const drift = drifts.toSorted((a, b) => Math.abs(b) - Math.abs(a))[0];
    const ratio =
      floor === undefined || floor === record ? '' : ` (${(record.cpuPerBeatUs / floor.cpuPerBeatUs).toFixed(1)}×)`;
    return [
      `${record.peer} ${record.timing} ${record.load}, ${record.seconds} s${record.endedAtS === null ? '' : `, a node ended before ${record.endedAtS} s`}`,
      `${record.falseDeaths}${record.lost === 0 ? '' : ` (the referee lost ${record.lost} packets)`}`,
      String(victim.late + survivor.late),
      shortNumber(Math.max(victim.longestGapMs, survivor.longestGapMs)),
      [worse.jitterMs.p50, worse.jitterMs.p99, Math.max(victim.jitterMs.worst, survivor.jitterMs.worst)]
        .map(shortNumber)
        .join(' / '),
      drift === undefined ? '–' : shortNumber(drift),
      `${record.cpuPerBeatUs.toFixed(0)}${ratio}`,
      `${record.residentMb.start.toFixed(0)} → ${record.residentMb.end.toFixed(0)}`,
    ];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
