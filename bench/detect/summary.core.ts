/**
 * Records, gathered for tables, plots and comparisons.
 */
import type { Medium } from '../peers/peer.ts';
import { type Load, timingName } from './plan.core.ts';
import type { BenchRecord, RunRecord, SkippedRecord, SoakRecord, TrialRecord } from './records.ts';

/** What is shown together: one medium under one load. */
export interface Group {
  readonly medium: Medium;
  readonly load: Load;
}

export interface Summary {
  readonly run: RunRecord | null;
  /** In the order of their first appearance. */
  readonly peers: readonly string[];
  /** By keepalive and dead time, the shortest first. */
  readonly timings: readonly string[];
  readonly groups: readonly Group[];
  readonly trials: readonly TrialRecord[];
  readonly soaks: readonly SoakRecord[];
  readonly skipped: readonly SkippedRecord[];
}

export function summarize(records: readonly BenchRecord[]): Summary {
  const trials = records.filter((record) => record.type === 'trial');
  const soaks = records.filter((record) => record.type === 'soak');
  const measured = [...soaks, ...trials];
  const ordered = measured.toSorted((a, b) => a.keepaliveMs - b.keepaliveMs || a.deadtimeMs - b.deadtimeMs);
  const distinct = (names: readonly string[]): readonly string[] => [...new Set(names)];
  return {
    run: records.find((record) => record.type === 'run') ?? null,
    peers: distinct(
      records.flatMap((record) => (record.type === 'trial' || record.type === 'soak' ? [record.peer] : [])),
    ),
    timings: distinct(ordered.map(timingName)),
    groups: [...new Map(measured.map(({ medium, load }) => [`${medium} ${load}`, { medium, load }])).values()],
    trials,
    soaks,
    skipped: [...new Map(skippedOf(records).map((one) => [`${one.peer} ${one.timing} ${one.why}`, one])).values()],
  };
}

function skippedOf(records: readonly BenchRecord[]): readonly SkippedRecord[] {
  return records.filter((record) => record.type === 'skipped');
}

/** Which trials: what is left out is not asked for. */
export interface Which {
  readonly peer?: string;
  readonly timing?: string;
  readonly medium?: Medium;
  readonly load?: Load;
}

function fits(record: TrialRecord | SoakRecord, which: Which): boolean {
  return (
    (which.peer === undefined || record.peer === which.peer) &&
    (which.timing === undefined || timingName(record) === which.timing) &&
    (which.medium === undefined || record.medium === which.medium) &&
    (which.load === undefined || record.load === which.load)
  );
}

export function trialsOf(summary: Summary, which: Which): readonly TrialRecord[] {
  return summary.trials.filter((record) => fits(record, which));
}

/** All rounds of a setting as one: sums of counts and times, means of costs, the worst of what is a worst. */
export function soakOf(summary: Summary, which: Which): SoakRecord | undefined {
  const found = summary.soaks.filter((record) => fits(record, which));
  const [first] = found;
  if (first === undefined) return undefined;
  const sum = (of: (record: SoakRecord) => number): number => found.reduce((total, record) => total + of(record), 0);
  const seconds = sum((record) => record.seconds);
  const jitters = found.map((record) => record.jitterMs).filter((jitter) => jitter !== null);
  return {
    ...first,
    seconds,
    falseDeaths: sum((record) => record.falseDeaths),
    cpuPerBeatUs: sum((record) => record.cpuPerBeatUs * record.seconds) / seconds,
    residentMb: Math.max(...found.map((record) => record.residentMb)),
    jitterMs: jitters.length === 0 ? null : Math.max(...jitters),
    longestGapMs: Math.max(...found.map((record) => record.longestGapMs)),
  };
}

type FigureName = 'overheadMs' | 'detectionMs' | 'addressMs' | 'announcedMs' | 'faultToAddressMs';

/** One figure of all trials that were detected and have it [ms]. */
export function figures(trials: readonly TrialRecord[], name: FigureName): readonly number[] {
  return trials.flatMap((trial) => {
    const value = trial.figures?.[name] ?? null;
    return value === null ? [] : [value];
  });
}
