/**
 * The benchmark from end to end: a tiny sweep in namespaces, its files, and a comparison with itself. What the figures are is not the question here.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DetectOptions, runBenchDetect } from '../../bench/detect/command.ts';
import { readRecords } from '../../bench/detect/records.ts';
import { floor } from '../../bench/peers/floor.ts';
import { measureScale } from '../../bench/scale/run.ts';
import { programs } from '../../bench/scale/trackers.ts';
import { runContest } from '../../bench/soak/contest.ts';
import { requireLab } from './lab/require.ts';

const defaults: DetectOptions = { realtime: true, loopback: false, json: false };

async function detect(options: Partial<DetectOptions>): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    progressColumns: null,
  };
  const code = await runBenchDetect({ ...defaults, ...options }, io);
  return { code, out, err };
}

requireLab()('the benchmark', () => {
  test('sweeps Systole and the floor, and leaves records, tables, plots and a page', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'systole-bench-test-'));
    try {
      const { code, out, err } = await detect({
        timings: '100/300',
        faults: 'kill,cut',
        peers: 'floor,systole',
        trials: '1',
        soak: '2',
        out: directory,
      });
      expect(code, err).toBe(0);
      expect(err).toContain('systole 100/300 ucast idle');
      expect(readdirSync(directory).toSorted()).toEqual([
        'overhead.svg',
        'records.jsonl',
        'report.html',
        'report.md',
        'spread.svg',
        'takeover.svg',
      ]);
      expect(readFileSync(join(directory, 'report.md'), 'utf8')).toBe(out);

      const records = readRecords(readFileSync(join(directory, 'records.jsonl'), 'utf8'));
      expect(records.filter((record) => record.type === 'skipped')).toEqual([]);
      const trials = records.filter((record) => record.type === 'trial');
      expect(trials.map(({ peer, fault, outcome }) => `${peer} ${fault} ${outcome}`)).toEqual([
        'floor kill detected',
        'floor cut detected',
        'systole kill detected',
        'systole cut detected',
      ]);
      for (const { peer, figures } of trials) {
        // Nobody decides before the deadline; the kernel stamps a packet some microseconds before a program has it.
        expect(figures?.overheadMs, peer).toBeGreaterThan(-1);
        expect(figures?.addressMs, peer).toBeGreaterThanOrEqual(0);
        expect(figures?.announcedMs, peer).toBeGreaterThanOrEqual(0);
      }
      const soaks = records.filter((record) => record.type === 'soak');
      expect(soaks.map((soak) => soak.peer)).toEqual(['floor', 'systole']);
      for (const soak of soaks) {
        expect(soak.cpuPerBeatUs, soak.peer).toBeGreaterThan(0);
        expect(soak.residentMb, soak.peer).toBeGreaterThan(0.5);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('refuses what makes no plan, before anything is started', async () => {
    const refusals = await Promise.all([
      detect({ timings: '15/5' }),
      detect({ peers: 'nobody' }),
      detect({ trials: '-1' }),
      detect({ compare: '/nonexistent/records.jsonl' }),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(refusals.map(({ err }) => err.startsWith('systole bench detect: '))).toEqual([true, true, true, true]);
  });

  test('a contest watches pairs side by side', async () => {
    const told: number[] = [];
    const plan = {
      timing: { keepaliveMs: 20, deadtimeMs: 200 },
      seconds: 3,
      load: 'idle',
      realtimePriority: 30,
    } as const;
    const records = await runContest(plan, [floor, floor], {
      tell: (_records, atSeconds) => told.push(atSeconds),
      broke: (peer, why) => {
        throw new Error(`${peer}: ${why}`);
      },
      log: (peer) => {
        throw new Error(`${peer} keeps no log`);
      },
    });
    expect(records).toHaveLength(2);
    for (const { beats, endedAtS, lost } of records) {
      expect(endedAtS).toBeNull();
      expect(lost).toBe(0);
      for (const side of [beats.victim, beats.survivor]) {
        expect(side.count).toBeGreaterThan(100);
        expect(side.jitterMs.worst).toBeLessThan(1_000);
      }
    }
    expect(told).toHaveLength(1);
  });

  test.each(programs)('a crowd of simulated nodes is tracked by %s, and each death found', async (program) => {
    const plan = { program, peers: 20, keepaliveMs: 100, deadtimeMs: 1_000, seconds: 1, deaths: 6 };
    const result = await measureScale(plan, () => undefined);
    expect(result).toMatchObject({ missed: 0, falseDeaths: 0, overheadMs: { count: 6 } });
    expect(result.cpuShare).toBeGreaterThan(0);
    expect(result.beatsHeard).toBeGreaterThan(0);
    expect(result.residentMb).toBeGreaterThan(1);
  });
});
