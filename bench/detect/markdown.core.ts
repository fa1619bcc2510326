/**
 * The tables.
 */
import type { TrialRecord } from './records.ts';
import { shortNumber, spreadOf, spreadText } from './statistics.core.ts';
import { figures, type Group, type Summary, soakOf, trialsOf, type Which } from './summary.core.ts';

export function markdownReport(summary: Summary): string {
  const { run } = summary;
  const parts = [
    '# Detection and takeover',
    ...(run === null
      ? []
      : [
          `${run.date.slice(0, 10)}, ${run.machine}. \`${run.command}\`. ${
            run.referee === 'capture'
              ? "Referee: a packet capture on the survivor's interface and a monitor of its addresses."
              : 'Without root: each program is believed what it says itself, and no address is taken.'
          } All settings are keepalive/deadtime in ms.`,
        ]),
    ...summary.groups.flatMap((group) => groupPart(summary, group)),
    ...skippedPart(summary),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** `Idle, ucast` */
export function groupTitle({ medium, load }: Group): string {
  return `${load === 'busy' ? 'All processors busy' : 'Idle'}, ${medium}`;
}

function groupPart(summary: Summary, group: Group): string[] {
  const parts = [`## ${groupTitle(group)}`];
  const trials = trialsOf(summary, group);
  if (trials.length > 0) {
    parts.push(
      '**Overhead**: from the last heartbeat heard to the decision, less the dead time; median / p90 / worst [ms] (how many trials).',
      byTiming(summary, group, (which) => overheadCell(summary, which)),
    );
    const faults = [...new Set(trials.map((trial) => trial.fault))];
    if (faults.length > 1)
      parts.push(
        `The same by fault, medians of ${faults.join(' / ')} [ms].`,
        byTiming(summary, group, (which) => {
          const medians = faults.map((fault) =>
            spreadOf(
              figures(
                trialsOf(summary, which).filter((trial) => trial.fault === fault),
                'overheadMs',
              ),
            ),
          );
          return medians.every((spread) => spread === null)
            ? '–'
            : medians.map((spread) => (spread === null ? '–' : shortNumber(spread.median))).join(' / ');
        }),
      );
  }
  if (figures(trials, 'addressMs').length > 0)
    parts.push(
      '**Takeover**: from the decision to the address on the interface; to its announcement by ARP; median / p90 / worst [ms].',
      byTiming(summary, group, (which) => {
        const address = figures(trialsOf(summary, which), 'addressMs');
        return address.length === 0
          ? '–'
          : `${spreadText(address)}; ${spreadText(figures(trialsOf(summary, which), 'announcedMs'))}`;
      }),
    );
  if (figures(uncut(trials), 'faultToAddressMs').length > 0)
    parts.push(
      'From the fault (kill, freeze) to the address; median / p90 / worst [ms].',
      byTiming(summary, group, (which) => spreadText(figures(uncut(trialsOf(summary, which)), 'faultToAddressMs'))),
    );
  if (soakOf(summary, group) !== undefined)
    parts.push(
      '**Left alone**: false deaths in the seconds given; CPU for one heartbeat sent and one received [µs] (as a multiple of the floor); memory [MB]; ' +
        'distance of the time between two heartbeats from the keepalive time, p99, and the longest time between two [ms].',
      byTiming(summary, group, (which) => soakCell(summary, which)),
    );
  return parts;
}

/** When a cable was pulled is not known to the microsecond. */
function uncut(trials: readonly TrialRecord[]): readonly TrialRecord[] {
  return trials.filter((trial) => trial.fault !== 'cut');
}

function overheadCell(summary: Summary, which: Which): string {
  const trials = trialsOf(summary, which);
  if (trials.length === 0) return '–';
  const count = (outcome: string): number => trials.filter((trial) => trial.outcome === outcome).length;
  const bad = [
    { what: 'false deaths', count: count('false-death') },
    { what: 'missed', count: count('missed') },
  ].filter((one) => one.count > 0);
  const notes = [String(trials.length), ...bad.map((one) => `${one.count} ${one.what}`)].join(', ');
  const values = figures(trials, 'overheadMs');
  return `${values.length === 0 ? 'none' : spreadText(values)} (${notes})`;
}

function soakCell(summary: Summary, which: Which): string {
  const soak = soakOf(summary, which);
  if (soak === undefined) return '–';
  const floor = soakOf(summary, { ...which, peer: 'floor' });
  const ratio =
    floor === undefined || which.peer === 'floor' ? '' : ` (${(soak.cpuPerBeatUs / floor.cpuPerBeatUs).toFixed(1)}×)`;
  return [
    `${soak.falseDeaths} in ${soak.seconds} s`,
    `${soak.cpuPerBeatUs.toFixed(0)} µs${ratio}`,
    `${soak.residentMb.toFixed(0)} MB`,
    `${soak.jitterMs === null ? '–' : shortNumber(soak.jitterMs)}, ${shortNumber(soak.longestGapMs)}`,
  ].join('; ');
}

function byTiming(summary: Summary, group: Group, cell: (which: Which) => string): string {
  const rows = summary.peers.map((peer) => [
    peer,
    ...summary.timings.map((timing) => cell({ peer, timing, ...group })),
  ]);
  return markdownTable(
    ['', ...summary.timings],
    rows.filter(([, ...cells]) => cells.some((text) => !text.startsWith('–'))),
  );
}

/** Cells must not contain `|`. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function skippedPart(summary: Summary): string[] {
  if (summary.skipped.length === 0) return [];
  const lines = summary.skipped.map(
    ({ peer, timing, why }) => `- ${peer}${timing === null ? '' : ` at ${timing}`}: ${why}`,
  );
  return ['## Left out', lines.join('\n')];
}
