/** `systole status`: what the running daemon says of nodes, links and resources, as text, as JSON, once or continuously. */
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { adminRequest, hung, lostConnection, notPermitted } from '../admin-client.ts';
import { adminSocketPath } from '../directories.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

/** The part of the status that text needs; the daemon sends more (architecture: `systole status --json`). */
const statusShape = v.object({
  node: v.string(),
  status: v.string(),
  asOf: v.string(),
  nodes: v.array(
    v.object({
      name: v.string(),
      type: v.string(),
      status: v.string(),
      ageMs: v.optional(v.nullable(v.number())),
      links: v.array(v.object({ name: v.string(), status: v.string(), ageMs: v.optional(v.nullable(v.number())) })),
    }),
  ),
  resources: v.object({
    holding: v.string(),
    rscstatus: v.optional(v.string()),
    rebootRequired: v.optional(v.boolean()),
    fencing: v.optional(
      v.object({
        devices: v.array(v.object({ device: v.string(), status: v.string(), ageMs: v.nullable(v.number()) })),
        pending: v.nullable(
          v.object({ node: v.string(), sinceMs: v.number(), failures: v.number(), waitsFor: v.string() }),
        ),
      }),
    ),
    groups: v.array(
      v.object({
        owner: v.string(),
        resources: v.array(v.string()),
        running: v.boolean(),
        activity: v.optional(v.string()),
        records: v.optional(
          v.array(
            v.object({
              resource: v.string(),
              failures: v.number(),
              lastFailure: v.nullable(v.object({ action: v.string(), reason: v.string(), ageMs: v.number() })),
              operation: v.nullable(v.object({ action: v.string(), sinceMs: v.number(), limitMs: v.number() })),
            }),
          ),
        ),
      }),
    ),
  }),
  watchdog: v.optional(
    v.nullable(
      v.object({
        device: v.string(),
        status: v.string(),
        problem: v.nullable(v.string()),
        identity: v.nullable(v.string()),
        timeoutS: v.nullable(v.number()),
        ageMs: v.nullable(v.number()),
      }),
    ),
  ),
  plugins: v.optional(
    v.array(
      v.object({
        command: v.string(),
        status: v.string(),
        uptimeMs: v.nullable(v.number()),
        restarts: v.number(),
        lastExit: v.nullable(v.string()),
      }),
    ),
  ),
  process: v.optional(v.object({ pid: v.number(), uptimeMs: v.number(), realtime: v.optional(v.string()) })),
  notActive: v.optional(v.array(v.string())),
});

type Status = v.InferOutput<typeof statusShape>;
type RecordView = NonNullable<Status['resources']['groups'][number]['records']>[number];

export interface StatusOptions {
  readonly runDir: string;
  readonly json: boolean;
  /** Print again every second until interrupted. */
  readonly watch: boolean;
}

/** @returns 0 running, 1 the daemon does not answer properly, 3 not running, 4 not permitted */
export async function runStatus(options: StatusOptions, io: Io): Promise<ExitCode> {
  for (;;) {
    const code = await printOnce(options, io);
    // A node that is slow to answer, or just stopping, is worth watching on.
    if (!options.watch || (code !== exitCode.ok && code !== exitCode.general)) return code;
    await delay(1_000);
  }
}

async function printOnce(options: StatusOptions, io: Io): Promise<ExitCode> {
  const answer = await adminRequest(adminSocketPath(options.runDir), 'status', {}, 5_000);
  const trouble = (status: string, text: string, code: ExitCode): ExitCode => {
    if (options.json) io.out(`${JSON.stringify({ status, text })}\n`);
    else if (code === exitCode.notRunning) io.out(`${text}\n`);
    else io.err(`systole status: ${text}\n`);
    return code;
  };
  switch (answer.kind) {
    case 'not-running':
      return trouble('stopped', 'heartbeat is stopped. No process', exitCode.notRunning);
    case 'lost':
      return trouble('unknown', lostConnection, exitCode.general);
    case 'not-permitted':
      return trouble('not-permitted', notPermitted('ask', options.runDir), exitCode.permission);
    case 'no-answer':
      return trouble('no-answer', hung(options.runDir, answer.deadlineMs), exitCode.general);
    case 'refused':
      return trouble('unknown', answer.message, exitCode.general);
    case 'result': {
      const parsed = v.safeParse(statusShape, answer.result);
      if (!parsed.success) {
        const text = `the daemon's answer cannot be read, it may be of another version: ${v.summarize(parsed.issues)}`;
        return trouble('unknown', text, exitCode.general);
      }
      if (options.json) io.out(`${JSON.stringify(answer.result)}\n`);
      else io.out(`${options.watch && io.color ? '\x1b[H\x1b[2J' : ''}${renderStatus(parsed.output, io)}\n`);
      return exitCode.ok;
    }
  }
}

