/**
 * What a run leaves: one record a line (JSON). Everything else, tables and plots, is made from them.
 */
import * as v from 'valibot';
import { faults, media } from '../peers/peer.ts';
import { loads } from './plan.core.ts';

const cell = {
  peer: v.string(),
  keepaliveMs: v.number(),
  deadtimeMs: v.number(),
  medium: v.picklist(media),
  load: v.picklist(loads),
};

const timing = v.object({ keepaliveMs: v.number(), deadtimeMs: v.number() });

const planSchema = v.object({
  timings: v.array(timing),
  faults: v.array(v.picklist(faults)),
  loads: v.array(v.picklist(loads)),
  media: v.array(v.picklist(media)),
  peers: v.nullable(v.array(v.string())),
  trials: v.number(),
  rounds: v.number(),
  soakS: v.number(),
  realtimePriority: v.nullable(v.number()),
});

const runRecord = v.object({
  type: v.literal('run'),
  /** ISO 8601. */
  date: v.string(),
  machine: v.string(),
  command: v.string(),
  /** `capture`: an outsider on the survivor's interface; `self`: what the programs say themselves (without root). */
  referee: v.picklist(['capture', 'self']),
  plan: planSchema,
});

const figures = v.object({
  overheadMs: v.number(),
  detectionMs: v.number(),
  by: v.picklist(['statement', 'packet', 'address']),
  reactionMs: v.nullable(v.number()),
  addressMs: v.nullable(v.number()),
  announcedMs: v.nullable(v.number()),
  faultToAddressMs: v.nullable(v.number()),
});

const trialRecord = v.object({
  type: v.literal('trial'),
  ...cell,
  fault: v.picklist(faults),
  outcome: v.picklist(['detected', 'false-death', 'missed']),
  /** Null unless detected. */
  figures: v.nullable(figures),
});

const soakRecord = v.object({
  type: v.literal('soak'),
  ...cell,
  seconds: v.number(),
  falseDeaths: v.number(),
  /** CPU time of all the survivor's processes for one heartbeat sent and one received [µs]. */
  cpuPerBeatUs: v.number(),
  residentMb: v.number(),
  /** How far the time between two of the victim's heartbeats, as they arrive, is from the keepalive time: 99 of 100 are nearer [ms]. */
  jitterMs: v.nullable(v.number()),
  longestGapMs: v.number(),
});

const skippedRecord = v.object({
  type: v.literal('skipped'),
  peer: v.string(),
  /** `5/15`, or null when it cannot run at all. */
  timing: v.nullable(v.string()),
  why: v.string(),
});

const benchRecord = v.variant('type', [runRecord, trialRecord, soakRecord, skippedRecord]);

export type RunRecord = v.InferOutput<typeof runRecord>;
export type TrialRecord = v.InferOutput<typeof trialRecord>;
export type SoakRecord = v.InferOutput<typeof soakRecord>;
export type SkippedRecord = v.InferOutput<typeof skippedRecord>;
export type BenchRecord = v.InferOutput<typeof benchRecord>;

/**
 * Reads lines that {@link recordLine} made.
 *
 * @throws SyntaxError that names the line
 */
export function readRecords(text: string): readonly BenchRecord[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const parsed = v.safeParse(benchRecord, parseJson(line));
    if (!parsed.success) throw new SyntaxError(`line ${index + 1} is no record of this benchmark`);
    return [parsed.output];
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Digits beyond the microsecond are noise. */
export function recordLine(record: BenchRecord): string {
  return JSON.stringify(record, (_key, value: unknown) =>
    typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : value,
  );
}
