/**
 * A takeover in play, before the real node begins: the core, the engine and the address agent do all of it, and nobody outside notices.
 *
 * The real one comes perhaps once in a year, and must not begin with compiling itself.
 */
import type { GroupSpec } from '../../conf/settings.ts';
import { AddressAgent, type AddressSystem } from '../../plugins/agents/ipaddr.ts';
import { type Ipv4, ipv4FromBytes } from '../../runtime/sys/ipv4.ts';
import type { Address, Link } from '../../runtime/sys/netlink.core.ts';
import { linkUp } from '../../runtime/sys/netlink.core.ts';
import { ms, type NodeName, nodeName } from '../../runtime/units.ts';
import { initialResources, step } from './core.ts';
import { ResourceEngine } from './engine.ts';
import { locate } from './locate.ts';
import type { ResourcesConfig, ResourcesInput } from './types.ts';

/** So many that nothing of it is compiled later: the last compilations, some of several milliseconds, were seen in round 1,250. Takes some 0.1 s in all. */
const enoughRounds = 1_500;

const self = nodeName('rehearsal1');
const other = nodeName('rehearsal2');
const group: GroupSpec = {
  key: 'IPaddr::192.0.2.1/24/play0',
  owner: other,
  resources: [{ word: 'IPaddr::192.0.2.1/24/play0', script: 'IPaddr', args: ['192.0.2.1/24/play0'] }],
  place: { file: 'haresources', line: 1, column: 1 },
};

/**
 * Plays with the rules of the real node. Nothing remains of it.
 *
 * @param rounds how many takeovers; 1 brings the code back into the processor's caches
 */
export async function rehearseTakeover(
  rules: Pick<ResourcesConfig, 'autoFailback' | 'configDir'>,
  rounds: number = enoughRounds,
): Promise<{ readonly taken: number }> {
  let taken = 0;
  for (let round = 0; round < rounds; round++) if (await playTakeover(rules)) taken++;
  return { taken };
}

/** @returns whether the address was taken, as it should be */
async function playTakeover(rules: Pick<ResourcesConfig, 'autoFailback' | 'configDir'>): Promise<boolean> {
  const network = playNetwork();
  const agent = new AddressAgent({ system: network });
  const state = initialResources({
    ...rules,
    self,
    nodes: [self, other].map((name) => ({ name, type: 'normal' as const })),
    groups: [group],
  });
  const idle = Promise.withResolvers<void>();
  let running = 0;
  const engine = new ResourceEngine({
    groups: [group],
    locate: (resource) => locate(resource, { configDir: rules.configDir, timeoutMs: 1_000 }),
    run: async (target, action) => agent[action](target.args),
    look: async (target) => agent.status(target.args),
    ahead: (targets) => agent.ahead(targets.map((target) => target.args)),
    hold: () => Promise.resolve(),
    drop: () => undefined,
    log: () => undefined,
    event: () => undefined,
    done: (input) => {
      feed(input);
      running -= 1;
      if (running === 0) idle.resolve();
    },
    failed: (error) => idle.reject(error),
    pause: () => Promise.resolve(),
  });
  const feed = (input: ResourcesInput): void => {
    for (const effect of step(state, input, ms(0))) {
      if (effect.type !== 'acquire' && effect.type !== 'release' && effect.type !== 'probe') continue;
      running += 1;
      engine.submit({ id: effect.job, verb: effect.type, why: effect.why, keys: effect.keys });
    }
  };
  feed({ type: 'comm-up', deadNodes: [] });
  feed(deathOf(other));
  if (running > 0) await idle.promise;
  const held = network.listAddresses().length > 1;
  agent.close();
  return held;
}

function deathOf(node: NodeName): ResourcesInput {
  return {
    type: 'node-dead',
    node,
    nodeType: 'normal',
    wasHeard: true,
    silentMs: ms(1),
    limitMs: ms(1),
    decidedMs: ms(0),
  };
}

/** One interface that takes every address. */
function playNetwork(): AddressSystem {
  const link: Link = { index: 1, name: 'play0', flags: linkUp, hardwareType: 1, mac: new Uint8Array(6), mtu: 1_500 };
  const addresses: Address[] = [entry(ipv4FromBytes(Uint8Array.of(192, 0, 2, 254)), 'play0')];
  return {
    listLinks: () => [link],
    listAddresses: () => addresses,
    listRoutes: () => [],
    addAddresses: (changes) =>
      changes.map((change) => {
        addresses.push(entry(change.address, change.label ?? 'play0'));
        return { ok: true };
      }),
    deleteAddress: () => ({ ok: true }),
    setLinkUp: () => ({ ok: true }),
    openArpSender: () => ({ send: () => undefined, close: () => undefined }),
  };
}

function entry(address: Ipv4, label: string): Address {
  return {
    linkIndex: 1,
    address,
    prefixLength: 24,
    broadcast: null,
    label,
    scope: 0,
    secondary: false,
    permanent: true,
  };
}
