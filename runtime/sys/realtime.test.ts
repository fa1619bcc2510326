import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { type currentScheduling, setNice, setRealtime, threadId } from './realtime.ts';

interface ThreadReport {
  readonly outcome: ReturnType<typeof setRealtime>;
  readonly inForce: ReturnType<typeof currentScheduling>;
  readonly grandchild: ReturnType<typeof currentScheduling>;
  readonly afterwards: ReturnType<typeof currentScheduling>;
  readonly nice: number;
  readonly threadId: number;
}

const source = new URL('./realtime.ts', import.meta.url).href;

/** Scheduling is a thread's own matter, so it is tried in a thread that ends afterwards. */
function inThread(): Promise<ThreadReport> {
  const worker = new Worker(
    `const { parentPort, Worker } = require('node:worker_threads');
     import(${JSON.stringify(source)}).then((rt) => {
       const outcome = rt.setRealtime(2);
       const inForce = rt.currentScheduling();
       const child = new Worker(${JSON.stringify(
         `const { parentPort } = require('node:worker_threads'); import(${JSON.stringify(source)}).then((rt) => parentPort.postMessage(rt.currentScheduling()));`,
       )}, { eval: true });
       child.once('message', (grandchild) => {
         rt.leaveRealtime();
         rt.setNice(7);
         parentPort.postMessage({ outcome, inForce, grandchild, afterwards: rt.currentScheduling(), nice: rt.currentScheduling().nice, threadId: rt.threadId() });
       });
     });`,
    { eval: true },
  );
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe('scheduling of one thread', () => {
  test('real time is granted or refused with advice, is not inherited, and can be left', async () => {
    const report = await inThread();
    if (report.outcome.granted) {
      expect(report.outcome).toEqual({ granted: true, policy: 'SCHED_RR', priority: 2 });
      expect(report.inForce).toMatchObject({ policy: 'SCHED_RR', priority: 2 });
    } else {
      expect(report.outcome.errno).toBe('EPERM');
      expect(report.outcome.reason).toContain('LimitRTPRIO');
      expect(report.inForce.policy).toBe('normal');
    }
    expect(report.grandchild).toMatchObject({ policy: 'normal', priority: 0 });
    expect(report.afterwards).toMatchObject({ policy: 'normal', priority: 0, nice: 7 });
    expect(report.threadId).not.toBe(threadId());
    // The thread's nice value is its own.
    expect(getPriority(0)).not.toBe(7);
  });

  test('the main thread has the id of the process or one of its threads', () => {
    expect(threadId()).toBeGreaterThan(0);
  });

  test('a priority that does not exist is a programming error', () => {
    expect(() => setRealtime(0)).toThrow(RangeError);
    expect(() => setRealtime(100)).toThrow(RangeError);
    expect(() => setNice(Number.NaN)).toThrow();
  });
});