const paint = (io: Io, code: number, text: string): string => (io.color ? `\x1b[${code}m${text}\x1b[0m` : text);
const green = 32;
const red = 31;
const yellow = 33;
const dim = 2;

function stateColor(state: string): number {
  if (state === 'active' || state === 'up' || state === 'ping') return green;
  return state === 'dead' ? red : yellow;
}

/** An age as people read it: `85 ms`, `2.1 s`, `3 min`. */
function formatAge(ageMs: number): string {
  if (ageMs < 1_000) return `${Math.round(ageMs)} ms`;
  if (ageMs < 60_000) return `${(ageMs / 1_000).toFixed(1)} s`;
  return ageMs < 7_200_000 ? `${Math.round(ageMs / 60_000)} min` : `${(ageMs / 3_600_000).toFixed(1)} h`;
}

/** Lays columns out under each other; cells may hold colours, so widths are taken from the plain text. */
function table(rows: readonly (readonly { text: string; color?: number }[])[], io: Io): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.text.length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const padded = column === row.length - 1 ? cell.text : cell.text.padEnd(widths[column] ?? 0);
          return cell.color === undefined ? padded : paint(io, cell.color, padded);
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}

/** What a group does here (`GroupActivity`), for people. */
const groupWords: Readonly<Record<string, { readonly text: string; readonly color: number }>> & {
  readonly idle: { readonly text: string; readonly color: number };
} = {
  idle: { text: 'not here', color: yellow },
  claimed: { text: 'being started here', color: yellow },
  held: { text: 'running here', color: green },
  releasing: { text: 'being stopped here', color: yellow },
  failed: { text: 'failed: could not be started here, see the log', color: red },
  stuck: { text: 'STUCK: could not be stopped here, see the log', color: red },
};

/** What is known of a fencing device, for people. */
const deviceWords: Readonly<Record<string, { readonly text: string; readonly color: number }>> & {
  readonly unknown: { readonly text: string; readonly color: number };
} = {
  unknown: { text: 'not asked yet', color: yellow },
  ok: { text: 'works', color: green },
  failed: { text: 'FAILED: a dead node could not be fenced with it, see the log', color: red },
};

