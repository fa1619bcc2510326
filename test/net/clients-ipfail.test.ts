/**
 * The cable of the public network is pulled, and ipfail moves everything to the node that the network still sees: the original's program under
 * our respawn, and ours, on either side of the original's and beside itself. The steps are those of the recording of two originals.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';

const startMs = 120_000;
/** Two processes stamp what two hosts do: shorter overlaps are their imprecision [ms]. */
const stampNoiseMs = 20;
const recording = (file: string): string =>
  readFileSync(new URL(`../corpus/logs/ipfail-cut-public/${file}`, import.meta.url), 'utf8');
/** The recording's own, times included: the order of steps depends on them. */
const recordedHaCf = recording('ha.cf');
const realIpfail = '/usr/libexec/heartbeat/ipfail';
/** Where other packages have it: not on this machine, so ours takes its place. */
const builtInIpfail = '/usr/lib/heartbeat/ipfail';

type Kind = 'original' | 'systole with the original ipfail' | 'systole';
type Program = 'heartbeat' | 'ipfail';

async function start(host: Host, kind: Kind): Promise<void> {
  const haCf = kind === 'systole' ? recordedHaCf.replace(realIpfail, builtInIpfail) : recordedHaCf;
  host.configure({ haCf, haresources: 'node1 service::web\nnode2 service::db\n' });
  if (kind === 'original') await host.startHeartbeat();
  else host.startSystole();
}

/** What a program logged, each text where it came first; the two reasons to give up are one step, since which comes first is a matter of luck. */
function stepsOf(log: string, program: Program, wanted: RegExp): readonly string[] {
  const lines = [...log.matchAll(/^\w{3} +\d+ [\d:]{8} \S+ (heartbeat|ipfail): \[\d+\]: (?!debug)\w+: (.*)$/gm)];
  const texts = lines.flatMap(([, who, text = '']) => (who === program && wanted.test(text) ? [text] : []));
  return [...new Set(texts.map((text) => text.replace(/^Giving up because .*/, 'Giving up because …')))];
}

/** A part of a log: from the first line with one text to the first one after it with the other, or the end. */
function part(log: string, from: RegExp, to: RegExp | null): string {
  const begin = log.search(from);
  if (begin < 0) return '';
  const rest = log.slice(begin);
  const end = to === null ? -1 : rest.slice(1).search(to);
  return end < 0 ? rest : rest.slice(0, end + 1);
}

const isDead: Readonly<Record<string, RegExp>> = {
  // Our threads that beat wait for no disk: what a program has to say about it may be in the file before our own line.
  node1: /^.*(?:node 10\.77\.0\.254: is dead|Node 10\.77\.0\.254 now has status dead)/m,
  // Whether its own link or the other's question comes first is a matter of luck.
  node2: /^.*(?:Link node1:eth0 dead|ipfail: \[\d+\]: info: Telling)/m,
};
const isBack: Readonly<Record<string, RegExp>> = {
  node1: /^.*(?:Link 10\.77\.0\.254:10\.77\.0\.254 up|Node 10\.77\.0\.254 now has status ping)/m,
  node2: /^.*Link node1:eth0 up/m,
};

type Half = 'away' | 'home';

/**
 * Chains of steps, each in its order. What ipfail notices itself and what it is told by the other one come in the order of luck: two chains.
 */
const chains: Readonly<Record<string, readonly (readonly [half: Half, program: Program, wanted: RegExp])[]>> = {
  node1: [
    ['away', 'heartbeat', /254: is dead$|^Link 10\.77\.0\.254:\S+ dead|\ball\b/],
    ['away', 'ipfail', /254 now has status dead|We are dead|Asking/],
    ['away', 'ipfail', /Giving up because|Delayed|giveup\(\)/],
    ['home', 'heartbeat', /foreign|local HA|standby/],
    ['home', 'ipfail', /254 now has status ping|just came up/],
  ],
  node2: [
    ['away', 'heartbeat', /\ball\b/],
    ['away', 'ipfail', /^Telling/],
    ['home', 'heartbeat', /foreign|local HA|standby/],
    ['home', 'ipfail', /balanced|Giving up foreign|Delayed|giveup\(\)/],
  ],
};

/** The chains of a node in one half of the scenario. */
function story(node: string, log: string, wantedHalf: Half): readonly (readonly string[])[] {
  const [dead, back] = [isDead[node] ?? /$^/, isBack[node] ?? /$^/];
  const away = part(log, dead, back);
  // What follows in the recording belongs to its next experiment.
  const home = part(
    part(log, dead, null),
    back,
    /^.*(?:Managed \S*ipfail process|: node1 wants to go standby \[foreign)/m,
  );
  return (chains[node] ?? []).flatMap(([half, program, wanted]) =>
    half === wantedHalf ? [stepsOf(half === 'away' ? away : home, program, wanted)] : [],
  );
}

const clusters: readonly (readonly [node1: Kind, node2: Kind])[] = [
  ['systole with the original ipfail', 'original'],
  ['systole', 'original'],
  ['original', 'systole'],
  ['systole', 'systole'],
];

requireLab()('ipfail: the cable of the public network is pulled', () => {
  test.concurrent.for(clusters)(
    '%s beside %s: everything moves once, and back, in the original’s order',
    {
      timeout: 400_000,
    },
    async (kinds) => {
      await using lab = await Lab.create({ networks: ['net0', 'net1'] });
      const observer = await lab.observe();
      const [node1, node2] = [lab.host('node1'), lab.host('node2')];
      await Promise.all([start(node1, kinds[0]), start(node2, kinds[1])]);
      const owned = (web: string): Promise<unknown> =>
        Promise.all([
          observer.waitForOwners('service:web', [web], startMs),
          observer.waitForOwners('service:db', ['node2'], startMs),
        ]);
      await owned('node1');
      for (const [index, host] of lab.hosts.entries())
        await eventually(
          async () => (await host.clStatus('clientstatus', `node${index + 1}`, 'ipfail', '5000')).answer === 'online',
          { what: `ipfail of ${host.name} to be signed on`, timeoutMs: startMs, intervalMs: 250 },
        );
      for (const [index, host] of lab.hosts.entries()) {
        if (kinds[index] === 'systole')
          expect(host.log()).toMatch(/"\S+ipfail" is not installed: ours takes its place/);
        else expect(host.log()).toMatch(/Starting child client "\/usr\/libexec\/heartbeat\/ipfail"/);
      }
      const beganMs = Date.now();

      const follows = (host: Host, half: Half): Promise<unknown> =>
        eventually(
          () => {
            const wanted = story(host.name, recording(`${host.name}.log`), half);
            expect(wanted.every((chain) => chain.length > 0)).toBe(true);
            expect(story(host.name, host.log(), half)).toEqual(wanted);
            return true;
          },
          { what: `the recorded steps of ${host.name}, ${half}`, timeoutMs: startMs, intervalMs: 250 },
        );
      await lab.network('net0').cut('node1');
      await owned('node2');
      await Promise.all(lab.hosts.map((host) => follows(host, 'away')));

      await lab.network('net0').heal('node1');
      await owned('node1');
      await Promise.all(lab.hosts.map((host) => follows(host, 'home')));
      const timeline = await observer.timeline();
      expect(timeline.overlaps({ fromMs: beganMs, atLeastMs: stampNoiseMs })).toEqual([]);
      expect(timeline.holdings({ resource: 'service:web', fromMs: beganMs }).map(({ host }) => host)).toEqual([
        'node1',
        'node2',
        'node1',
      ]);
    },
  );
});
