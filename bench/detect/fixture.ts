/** Records for the tests of this folder: a small run whose every figure is known. */
import { copyOfPlan, defaultPlan, type Load } from './plan.core.ts';
import type { BenchRecord, SoakRecord, TrialRecord } from './records.ts';

export function trial(
  peer: string,
  timing: readonly [number, number],
  overheadMs: number,
  more: Partial<TrialRecord> & { readonly addressMs?: number } = {},
): TrialRecord {
  const { addressMs, ...rest } = more;
  const [keepaliveMs, deadtimeMs] = timing;
  const detectionMs = deadtimeMs - keepaliveMs / 2 + overheadMs;
  return {
    type: 'trial',
    peer,
    keepaliveMs,
    deadtimeMs,
    medium: 'ucast',
    load: 'idle',
    fault: 'kill',
    outcome: 'detected',
    figures: {
      overheadMs,
      detectionMs,
      by: 'statement',
      reactionMs: null,
      addressMs: addressMs ?? null,
      announcedMs: addressMs === undefined ? null : addressMs + 0.05,
      faultToAddressMs: addressMs === undefined ? null : detectionMs + addressMs,
    },
    ...rest,
  };
}

export function soakRecord(
  peer: string,
  timing: readonly [number, number],
  more: Partial<SoakRecord> = {},
): SoakRecord {
  const [keepaliveMs, deadtimeMs] = timing;
  return {
    type: 'soak',
    peer,
    keepaliveMs,
    deadtimeMs,
    medium: 'ucast',
    load: 'idle',
    seconds: 10,
    falseDeaths: 0,
    cpuPerBeatUs: 50,
    residentMb: 2,
    jitterMs: 0.1,
    longestGapMs: 6,
    ...more,
  };
}

/** Two timings, three programs; `scale` times the floor is what Systole needs. */
export function sampleRecords(scale = 1, load: Load = 'idle'): readonly BenchRecord[] {
  const timings = [
    [10, 30],
    [5, 15],
  ] as const;
  return [
    {
      type: 'run',
      date: '2026-11-22T10:00:00.000Z',
      machine: 'a machine <with> "signs" & more',
      command: 'systole bench detect',
      referee: 'capture',
      plan: copyOfPlan(defaultPlan),
    },
    ...timings.flatMap((timing) => [
      ...[0.1, 0.2, 0.3].flatMap((overheadMs) => [
        trial('floor', timing, overheadMs, { load, addressMs: 0.1 }),
        trial('systole', timing, overheadMs * scale, { load, addressMs: 0.1 * scale }),
        trial('bird-bfd', timing, overheadMs * 3, { load, fault: 'cut' }),
      ]),
      soakRecord('floor', timing, { load }),
      soakRecord('systole', timing, { load, cpuPerBeatUs: 50 * scale, residentMb: 150 }),
    ]),
    { type: 'skipped', peer: 'heartbeat-3.0.6', timing: null, why: 'not installed (Debian package heartbeat)' },
  ];
}
