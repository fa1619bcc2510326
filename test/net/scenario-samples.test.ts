/**
 * The configurations of conf/samples, as they are written, run a cluster: it comes up, survives the death of its first node in two ways, takes
 * it back, and stops.
 */
import { test } from 'vitest';
import { NullModem } from '../fixtures/null-modem.ts';
import { Cluster, handoverMs, takeoverMs } from './cluster.ts';
import { requireLab } from './lab/require.ts';
import { samplePlan, samples } from './samples.ts';

requireLab()('the samples', () => {
  test.concurrent.for(samples)('$directory', async (sample) => {
    await using modem = await NullModem.create();
    await using cluster = await Cluster.create(samplePlan(sample, modem.ends));
    const [first, second] = sample.hosts;
    const scenario = (what: string): string => `${sample.directory}, ${what}`;

    const beganMs = Date.now();
    await cluster.up();
    await cluster.expectOwner({ scenario: scenario('start'), sinceMs: beganMs, owner: first, outageMs: 0 });

    let sinceMs = await cluster.kill(first);
    await cluster.expectOwner({ scenario: scenario('SIGKILL'), sinceMs, owner: second, outageMs: takeoverMs });

    sinceMs = Date.now();
    await cluster.start(first);
    await cluster.expectOwner({
      scenario: scenario('back home'),
      sinceMs,
      owner: first,
      outageMs: handoverMs,
      withinMs: 30_000,
    });
    await cluster.steady();

    sinceMs = await cluster.host(first).powerOff();
    await cluster.expectOwner({ scenario: scenario('power off'), sinceMs, owner: second, outageMs: takeoverMs });

    await cluster.host(first).powerOn();
    sinceMs = Date.now();
    await cluster.start(first);
    await cluster.expectOwner({
      scenario: scenario('rebooted'),
      sinceMs,
      owner: first,
      outageMs: handoverMs,
      withinMs: 30_000,
    });

    await cluster.stopAll();
  });
});
