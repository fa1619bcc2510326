/**
 * One Systole node and one real Heartbeat 3.0.6 on one medium with one way to sign: they find each other, are watched for a while, and each
 * loses the other one and welcomes it back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { eventually, within } from './lab/wait.ts';
import { bothActive, complaints, nodeOf, slackMs, statusOf } from './media-real.ts';

export const media = ['bcast', 'ucast', 'mcast', 'serial', 'ucast6', 'mcast6'] as const;
export const methods = ['crc', 'md5', 'sha1'] as const;
export const formats = ['classic', 'netstring'] as const;

export interface Combination {
  readonly medium: (typeof media)[number];
  readonly method: (typeof methods)[number];
  readonly msgfmt: (typeof formats)[number];
}

/** All of them, the media in turn, so that neighbours differ. */
export const everyCombination: readonly Combination[] = methods.flatMap((method) =>
  formats.flatMap((msgfmt) => media.map((medium) => ({ medium, method, msgfmt }))),
);

export interface PairReport {
  readonly combination: string;
  /** What went wrong; empty when all is well. */
  readonly problems: readonly string[];
  /** Messages that Systole took from the real one while both were watched. */
  readonly received: number;
  readonly tookMs: number;
}

/** ha.cf of these pairs [ms]. Many pairs share two cores: a late beat is no finding here, a death is. */
const times = { keepaliveMs: 500, warntimeMs: 5_000, deadtimeMs: 6_000, initdeadMs: 60_000 } as const;

/** What the real one has to say of a peer that was really killed. */
const ofKilledPeer = [
  /node node1: is dead/,
  /No STONITH device configured/,
  /Shared disks are not protected/,
  // With msgfmt netstring its script mach_down does not reach it, and it takes itself for taking over until the peer is back
  // (two real ones say the same).
  /T_STARTING received during takeover/,
];
/** What Systole has to say of a weak key, of a real one that is starting (it sends a few numbers out of order), and of one that was killed. */
const ofReal = [
  /crc is a checksum and no signature/,
  /this process stood still for \d+ ms/,
  /1 lost packet\(s\) for \[node2\]/,
  /node node2: is dead/,
  /No STONITH device configured/,
  /Shared disks are not protected/,
];

/**
 * Takes one pair through its life.
 *
 * @param observeMs how long both are watched while all is well [ms]
 * @param starts    lets a start happen when the machine has room for it: many at once would make each other late
 */
export async function exercise(combination: Combination, observeMs: number, starts: Gate): Promise<PairReport> {
  const startedMs = performance.now();
  const problems: string[] = [];
  let received = 0;
  try {
    await using lab = await Lab.create();
    received = await live(lab, combination, observeMs, starts, problems);
  } catch (error) {
    problems.push(String(error));
  }
  const { medium, method, msgfmt } = combination;
  return {
    combination: `${medium} ${method} ${msgfmt}`,
    problems,
    received,
    tookMs: Math.round(performance.now() - startedMs),
  };
}

async function live(
  lab: Lab,
  combination: Combination,
  observeMs: number,
  starts: Gate,
  problems: string[],
): Promise<number> {
  const [ours, real] = [lab.host('node1'), lab.host('node2')];
  const lines = await mediumLines(lab, combination.medium);
  const key = combination.method === 'crc' ? '' : ' a-key-of-the-matrix';
  for (const [index, host] of lab.hosts.entries()) {
    host.configure({
      haCf: haCf(lines[index] ?? '', combination.msgfmt),
      haresources: '',
      authkeys: `auth 1\n1 ${combination.method}${key}\n`,
    });
  }
  let daemon = await starts(async () => {
    const started = ours.startSystole();
    await real.startHeartbeat();
    await bothActive(lab, started, 'node1', 'node2');
    return started;
  });
  problems.push(...differences(ours, real));

  const before = await heardFrom(ours);
  await delay(observeMs);
  const received = (await heardFrom(ours)) - before;
  if (received < (0.8 * observeMs) / times.keepaliveMs) problems.push(`only ${received} messages in ${observeMs} ms`);
  problems.push(...complaints(real), ...unusual(ours, 0, ofReal.slice(0, 3)));

  let offset = real.log().length;
  await killed(daemon);
  await real.waitForLog(/WARN: node node1: is dead/, { fromOffset: offset, timeoutMs: times.deadtimeMs + slackMs });
  // It complains of a peer that starts before it has done with the old one's death.
  await real.waitForLog(/mach_down takeover complete for node node1/, { fromOffset: offset, timeoutMs: 2 * slackMs });
  daemon = await starts(async () => {
    const started = ours.startSystole();
    await bothActive(lab, started, 'node1', 'node2');
    return started;
  });
  problems.push(...unusual(real, offset, ofKilledPeer));

  offset = ours.log().length;
  real.killHeartbeat();
  await eventually(async () => nodeOf(await statusOf(ours), 'node2').status === 'dead', {
    what: 'node2 to be dead for Systole',
    timeoutMs: times.deadtimeMs + slackMs,
    intervalMs: 250,
  });
  if (combination.medium === 'serial') {
    // A pseudo-terminal keeps what nobody reads; a serial port that is not open hears nothing.
    const end = /serial (\S+)/.exec(lines[1] ?? '')?.[1] ?? '';
    await real.exec(['timeout', '3', 'cat', end]);
  }
  const second = real.log().length;
  await starts(async () => {
    await real.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');
  });
  problems.push(...complaints(real, second));
  problems.push(...unusual(ours, offset, ofReal));
  const { missing } = nodeOf(await statusOf(ours), 'node2');
  if (missing > 0) problems.push(`${missing} messages of node2 are still missing`);
  return received;
}

