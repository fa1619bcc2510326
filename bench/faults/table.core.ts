/**
 * The fault matrix as a Markdown table: a row for each phase of each scenario, a column for each pairing.
 */
import type { PlayRecord } from './records.ts';

type Phase = PlayRecord['phases'][number];

const columns = ['systole–systole', 'systole–real', 'real–systole', 'real–real'] as const;

/** Cells are `overlap / outage / client` in milliseconds; `†`: the owner was not the wanted one at the end of the phase. */
export function faultTable(records: readonly PlayRecord[]): string {
  const rows = scenariosOf(records).flatMap((scenario) => scenarioRows(scenario, records));
  const header = [
    'scenario',
    'phase',
    'then owned by',
    ...columns.map((name) => name.replaceAll('systole', 'Systole')),
  ];
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** What the programs did by themselves, one line for each play that has something to tell. */
export function faultNotes(records: readonly PlayRecord[]): string {
  return scenariosOf(records)
    .flatMap((scenario) => records.filter((record) => record.scenario === scenario))
    .flatMap(({ scenario, pairing, notes, complaints, failed }) => {
      const told = [
        ...new Set(notes),
        ...complaints,
        ...(failed === undefined ? [] : [`not played to the end: ${failed}`]),
      ];
      return told.length === 0 ? [] : [`- ${scenario}, ${pairing}: ${told.join('; ')}`];
    })
    .join('\n');
}

function scenariosOf(records: readonly PlayRecord[]): readonly string[] {
  const ids = [...new Set(records.map((record) => record.scenario))];
  return ids.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function scenarioRows(scenario: string, records: readonly PlayRecord[]): string[][] {
  const plays = records.filter((record) => record.scenario === scenario);
  const names = [...new Set(plays.flatMap((play) => play.phases.map((phase) => withoutRound(phase.name))))];
  return names.map((name, index) => {
    const cells = columns.map((column) => {
      const found = plays.filter((play) => play.pairing === column).flatMap((play) => play.phases);
      return cell(found.filter((phase) => withoutRound(phase.name) === name));
    });
    const wanted = plays.flatMap((play) => play.phases.filter((phase) => withoutRound(phase.name) === name));
    const owners = [...new Set(wanted.map((phase) => phase.wanted.owner))].join(' or ');
    return [index === 0 ? (plays[0]?.title ?? scenario) : '', name, owners, ...cells];
  });
}

/** Phases that are repeated are numbered; they share a row, which shows the worst of them. */
function withoutRound(name: string): string {
  return name.replace(/ \d+$/, '');
}

function cell(phases: readonly Phase[]): string {
  if (phases.length === 0) return '–';
  const worst = (pick: (phase: Phase) => number): string => String(Math.round(Math.max(...phases.map(pick))));
  const numbers = [
    worst((phase) => phase.overlapMs),
    worst((phase) => phase.outageMs),
    worst((phase) => phase.silentMs),
  ];
  const missed = phases.filter((phase) => !phase.reached).length;
  const mark = missed === 0 ? '' : phases.length === 1 ? ' †' : ` † (${missed} of ${phases.length})`;
  return `${numbers.join(' / ')}${mark}`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
