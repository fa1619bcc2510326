/**
 * How fast an address moves: from the decision that its owner is dead to the address on the survivor, at the end of a group with scripts
 * before it, and a hundred addresses in one group.
 */
import { type FSWatcher, watch } from 'node:fs';
import type { Host } from '../../test/net/lab/host.ts';
import { eventually } from '../../test/net/lab/wait.ts';
import { Pair, type Program, serviceAddress, twoLinks } from '../../test/net/pair.ts';

/** One takeover by one program [ms]. */
export interface Speed {
  readonly program: Program;
  readonly group: string;
  /** From the line that the owner is dead to the last address. */
  readonly fromDecisionMs: number;
  /** From the end of the last script before the address to the address; null without such a script. */
  readonly fromScriptMs: number | null;
  /** From the first address to the last one. */
  readonly spreadMs: number;
}

interface Load {
  readonly name: string;
  readonly group: string;
  readonly addresses: readonly string[];
  /** The script that ends right before the address. */
  readonly lastScript: string | null;
}

const hundred = Array.from({ length: 100 }, (_, index) => `10.77.0.${100 + index}`);

const loads: readonly Load[] = [
  {
    name: 'address after two scripts',
    group: `service::a service::b IPaddr2::${serviceAddress}/24/eth0`,
    addresses: [serviceAddress],
    lastScript: 'b',
  },
  {
    name: '100 addresses',
    group: hundred.map((address) => `IPaddr2::${address}/24/eth0`).join(' '),
    addresses: hundred,
    lastScript: null,
  },
];

/** Cuts the power of the owner and watches the survivor, for each group; both nodes run the program. */
export async function measureSpeed(program: Program, tell: (speed: Speed) => void): Promise<void> {
  for (const load of loads) tell(await takeover(program, load));
}

async function takeover(program: Program, load: Load): Promise<Speed> {
  const plan = twoLinks('auto_failback on', { group: load.group, resources: load.addresses });
  await using pair = await Pair.create({ ...plan, program: () => program });
  await pair.up();
  await pair.settled();
  const survivor = pair.host('node2');
  using decision = new LineWatch(survivor, 'node node1: is dead');
  const sinceMs = await pair.host('node1').powerOff();
  await pair.owned('node2', 300_000);
  const decidedMs = await eventually(() => decision.seenMs, { what: 'the decision in the log' });
  const timeline = await pair.observer.timeline();
  const arrivals = load.addresses.map(
    (resource) =>
      timeline.holdings({ resource, fromMs: sinceMs }).find((holding) => holding.host === 'node2')?.fromMs ??
      Number.NaN,
  );
  const ended = survivor
    .serviceLog()
    .findLast((entry) => entry.name === load.lastScript && entry.what === 'exit' && entry.action === 'start');
  const [first, last] = [Math.min(...arrivals), Math.max(...arrivals)];
  return {
    program,
    group: load.name,
    fromDecisionMs: last - decidedMs,
    fromScriptMs: ended === undefined ? null : last - ended.atMs,
    spreadMs: last - first,
  };
}

/** Stamps the moment at which a line appears in a host's log: the log itself knows whole seconds only. */
class LineWatch implements Disposable {
  seenMs: number | null = null;
  readonly #watcher: FSWatcher;

  constructor(host: Host, text: string) {
    const offset = host.log().length;
    this.#watcher = watch(host.outside('/var/log/ha-log'), () => {
      if (this.seenMs === null && host.log().slice(offset).includes(text)) this.seenMs = Date.now();
    });
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
