/**
 * The record of a run: one line of JSON for each scenario that a pairing has played, so that a run can be continued and shown again.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { Play } from '../../test/net/faults/scenario.ts';

const wanted = v.object({
  owner: v.picklist(['node1', 'node2', 'one', 'both', 'nobody', 'any']),
  overlap: v.optional(v.picklist(['never', 'unavoidable'])),
  withinMs: v.optional(v.number()),
});

const phase = v.object({
  name: v.string(),
  wanted,
  owners: v.record(v.string(), v.array(v.string())),
  reached: v.boolean(),
  overlapMs: v.number(),
  outageMs: v.number(),
  addressOutageMs: v.number(),
  silentMs: v.number(),
  tookMs: v.number(),
});

const play = v.object({
  scenario: v.string(),
  title: v.string(),
  pairing: v.picklist(['systole–systole', 'systole–real', 'real–systole', 'real–real']),
  phases: v.array(phase),
  notes: v.array(v.string()),
  complaints: v.optional(v.array(v.string()), []),
  /** Why it could not be played to the end. */
  failed: v.optional(v.string()),
});

/** A play, or why there is none. */
export type PlayRecord = v.InferOutput<typeof play>;

/** @throws Error for a file that holds something else */
export function readRecords(path: string): readonly PlayRecord[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => v.parse(play, JSON.parse(line)));
}

export function appendRecord(path: string, record: PlayRecord | Play): void {
  appendFileSync(path, `${JSON.stringify(record)}\n`);
}
