/**
 * The configurations of conf/samples, as they are written, run a cluster: it comes up, survives the death of its first node in two ways, takes
 * it back, and stops.
 */
import { expect, test } from 'vitest';
import { Cluster, handoverMs, takeoverMs } from './cluster.ts';
import { LabProcess } from './lab/process.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { samplePlan, samples } from './samples.ts';

/** Two pseudo-terminals wired crosswise, for the sample with a serial line. */
async function nullModem(): Promise<AsyncDisposable & { readonly ends: readonly string[] }> {
  const socat = new LabProcess(['socat', '-d', '-d', 'pty,raw,echo=0', 'pty,raw,echo=0'], { stdin: '' });
  const ends = await eventually(
    () => {
      const found = [...socat.stderr.matchAll(/PTY is (\S+)/g)].map((match) => match[1] ?? '');
      return found.length === 2 ? found : undefined;
    },
    { what: 'two pseudo-terminals' },
  );
  return { ends, [Symbol.asyncDispose]: () => socat.kill() };
}

requireLab()('the samples', () => {
  test.concurrent.for(samples)('$directory', async (sample) => {
    await using modem = await nullModem();
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

    await Promise.all([cluster.stop(first), cluster.stop(second)]);
    await cluster.owned(null, 5_000);
    expect((await cluster.observer.timeline()).overlaps({ fromMs: sinceMs })).toEqual([]);
    for (const host of cluster.lab.hosts) expect(host.processes(), `left on ${host.name}`).toEqual([]);
  });
});
