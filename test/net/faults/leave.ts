/**
 * Nodes that leave, come, and hand over by agreement; and scripts that do not do what they are asked (scenarios 1, 8, 9, 10).
 */
import { statSync } from 'node:fs';
import type { Host } from '../lab/host.ts';
import { eventually } from '../lab/wait.ts';
import { endMs, type Program, times, twoLinks } from '../pair.ts';
import type { Pairing, Scenario } from './scenario.ts';
import type { Stage } from './stage.ts';

/** Longer than any scenario: a script that waits so long hangs [s]. */
const hangingS = 3_600;
/** What Systole allows a script here (`resource_timeout`, its own directive) [s]. */
const scriptLimitS = 3;

/** Directives that only Systole understands, for the hosts that run it. */
const ownLines =
  (pairing: Pairing, ...lines: readonly string[]) =>
  (host: string): readonly string[] =>
    (host === 'node1' ? pairing.node1 : pairing.node2) === 'systole' ? lines : [];

/** Asks a node, by its own program's command, to give everything to the other one; does not wait for the outcome. */
async function standby(host: Host, program: Program): Promise<void> {
  if (program === 'heartbeat') {
    await host.run(['/usr/share/heartbeat/hb_standby', 'all']);
    return;
  }
  await host.systole(['standby', 'all']);
}

function stopAndStart(failback: 'on' | 'off'): Scenario {
  return {
    id: `1-stop-failback-${failback}`,
    title: `graceful stop and start, auto_failback ${failback}`,
    plan: () => twoLinks(`auto_failback ${failback}`),
    async play(stage) {
      await stage.pair.up();
      await stage.pair.settled();
      await stage.phase('node1 stops', { owner: 'node2' }, () => stage.pair.stop('node1'));
      if (failback === 'on') {
        await stage.phase('node1 starts', { owner: 'node1' }, () => stage.pair.start('node1'));
        return;
      }
      await stage.phase('node1 starts', { owner: 'node2' }, async () => {
        await stage.pair.start('node1');
        await stage.pair.settled();
      });
    },
  };
}

const startFails: Scenario = {
  id: '8-start-fails',
  title: 'script fails on start at its preferred node',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    stage.node1.service('web').fail('start');
    // A 3.0.6 never offers it to the other node (resources.md section 10).
    const owner = stage.isReal('node1') ? 'nobody' : 'node2';
    await stage.phase('both start', { owner }, async () => {
      await Promise.all([stage.pair.start('node1'), stage.pair.start('node2')]);
      await stage.pair.settled();
    });
    stage.expectLog('node1', /Giving up resources due to failure of service::web/);
    await stage.phase('script repaired, node1 starts again', { owner: 'node1' }, async () => {
      await stage.pair.stop('node1');
      stage.node1.service('web').fail('start', false);
      await stage.pair.start('node1');
    });
  },
};

/** Whether a host rebooted itself; the power is then off for the books as well. */
async function sawReboot(host: Host, gone: Promise<void>, withinMs: number): Promise<boolean> {
  let rebooted = false;
  gone.then(
    () => {
      rebooted = true;
    },
    () => undefined,
  );
  try {
    await eventually(() => rebooted, { what: `${host.name} to reboot`, timeoutMs: withinMs, intervalMs: 5 });
  } catch {
    return false;
  }
  // Nothing of the host ran after the last line of its log, whenever this program got to see that.
  await host.powerOff(statSync(host.outside('/var/log/ha-log')).mtimeMs);
  return true;
}

const stopFails: Scenario = {
  id: '8-stop-fails',
  title: 'script fails on stop, standby asked for',
  plan: (pairing) => twoLinks('auto_failback on', { linesOf: ownLines(pairing, `resource_timeout ${scriptLimitS}`) }),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    stage.node1.service('web').fail('stop');
    // Either the node reboots and the other one takes over, or it keeps what it cannot stop: never both.
    await stage.phase('node1 goes standby', { owner: 'any' }, async () => {
      const gone = stage.node1.gone();
      await standby(stage.node1, stage.programs.node1);
      // Ten tries with a second between them come before a reboot.
      const rebooted = await sawReboot(stage.node1, gone, stage.isReal('node1') ? 30_000 : 20_000);
      stage.note(`node1 ${rebooted ? 'rebooted' : 'kept what it could not stop'}`);
      stage.expectLog('node1', /CRIT: .*(STOP failure|could not be released)/);
      if (rebooted)
        await eventually(() => stage.node2.service('web').running(), { what: 'a takeover', timeoutMs: 30_000 });
    });
  },
};