/** The whole status as text. Every fact carries its age, so that an old one cannot pass for a new one. */
function renderStatus(status: Status, io: Io): string {
  const heading = `${status.node} is ${paint(io, stateColor(status.status), status.status)}, holding ${status.resources.holding}${
    status.resources.rscstatus === 'transition' ? ' (in transition)' : ''
  }`;
  const running = status.process
    ? `, pid ${status.process.pid}, up ${formatAge(status.process.uptimeMs)}${status.process.realtime === undefined ? '' : `, ${status.process.realtime}`}`
    : '';
  const nodeRows = status.nodes.flatMap((node) => [
    [
      { text: node.name },
      { text: node.type === 'ping' ? 'ping node' : 'node', color: dim },
      { text: node.status, color: stateColor(node.status) },
      { text: node.name === status.node ? 'this node' : heard(node.ageMs), color: dim },
    ],
    ...node.links.map((link) => [
      { text: `  ${link.name}` },
      { text: 'link', color: dim },
      { text: link.status, color: stateColor(link.status) },
      { text: heard(link.ageMs), color: dim },
    ]),
  ]);
  const groupRows = status.resources.groups.map((group) => {
    const { text, color } = groupWords[group.activity ?? (group.running ? 'held' : 'idle')] ?? groupWords.idle;
    return [{ text: group.resources.join(' ') }, { text: `prefers ${group.owner}`, color: dim }, { text, color }];
  });
  const workRows = status.resources.groups.flatMap((group) => (group.records ?? []).flatMap(recordRows));
  const fencing = status.resources.fencing ?? { devices: [], pending: null };
  const deviceRows = fencing.devices.map(({ device, status: state, ageMs }) => {
    const { text, color } = deviceWords[state] ?? deviceWords.unknown;
    return [
      { text: device },
      { text, color },
      { text: ageMs === null ? 'never asked' : `asked ${formatAge(ageMs)} ago`, color: dim },
    ];
  });
  const pluginRows = (status.plugins ?? []).map(({ command, status: state, uptimeMs, restarts, lastExit }) => [
    { text: command },
    { text: state, color: state === 'down' ? red : stateColor(state) },
    { text: uptimeMs === null ? '' : `up ${formatAge(uptimeMs)}`, color: dim },
    { text: `${restarts} restarts${lastExit === null ? '' : `, last ended by ${lastExit}`}`, color: dim },
  ]);
  const remarks = [
    ...(fencing.pending === null
      ? []
      : [
          paint(
            io,
            red,
            `FENCING of ${fencing.pending.node} for ${formatAge(fencing.pending.sinceMs)} (${fencing.pending.failures} failures): ${fencing.pending.waitsFor}`,
          ),
          '',
        ]),
    ...(status.resources.rebootRequired === true
      ? [
          paint(io, red, 'REBOOT REQUIRED: a resource could not be stopped; nothing more is acquired here until then'),
          '',
        ]
      : []),
    ...(status.notActive === undefined || status.notActive.length === 0
      ? []
      : [`not active in this version: ${[...new Set(status.notActive)].join(', ')}`, '']),
  ];
  return [
    `${heading}${running}`,
    '',
    'nodes and links',
    table(nodeRows, io),
    '',
    'resource groups',
    groupRows.length === 0 ? '  none' : table(groupRows, io),
    '',
    ...(workRows.length === 0 ? [] : ['operations and failures', table(workRows, io), '']),
    ...(status.watchdog === undefined || status.watchdog === null
      ? []
      : ['watchdog', table([watchdogRow(status.watchdog)], io), '']),
    ...(deviceRows.length === 0 ? [] : ['fencing devices', table(deviceRows, io), '']),
    ...(pluginRows.length === 0 ? [] : ['plugins', table(pluginRows, io), '']),
    ...remarks,
    paint(io, dim, `as of ${status.asOf}`),
  ].join('\n');
}

/** Only what an operator has to look at: an operation that takes its time, and what has failed. */
function recordRows({ resource, failures, lastFailure, operation }: RecordView): { text: string; color: number }[][] {
  return [
    ...(operation === null || operation.sinceMs < 1_000
      ? []
      : [
          cells(
            resource,
            operation.action,
            `${operation.action} runs for ${formatAge(operation.sinceMs)}, is killed after ${formatAge(operation.limitMs)}`,
            yellow,
          ),
        ]),
    ...(lastFailure === null
      ? []
      : [
          cells(
            resource,
            `${failures} ${failures === 1 ? 'failure' : 'failures'}`,
            `${lastFailure.action} ${formatAge(lastFailure.ageMs)} ago: ${lastFailure.reason}`,
            red,
          ),
        ]),
  ];
}

function cells(name: string, kind: string, text: string, color: number): { text: string; color: number }[] {
  return [
    { text: name, color: dim },
    { text: kind, color: dim },
    { text, color },
  ];
}

function watchdogRow(view: NonNullable<Status['watchdog']>): { text: string; color?: number }[] {
  const name = `${view.device}${view.identity === null ? '' : ` (${view.identity})`}`;
  if (view.status === 'armed')
    return [
      { text: name },
      { text: `armed${view.timeoutS === null ? '' : `, ${view.timeoutS} s`}`, color: green },
      { text: view.ageMs === null ? '' : `kicked ${formatAge(view.ageMs)} ago`, color: dim },
    ];
  return [
    { text: name },
    { text: view.status === 'failed' ? 'NOT PROTECTING' : view.status, color: view.status === 'failed' ? red : yellow },
    { text: view.problem ?? '', color: red },
  ];
}

function heard(ageMs: number | null | undefined): string {
  if (ageMs === undefined) return '';
  return ageMs === null ? 'never heard' : `heard ${formatAge(ageMs)} ago`;
}