/** The media lines of node1 and node2. */
async function mediumLines(lab: Lab, medium: Combination['medium']): Promise<readonly string[]> {
  const [first, second] = lab.hosts.map((host) => host.attachment());
  if (first === undefined || second === undefined) throw new Error('a pair has two hosts');
  switch (medium) {
    case 'bcast':
      return ['bcast eth0', 'bcast eth0'];
    case 'ucast':
      return [`ucast eth0 ${second.address}`, `ucast eth0 ${first.address}`];
    case 'mcast':
      return ['mcast eth0 239.0.0.42 694 1 0', 'mcast eth0 239.0.0.42 694 1 0'];
    case 'ucast6':
      return [`ucast6 eth0 ${second.address6}`, `ucast6 eth0 ${first.address6}`];
    case 'mcast6':
      return ['mcast6 eth0 ff12::42 694 1 0', 'mcast6 eth0 ff12::42 694 1 0'];
    case 'serial':
      return (await lab.nullModem()).ends.map((end) => `baud 115200\nserial ${end}`);
  }
}

function haCf(mediumText: string, msgfmt: Combination['msgfmt']): string {
  return `logfile /var/log/ha-log
logfacility none
keepalive ${times.keepaliveMs}ms
warntime ${times.warntimeMs}ms
deadtime ${times.deadtimeMs}ms
initdead ${times.initdeadMs}ms
auto_failback on
msgfmt ${msgfmt}
${mediumText}
node node1
node node2
`;
}

function unusual(host: Host, fromOffset: number, usual: readonly RegExp[]): readonly string[] {
  return complaints(host, fromOffset).filter((line) => !usual.some((pattern) => pattern.test(line)));
}

/** What the two said of their medium when it was opened: the same words, but for the address or the line of the other one. */
function differences(ours: Host, real: Host): readonly string[] {
  const [mine, theirs] = [ours, real].map((host) =>
    [...host.log().matchAll(/ (\w+: glib: .*)$/gm)]
      .map(([, line = '']) => line.replace(/fd77:1::\d|10\.77\.0\.\d|\/dev\/pts\/\d+/g, 'PEER'))
      // The original's parent process closes its copy of the socket.
      .filter((line) => !line.includes('heartbeat closed on port'))
      .join('\n'),
  );
  return mine === theirs ? [] : [`the logs of the medium differ:\n${mine}\nthe real one's:\n${theirs}`];
}

async function heardFrom(host: Host): Promise<number> {
  const { media: heard } = await statusOf(host);
  return heard.reduce((sum, medium) => sum + medium.received, 0);
}

async function killed(daemon: LabProcess): Promise<void> {
  await daemon.signal('SIGKILL');
  await within(daemon.exited, slackMs, 'Systole to be killed');
}

/** Runs a task when its turn has come. */
export type Gate = <T>(task: () => Promise<T>) => Promise<T>;

/** Lets so many tasks run at a time, in the order of their asking. */
export function gate(width: number): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= width) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      // Whoever waits takes over the place.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
