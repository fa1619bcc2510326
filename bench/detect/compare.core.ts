/**
 * This run against an older one, as multiples of the floor: machines and their other work differ, the floor beside us feels the same.
 */
import { groupTitle, markdownTable } from './markdown.core.ts';
import { spreadOf } from './statistics.core.ts';
import { type Summary, soakOf, trialsOf, type Which } from './summary.core.ts';
import type { TrialFigures } from './trial.core.ts';

export interface Comparison {
  /** `5/15 idle, ucast: overhead`. */
  readonly what: string;
  /** Multiples of the floor's figure in the same run. */
  readonly before: number;
  readonly now: number;
  readonly worse: boolean;
}

/** Worse by more than this part is a regression. */
const tolerance = 0.3;
/** The floor itself wavers by this much, so a smaller figure is taken for this [ms]. */
const leastMs = 0.1;

/** Every figure of `peer` that both runs have. */
export function compareRuns(before: Summary, now: Summary, peer = 'systole'): readonly Comparison[] {
  return now.groups.flatMap((group) =>
    now.timings.flatMap((timing) =>
      measures.flatMap(({ name, of }) => {
        const [then, today] = [before, now].map((summary) => {
          const [own, floor] = [peer, 'floor'].map((who) => of(summary, { peer: who, timing, ...group }));
          return own === undefined || floor === undefined ? undefined : own / floor;
        });
        if (then === undefined || today === undefined) return [];
        return [
          {
            what: `${timing}, ${groupTitle(group)}: ${name}`,
            before: then,
            now: today,
            worse: today > then * (1 + tolerance),
          },
        ];
      }),
    ),
  );
}

/** A table of all figures, the regressions marked. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  return markdownTable(
    ['as a multiple of the floor', 'before', 'now', ''],
    comparisons.map(({ what, before, now, worse }) => [
      what,
      before.toFixed(2),
      now.toFixed(2),
      worse ? '**worse**' : '',
    ]),
  );
}

const median =
  (of: (figures: TrialFigures) => number | null) =>
  (summary: Summary, which: Which): number | undefined => {
    const values = trialsOf(summary, which).flatMap((trial) => {
      const value = trial.figures === null ? null : of(trial.figures);
      return value === null ? [] : [value];
    });
    const spread = spreadOf(values);
    return spread === null ? undefined : Math.max(leastMs, spread.median);
  };

const measures = [
  { name: 'overhead, median', of: median((trial) => trial.overheadMs) },
  {
    name: 'deadline to address, median',
    // Not from the decision: who says later when it decided would look quicker.
    of: median((trial) => (trial.addressMs === null ? null : trial.overheadMs + trial.addressMs)),
  },
  {
    name: 'CPU for a heartbeat',
    // No process is so cheap that its clock tells less [µs]; without it a pair that was not measured would divide by nothing.
    of: (summary: Summary, which: Which) => {
      const soak = soakOf(summary, which);
      return soak === undefined ? undefined : Math.max(1, soak.cpuPerBeatUs);
    },
  },
] as const;
