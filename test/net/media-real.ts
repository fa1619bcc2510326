/** What the tests of single media beside the real heartbeat share: one Systole node and one real node, and what the real one may say. */
import { expect } from 'vitest';
import { adminRequest } from '../../runtime/bin/admin-client.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';
import type { Host } from './lab/host.ts';
import type { Lab } from './lab/lab.ts';
import type { LabProcess } from './lab/process.ts';
import { eventually } from './lab/wait.ts';

/** Times of these clusters' ha.cf [ms]. The real program reacts at its next tick of 500 ms, so it is given time. */
export const times = { keepaliveMs: 250, deadtimeMs: 3_000, deadpingMs: 2_000, initdeadMs: 60_000 } as const;
/** Contact, and the real one's negotiation, on a machine with other work [ms]. */
const activeWithinMs = 90_000;
/** Two noisy cores with other work [ms]. */
export const slackMs = 15_000;

/** An ha.cf for both programs. @param media the lines of the media */
export function haCf(media: string): string {
  return `logfile /var/log/ha-log
logfacility none
keepalive ${times.keepaliveMs}ms
warntime ${times.deadtimeMs / 2}ms
deadtime ${times.deadtimeMs}ms
deadping ${times.deadpingMs}ms
initdead ${times.initdeadMs}ms
auto_failback on
${media}
node node1
node node2
`;
}

interface StatusLink {
  readonly name: string;
  readonly status: string;
}

interface StatusNode {
  readonly name: string;
  readonly type: string;
  readonly status: string;
  readonly links: readonly StatusLink[];
  readonly generation: number;
  readonly missing: number;
  readonly counters: {
    readonly lost: number;
    readonly rexmitAsked: number;
    readonly rexmitAnswered: number;
    readonly dropped: Readonly<Record<string, number>>;
  };
}

export interface Status {
  readonly status: string;
  readonly nodes: readonly StatusNode[];
  /** Messages that no known node can have sent, by reason. */
  readonly droppedStrangers: Readonly<Record<string, number>>;
  readonly media: readonly {
    readonly link: string;
    readonly kind: string;
    readonly received: number;
    readonly dropped: Readonly<Record<string, number>>;
  }[];
}

/** What `systole status --json` says on a host, asked over the same socket without a process for each question. */
export async function statusOf(host: Host): Promise<Status> {
  const answer = await adminRequest(adminSocketPath(host.outside('/run/heartbeat')), 'status', {}, 10_000);
  if (answer.kind !== 'result') throw new Error(`systole status: ${JSON.stringify(answer)}`);
  return answer.result as Status;
}

export function nodeOf(status: Status, name: string): StatusNode {
  const node = status.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`no node ${name} in ${JSON.stringify(status)}`);
  return node;
}

/** Waits until Systole (`daemon`) on `systole` and the real heartbeat on `real` see both nodes active. */
export async function bothActive(lab: Lab, daemon: LabProcess, systole: string, real: string): Promise<void> {
  await eventually(
    async () => {
      if (!daemon.running)
        throw new Error(`Systole has ended: ${daemon.stderr}${lab.host(systole).log().slice(-2_000)}`);
      const status = await statusOf(lab.host(systole));
      const seen = await Promise.all(['node1', 'node2'].map((name) => lab.host(real).clStatus('nodestatus', name)));
      const states = [
        ...['node1', 'node2'].map((name) => nodeOf(status, name).status),
        ...seen.map(({ answer }) => answer),
      ];
      if (states.some((state) => state !== 'active')) throw new Error(states.join(' '));
      return true;
    },
    { what: 'both nodes to be active on both sides', timeoutMs: activeWithinMs, intervalMs: 250 },
  );
}

/** Complaints of a real heartbeat that come from the machine of the laboratory, not from its peer. */
const homemade = [
  /Cannot lock ourselves into memory/,
  /Core dumps|core_pattern|core_uses_pid/,
  /Logging daemon is disabled/,
  /No Previous generation/,
  /Initial dead time|should be >= deadtime/,
  // A machine with other work.
  /Gmain_timeout_dispatch/,
  /Late heartbeat/,
];

/** The lines in which a real heartbeat complains. @param fromOffset skips that much of the log */
export function complaints(host: Host, fromOffset = 0): readonly string[] {
  return host
    .log()
    .slice(fromOffset)
    .split('\n')
    .filter((line) => /\b(WARN|ERROR|CRIT|EMERG)\b|lost packet|replay|bad /.test(line))
    .filter((line) => !homemade.some((pattern) => pattern.test(line)));
}

/** Waits until both have exchanged so many more messages over a link of Systole's, and looks that the real one has not complained. */
export async function quietFor(lab: Lab, systole: string, real: string, link: string, messages: number): Promise<void> {
  const received = async (): Promise<number> => {
    const { media } = await statusOf(lab.host(systole));
    return media.find((medium) => medium.link === link)?.received ?? 0;
  };
  const before = await received();
  await eventually(async () => (await received()) >= before + messages, {
    what: `${messages} more messages over ${link}`,
    timeoutMs: 4 * messages * times.keepaliveMs + slackMs,
    intervalMs: 500,
  });
  expect(complaints(lab.host(real))).toEqual([]);
}