const startHangs: Scenario = {
  id: '8-start-hangs',
  title: 'script hangs on start at the takeover',
  plan: (pairing) => twoLinks('auto_failback on', { linesOf: ownLines(pairing, `resource_timeout ${scriptLimitS}`) }),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    const offset = stage.node2.serviceLog().length;
    stage.node2.service('web').slow('start', hangingS);
    // A 3.0.6 waits for a script as long as it takes, and keeps the address meanwhile.
    const owner = stage.isReal('node2') ? 'any' : 'nobody';
    await stage.phase('node1 stops', { owner, withinMs: 15_000 }, async () => {
      await stage.pair.stop('node1');
      await eventually(() => hasCalled(stage.node2, 'start', offset), { what: 'the start', timeoutMs: endMs });
    });
    await stage.phase('node1 starts', { owner: 'node1', withinMs: stage.isReal('node2') ? 25_000 : endMs }, () =>
      stage.pair.start('node1'),
    );
  },
};

const stopHangs: Scenario = {
  id: '8-stop-hangs',
  title: 'script hangs on stop, standby asked for',
  plan: (pairing) => twoLinks('auto_failback on', { linesOf: ownLines(pairing, `resource_timeout ${scriptLimitS}`) }),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    const offset = stage.node1.serviceLog().length;
    stage.node1.service('web').slow('stop', hangingS);
    await stage.phase('node1 goes standby', { owner: 'any' }, async () => {
      const gone = stage.node1.gone();
      await standby(stage.node1, stage.programs.node1);
      await eventually(() => hasCalled(stage.node1, 'stop', offset), { what: 'the stop', timeoutMs: endMs });
      // A script that is killed for its time counts as failed.
      const rebooted = await sawReboot(stage.node1, gone, stage.isReal('node1') ? 10_000 : 20_000);
      stage.note(`node1 ${rebooted ? 'rebooted' : 'kept what it could not stop'}`);
      stage.expectLog('node1', /CRIT: .*(STOP failure|could not be released)/);
      if (rebooted)
        await eventually(() => stage.node2.service('web').running(), { what: 'a takeover', timeoutMs: 30_000 });
    });
  },
};

function hasCalled(host: Host, action: string, offset: number): boolean {
  return host
    .serviceLog()
    .slice(offset)
    .some((entry) => entry.what === 'call' && entry.action === action);
}

/** @param count how often both are started at the same instant, each time after both were stopped */
export function simultaneousStart(count: number): Scenario {
  return {
    id: '9-same-instant',
    title: `both started at the same instant, ${count} times`,
    plan: () => twoLinks('auto_failback on'),
    async play(stage) {
      for (let round = 1; round <= count; round++) {
        await stage.phase(`start ${round}`, { owner: 'node1' }, async () => {
          await Promise.all([stage.pair.start('node1'), stage.pair.start('node2')]);
          await stage.pair.settled();
        });
        await stage.phase(`stop ${round}`, { owner: 'nobody' }, () =>
          Promise.all([stage.pair.stop('node1'), stage.pair.stop('node2')]),
        );
      }
    },
  };
}

const standbyThenDeath: Scenario = {
  id: '10-standby-peer-dies-at-once',
  title: 'standby asked for while the other node loses power: before it answers',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    await stage.phase('standby, node2 dies', { owner: 'node1' }, async () => {
      const offset = stage.node1.log().length;
      await Promise.all([standby(stage.node1, stage.programs.node1), stage.node2.powerOff()]);
      await takenBack(stage, offset);
    });
  },
};

const standbyMidway: Scenario = {
  id: '10-standby-peer-dies-midway',
  title: 'standby asked for while the other node loses power: as it starts the group',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    stage.node2.service('web').slow('start', 30);
    const calls = stage.node2.serviceLog().length;
    await stage.phase('standby, node2 dies', { owner: 'node1' }, async () => {
      const offset = stage.node1.log().length;
      await standby(stage.node1, stage.programs.node1);
      await eventually(() => hasCalled(stage.node2, 'start', calls), { what: 'the start on node2', timeoutMs: endMs });
      await stage.node2.powerOff();
      await takenBack(stage, offset);
      stage.expectLog('node1', /Cancelling pending standby operation/, offset);
    });
  },
};

/** node1 has noticed the death. */
async function takenBack(stage: Stage, offset: number): Promise<void> {
  await stage.node1.waitForLog(/node node2: is dead/, { fromOffset: offset, timeoutMs: times.deadtimeMs + endMs });
}

export const leaveScenarios: readonly Scenario[] = [
  stopAndStart('on'),
  stopAndStart('off'),
  startFails,
  stopFails,
  startHangs,
  stopHangs,
  standbyThenDeath,
  standbyMidway,
];
