/**
 * The tables.
 */
import { shortNumber, spreadText } from './statistics.core.ts';
import { figures, type Summary, soakOf, trialsOf, type Which } from './summary.core.ts';

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
              : 'Without root: each program is believed what it says itself.'
          }`,
        ]),
    ...summary.loads.flatMap((load) => loadPart(summary, load)),
    ...skippedPart(summary),
  ];
  return `${parts.join('\n\n')}\n`;
}

function loadPart(summary: Summary, load: string): string[] {
  const title = load === 'busy' ? 'All processors busy' : 'Idle';
  const parts = [`## ${title}`];
  if (trialsOf(summary, { load }).length > 0) {
    parts.push(
      'From the last heartbeat heard to the decision, less the dead time: median / p90 / worst [ms]; in brackets how many trials.',
      byTiming(summary, load, (which) => {
        const trials = trialsOf(summary, which);
        const bad = trials.filter((trial) => trial.outcome !== 'detected').length;
        return `${spreadText(figures(trials, 'overheadMs'))} (${trials.length}${bad === 0 ? '' : `, ${bad} of them failed`})`;
      }),
      'From the decision to the address on the interface, and to its announcement by ARP: median / p90 / worst [ms].',
      byTiming(summary, load, (which) => {
        const trials = trialsOf(summary, which);
        const address = figures(trials, 'addressMs');
        return address.length === 0 ? '–' : `${spreadText(address)}; ${spreadText(figures(trials, 'announcedMs'))}`;
      }),
      'From the fault (kill, freeze) to the address: median / p90 / worst [ms].',
      byTiming(summary, load, (which) =>
        spreadText(
          figures(
            trialsOf(summary, which).filter((trial) => trial.fault !== 'cut'),
            'faultToAddressMs',
          ),
        ),
      ),
    );
  }
  if (summary.soaks.some((soak) => soak.load === load)) {
    parts.push(
      'Left alone: false deaths in the seconds given; CPU for one heartbeat sent and one received [µs], and as a multiple of the floor; memory [MB]; ' +
        'distance of the time between two heartbeats from the keepalive time, p99, and the longest time between two [ms].',
      byTiming(summary, load, (which) => soakCell(summary, which)),
    );
  }
  return parts;
}

function soakCell(summary: Summary, which: Which): string {
  const soak = soakOf(summary, which);
  if (soak === undefined) return '–';
  const floor = soakOf(summary, { ...which, peer: 'floor' });
  const ratio =
    floor === undefined || which.peer === 'floor' ? '' : ` (${(soak.cpuPerBeatUs / floor.cpuPerBeatUs).toFixed(1)}×)`;
  return `${soak.falseDeaths} in ${soak.seconds} s; ${soak.cpuPerBeatUs.toFixed(0)} µs${ratio}; ${soak.residentMb.toFixed(0)} MB; ${shortNumber(soak.jitterMs)}, ${shortNumber(soak.longestGapMs)}`;
}

function byTiming(summary: Summary, load: string, cell: (which: Which) => string): string {
  const rows = summary.peers.map((peer) => [peer, ...summary.timings.map((timing) => cell({ peer, timing, load }))]);
  return table(
    ['', ...summary.timings],
    rows.filter(([, ...cells]) => cells.some((text) => !text.startsWith('–'))),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
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
