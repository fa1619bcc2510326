/**
 * This run against an older one, as multiples of the floor: machines and their other work differ, the floor beside us feels the same.
 */
import { spreadOf } from './statistics.core.ts';
import { figures, type Summary, soakOf, trialsOf } from './summary.core.ts';

export interface Comparison {
  /** `systole 5/15 idle: overhead`. */
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
  return now.loads.flatMap((load) =>
    now.timings.flatMap((timing) =>
      measures.flatMap(({ name, of }) => {
        const [then, today] = [before, now].map((summary) => {
          const [own, floor] = [peer, 'floor'].map((who) => of(summary, { peer: who, timing, load }));
          return own === undefined || floor === undefined ? undefined : own / floor;
        });
        if (then === undefined || today === undefined) return [];
        return [
          {
            what: `${peer} ${timing} ${load}: ${name}`,
            before: then,
            now: today,
            worse: today > then * (1 + tolerance),
          },
        ];
      }),
    ),
  );
}

type Where = { readonly peer: string; readonly timing: string; readonly load: string };

const median =
  (figure: 'overheadMs' | 'addressMs') =>
  (summary: Summary, where: Where): number | undefined => {
    const spread = spreadOf(figures(trialsOf(summary, where), figure));
    return spread === null ? undefined : Math.max(leastMs, spread.median);
  };

const measures = [
  { name: 'overhead', of: median('overheadMs') },
  { name: 'decision to address', of: median('addressMs') },
  { name: 'CPU for a heartbeat', of: (summary: Summary, where: Where) => soakOf(summary, where)?.cpuPerBeatUs },
] as const;
