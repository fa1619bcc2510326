/**
 * What happens to the machine around the daemon: a full disk, a clock that jumps (scenarios 11, 12).
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Host } from '../lab/host.ts';
import { type Program, times, twoLinks } from '../pair.ts';
import type { Scenario } from './scenario.ts';

const stateDirectory = '/var/lib/heartbeat';
const filler = `${stateDirectory}/filler`;

/** Puts a small file system under the state directory, with what was in it. */
async function giveSmallDisk(host: Host): Promise<void> {
  await host.run([
    'sh',
    '-ec',
    `mkdir /run/disk; mount -t tmpfs -o size=128k,mode=755 tmpfs /run/disk
     cp -a ${stateDirectory}/. /run/disk/; mount --bind /run/disk ${stateDirectory}`,
  ]);
}

/** Leaves not a byte free. */
async function fill(host: Host): Promise<void> {
  await host.exec(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=512']);
}

const fullDisk: Scenario = {
  id: '11-disk-full',
  title: 'state directory full, on both nodes',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    for (const host of stage.pair.lab.hosts) await giveSmallDisk(host);
    await stage.pair.up();
    await stage.pair.settled();
    await stage.phase('disks full', { owner: 'node1' }, async () => {
      for (const host of stage.pair.lab.hosts) await fill(host);
      await stage.watch(2 * times.deadtimeMs);
    });
    await stage.phase(
      'node1 killed',
      { owner: stage.isReal('node1') ? 'both' : 'node2', overlap: stage.isReal('node1') ? 'unavoidable' : 'never' },
      () => stage.pair.kill('node1'),
    );
    const starts = {
      owner: stage.isReal('node1') ? 'one' : 'node2',
      overlap: stage.isReal('node1') ? 'unavoidable' : 'never',
      withinMs: 20_000,
    } as const;
    await stage.phase('node1 starts, its disk full', starts, async () => {
      if (stage.isReal('node1')) {
        const refusal = await stage.pair.start('node1').then(
          () => null,
          (error: unknown) => String(error),
        );
        stage.note(`node1 (3.0.6) ${refusal === null ? 'starts' : 'refuses to start'}`);
        return;
      }
      const { code, stderr } = await stage.node1.systole(['start', '--foreground']);
      if (code !== 5) stage.complaints.push(`a start with a full disk ended with ${code}, not with 5 (directory)`);
      stage.note(`node1 (Systole) refuses to start with exit code ${code}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
    });
    await stage.phase('space again, node1 starts', { owner: 'node1' }, async () => {
      await stage.node1.run(['rm', filler]);
      if (stage.isReal('node1') && stage.node1.heartbeatRunning()) return;
      await stage.pair.start('node1');
    });
  },
};

/** libfaketime of Debian's package `faketime`; the loader knows the folder of its own architecture. */
const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));
const clockFile = '/run/clock';

/**
 * A wall clock of its own for a program, which {@link setClock} sets; the monotonic clock stays the machine's, as at a real step. (Namespaces
 * share the machine's wall clock.) libfaketime shifts timers of the monotonic clock along, which a 3.0.6 does not use and Systole does, so
 * Systole's clock is exchanged within Node.js.
 */
function ownClock(program: Program): Readonly<Record<string, string>> {
  if (program === 'systole')
    return { NODE_OPTIONS: `--import=${fileURLToPath(new URL('../../fixtures/wall-clock.mjs', import.meta.url))}` };
  if (library === undefined) throw new Error('libfaketime is missing: install the package faketime');
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_CACHE_DURATION: '1',
  };
}

async function setClock(host: Host, offset: string): Promise<void> {
  await host.run(['sh', '-c', `echo "${offset}" >${clockFile}.new && mv ${clockFile}.new ${clockFile}`]);
}

const steppedClock: Scenario = {
  id: '12-clock-stepped',
  title: 'wall clock of node1 a day forward, then two days back',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    const clock = ownClock(stage.programs.node1);
    await setClock(stage.node1, '+0d');
    await stage.pair.start('node1', clock);
    await stage.pair.start('node2');
    await stage.pair.owned('node1', 60_000);
    await stage.pair.settled();
    for (const [name, offset] of [
      ['a day forward', '+1d'],
      ['two days back', '-1d'],
    ] as const) {
      await stage.phase(name, { owner: 'node1' }, async () => {
        await setClock(stage.node1, offset);
        // The program sees it within a second.
        await stage.watch(3 * times.deadtimeMs);
        await stage.pair.settled();
      });
    }
    await stage.phase('node1 stops, in the past', { owner: 'node2' }, () => stage.pair.stop('node1'));
    await stage.phase('node1 starts, in the past', { owner: 'node1' }, () => stage.pair.start('node1', clock));
    // Its log is written by its own clock, a day back: otherwise nothing was tried.
    const dayBefore = new Date(Date.now() - 86_400_000).getUTCDate();
    const stamp = stage.node1.log().trimEnd().split('\n').at(-1) ?? '';
    if (Number(/^\w{3} +(\d+) /.exec(stamp)?.[1] ?? /^\d+\/\d+\/(\d+)_/.exec(stamp)?.[1]) !== dayBefore)
      stage.complaints.push(`the clock of node1 was not a day back: ${stamp}`);
  },
};

export const hostScenarios: readonly Scenario[] = [fullDisk, steppedClock];
