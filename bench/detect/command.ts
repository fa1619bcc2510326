/**
 * `systole bench detect`: how long after its deadline a death is found and how soon the address is there, beside other programs.
 */
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { labObstacle } from '../../test/net/lab/prerequisites.ts';
import { runOnLoopback } from '../loopback/run.ts';
import { peers as knownPeers } from '../peers/index.ts';
import { faults, media } from '../peers/peer.ts';
import { compareRuns, comparisonTable } from './compare.core.ts';
import { markdownReport } from './markdown.core.ts';
import { copyOfPlan, defaultPlan, loads, type Plan, parseChoice, parseTimings } from './plan.core.ts';
import { progressLine } from './progress.core.ts';
import { type BenchRecord, type RunRecord, readRecords, recordLine } from './records.ts';
import { openReport, writeReport } from './report.ts';
import { runPlan } from './run.ts';
import { summarize } from './summary.core.ts';

/** As they come from the command line; what is not given is as in the default plan, or in that of the run that is compared with. */
export interface DetectOptions {
  readonly timings?: string | undefined;
  readonly faults?: string | undefined;
  readonly loads?: string | undefined;
  readonly media?: string | undefined;
  readonly peers?: string | undefined;
  readonly trials?: string | undefined;
  readonly rounds?: string | undefined;
  readonly soak?: string | undefined;
  /** False: ordinary scheduling for all. */
  readonly realtime: boolean;
  /** Where the records, the report and the plots go. */
  readonly out?: string | undefined;
  /** Records of an older run. */
  readonly compare?: string | undefined;
  /** Loopback also as root. */
  readonly loopback: boolean;
  readonly json: boolean;
}

export interface DetectIo {
  out(text: string): void;
  err(text: string): void;
  /** Columns of the terminal that progress is shown on; null: a line for each setting. */
  readonly progressColumns: number | null;
}

/** Exit codes of the command. */
const ok = 0;
const regression = 1;
const usage = 2;

/** @returns the exit code: 0; 1 for a regression or when nothing could be measured; 2 for options that make no plan */
export async function runBenchDetect(options: DetectOptions, io: DetectIo, signal?: AbortSignal): Promise<number> {
  let before: readonly BenchRecord[] | null;
  let plan: Plan;
  try {
    before = options.compare === undefined ? null : readRecords(readFileSync(options.compare, 'utf8'));
    plan = planFrom(options, basePlan(before));
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError || isFileError(error))) throw error;
    io.err(`systole bench detect: ${error.message}\n`);
    return usage;
  }
  const obstacle = options.loopback ? 'as asked for' : labObstacle();
  if (obstacle !== null) io.err(`systole bench detect: in a reduced form on loopback, without capture: ${obstacle}\n`);
  const records: BenchRecord[] = [];
  const report = options.out === undefined ? null : openReport(options.out);
  const record = (one: BenchRecord): void => {
    records.push(one);
    report?.add(one);
  };
  record(describeRun(plan, obstacle === null ? 'capture' : 'self'));
  const measure = async (): Promise<void> => {
    const handlers = { record, progress: progressTo(io) };
    const chosen = knownPeers.filter((peer) => plan.peers?.includes(peer.name) ?? true);
    if (obstacle === null) await runPlan(plan, chosen, handlers, signal);
    else await runOnLoopback(plan, handlers, signal);
  };
  await measure();
  let comparisons = before === null ? null : compareRuns(summarize(before), summarize(records));
  if (comparisons?.some((one) => one.worse) === true && signal?.aborted !== true) {
    io.err(
      'systole bench detect: worse than before: measured once more, since other work on the machine does that too\n',
    );
    await measure();
    if (before !== null) comparisons = compareRuns(summarize(before), summarize(records));
  }
  if (options.out !== undefined) writeReport(options.out, records);
  const summary = summarize(records);
  if (options.json) io.out(`${records.map(recordLine).join('\n')}\n`);
  else io.out(markdownReport(summary));
  if (comparisons !== null) {
    const table = `\n## Beside ${options.compare}\n\n${comparisonTable(comparisons)}\n`;
    if (options.json) io.err(table);
    else io.out(table);
    if (comparisons.length === 0) {
      io.err('systole bench detect: the two runs have no figure in common\n');
      return regression;
    }
    if (comparisons.some((one) => one.worse)) return regression;
  }
  return summary.trials.length + summary.soaks.length === 0 ? regression : ok;
}

/** A comparison repeats what was done, for the two that are compared. */
function basePlan(before: readonly BenchRecord[] | null): Plan {
  const run = before?.find((record) => record.type === 'run');
  return run === undefined ? defaultPlan : { ...run.plan, peers: ['floor', 'systole'] };
}

/** Throws RangeError that names what is wrong. */
function planFrom(options: DetectOptions, base: Plan): Plan {
  const chosen = <T>(value: string | undefined, parse: (text: string) => T, otherwise: T): T =>
    value === undefined ? otherwise : parse(value);
  const names = knownPeers.map((peer) => peer.name);
  return {
    timings: chosen(options.timings, parseTimings, base.timings),
    faults: chosen(options.faults, (text) => parseChoice(text, faults), base.faults),
    loads: chosen(options.loads, (text) => parseChoice(text, loads), base.loads),
    media: chosen(options.media, (text) => parseChoice(text, media), base.media),
    peers: chosen(options.peers, (text) => parseChoice(text, names), base.peers),
    trials: chosen(options.trials, (text) => parseCount(text, 'trials', 0), base.trials),
    rounds: chosen(options.rounds, (text) => parseCount(text, 'rounds', 1), base.rounds),
    soakS: chosen(options.soak, (text) => parseCount(text, 'seconds', 0), base.soakS),
    realtimePriority: options.realtime ? base.realtimePriority : null,
  };
}

function parseCount(text: string, what: string, least: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < least) throw new RangeError(`"${text}" is no number of ${what}`);
  return count;
}

function isFileError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

function describeRun(plan: Plan, referee: RunRecord['referee']): RunRecord {
  const processors = cpus();
  return {
    type: 'run',
    date: new Date().toISOString(),
    machine: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}, Linux ${release()}, Node ${process.versions.node}`,
    command: ['systole', ...process.argv.slice(2)].join(' '),
    referee,
    plan: copyOfPlan(plan),
  };
}

function progressTo(io: DetectIo): (done: number, total: number, what: string) => void {
  const startMs = performance.now();
  let shown = '';
  return (done, total, what) => {
    if (io.progressColumns !== null) {
      const line = progressLine(done, total, performance.now() - startMs, what, io.progressColumns);
      // To the first column, and the rest of the line erased.
      io.err(`\r${line}\u001b[K${done === total ? '\n' : ''}`);
      return;
    }
    const setting = what.split(' ').slice(0, -1).join(' ');
    if (setting !== shown && setting !== '')
      io.err(`${progressLine(done, total, performance.now() - startMs, what, 200)}\n`);
    shown = setting;
  };
}
