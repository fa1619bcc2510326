/** The benchmark without root: what of it is left, and that it says so. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runBenchDetect } from '../../bench/detect/command.ts';
import { readRecords } from '../../bench/detect/records.ts';

test('Systole and the floor on loopback: deaths are found, and what is left out is said', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'systole-bench-test-'));
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    progressColumns: 60,
  };
  try {
    const options = { timings: '100/400', trials: '1', soak: '0', faults: 'kill', realtime: true, json: false };
    const code = await runBenchDetect({ ...options, loopback: true, out: directory }, io);
    expect(code, err + out).toBe(0);
    expect(err).toContain('in a reduced form on loopback');
    expect(out).toContain('each program is believed what it says itself');
    expect(out).toContain('need root');
    // The line of progress is written over itself.
    expect(err).toMatch(/\r\[#+-*\] 1\/2 /);
    const records = readRecords(readFileSync(join(directory, 'records.jsonl'), 'utf8'));
    const trials = records.filter((record) => record.type === 'trial');
    expect(trials.map(({ peer, outcome }) => `${peer} ${outcome}`)).toEqual(['floor detected', 'systole detected']);
    for (const { figures } of trials) expect(figures?.overheadMs).toBeGreaterThan(-1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
