/**
 * Nodes without power, daemons that are killed or frozen (scenarios 3, 5, 6).
 */
import { eventually } from '../lab/wait.ts';
import { endMs, times, twoLinks } from '../pair.ts';
import { giveSwitch, obeySwitch, switchLine } from './power-switch.ts';
import type { Scenario } from './scenario.ts';

const powerOff: Scenario = {
  id: '3-power-off',
  title: 'power off, without fencing',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    await stage.phase('node1 loses power', { owner: 'node2' }, () => stage.node1.powerOff());
    await stage.phase('node1 boots', { owner: 'node1' }, async () => {
      await stage.node1.powerOn();
      await stage.pair.start('node1');
    });
  },
};

const powerOffFenced: Scenario = {
  id: '3-power-off-fenced',
  title: 'power off, with fencing',
  plan: () => twoLinks(`auto_failback on\n${switchLine}`),
  async play(stage) {
    for (const host of stage.pair.lab.hosts) await giveSwitch(host);
    await stage.pair.up();
    await stage.pair.settled();
    await stage.phase('node1 loses power', { owner: 'node2' }, () =>
      Promise.all([stage.node1.powerOff(), obeySwitch(stage.node2, stage.node1, endMs)]),
    );
  },
};

const cutFenced: Scenario = {
  id: '4-all-links-fenced',
  title: 'all links of node1 cut, with fencing by node2',
  plan: () => twoLinks(`auto_failback on\n${switchLine}`),
  async play(stage) {
    for (const host of stage.pair.lab.hosts) await giveSwitch(host);
    await stage.pair.up();
    await stage.pair.settled();
    // node1 would shoot as well; its order gets lost, as with a switch that hangs on the same cables.
    await stage.phase('cut, node2 shoots', { owner: 'node2' }, () =>
      Promise.all([
        ...stage.pair.lab.networks.map((network) => network.cut('node1')),
        obeySwitch(stage.node2, stage.node1, endMs),
      ]),
    );
  },
};

const daemonKilled: Scenario = {
  id: '5-kill-daemon',
  title: 'SIGKILL of the daemon alone',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    // What a 3.0.6 started goes on running without it.
    const overlap = stage.isReal('node1') ? 'unavoidable' : 'never';
    const owner = stage.isReal('node1') ? 'both' : 'node2';
    await stage.phase('node1 killed', { owner, overlap }, () => stage.pair.kill('node1'));
    await stage.phase('node1 starts', { owner: 'node1', overlap }, () => stage.pair.start('node1'));
  },
};

const frozen: Scenario = {
  id: '6-frozen',
  title: 'SIGSTOP longer than deadtime, then SIGCONT',
  plan: () => twoLinks('auto_failback on'),
  async play(stage) {
    await stage.pair.up();
    await stage.pair.settled();
    const offset = stage.node1.log().length;
    const calls = stage.node2.serviceLog().length;
    await stage.phase(
      'node1 frozen',
      // Our guardian lets go of what a frozen daemon holds; on a machine as busy as this one it may be late for a deadtime of a second.
      { owner: stage.isReal('node1') ? 'both' : 'node2', overlap: 'unavoidable' },
      async () => {
        await stage.pair.signal('node1', 'SIGSTOP');
        await eventually(
          () =>
            stage.node2
              .serviceLog()
              .slice(calls)
              .some((entry) => entry.what === 'up'),
          { what: 'the takeover', timeoutMs: endMs },
        );
        await stage.watch(2 * times.deadtimeMs);
      },
    );
    await stage.phase('woken', { owner: 'one', overlap: 'unavoidable' }, async () => {
      await stage.pair.signal('node1', 'SIGCONT');
      if (stage.isReal('node1')) {
        // Some restart themselves after a moment, some go on and hand over: what is wanted is what comes of it.
        await stage.watch(4 * times.deadtimeMs);
        await stage.pair.settled();
        return;
      }
      // The sleeper finds out by itself, and begins anew.
      await stage.node1.waitForLog(/Restarting heartbeat/, { fromOffset: offset, timeoutMs: endMs });
    });
    stage.expectLog('node1', /No local heartbeat|own resources|Restarting heartbeat/, offset);
    await stage.phase('joined again', { owner: 'node1' }, () => stage.pair.settled());
  },
};

export const deathScenarios: readonly Scenario[] = [powerOff, powerOffFenced, cutFenced, daemonKilled, frozen];
