/**
 * Records, gathered for tables, plots and comparisons.
 */
import { timingName } from './plan.core.ts';
import type { BenchRecord, RunRecord, SkippedRecord, SoakRecord, TrialRecord } from './records.ts';
import type { TrialFigures } from './trial.core.ts';

export interface Summary {
  readonly run: RunRecord | null;
  /** In the order of their first appearance. */
  readonly peers: readonly string[];
  readonly timings: readonly string[];
  readonly loads: readonly string[];
  readonly trials: readonly TrialRecord[];
  readonly soaks: readonly SoakRecord[];
  readonly skipped: readonly SkippedRecord[];
}

export function summarize(records: readonly BenchRecord[]): Summary {
  const trials = records.filter((record) => record.type === 'trial');
  const soaks = records.filter((record) => record.type === 'soak');
  const measured = [...soaks, ...trials];
  const skipped = records.filter((record) => record.type === 'skipped');
  const distinct = (names: readonly string[]): readonly string[] => [...new Set(names)];
  return {
    run: records.find((record) => record.type === 'run') ?? null,
    peers: distinct(records.flatMap((record) => (record.type === 'run' ? [] : [record.peer]))),
    timings: distinct(measured.map(timingName)),
    loads: distinct(measured.map((record) => record.load)),
    trials,
    soaks,
    skipped,
  };
}

/** Which trials: what is left out is not asked for. */
export interface Which {
  readonly peer?: string;
  readonly timing?: string;
  readonly load?: string;
}

function fits(record: TrialRecord | SoakRecord, which: Which): boolean {
  return (
    (which.peer === undefined || record.peer === which.peer) &&
    (which.timing === undefined || timingName(record) === which.timing) &&
    (which.load === undefined || record.load === which.load)
  );
}

export function trialsOf(summary: Summary, which: Which): readonly TrialRecord[] {
  return summary.trials.filter((record) => fits(record, which));
}

export function soakOf(summary: Summary, which: Which): SoakRecord | undefined {
  return summary.soaks.find((record) => fits(record, which));
}

type FigureName = Exclude<keyof TrialFigures, 'by'>;

/** One figure of all trials that were detected and have it [ms]. */
export function figures(trials: readonly TrialRecord[], name: FigureName): readonly number[] {
  return trials.flatMap((trial) => {
    const value = trial.figures?.[name] ?? null;
    return value === null ? [] : [value];
  });
}
