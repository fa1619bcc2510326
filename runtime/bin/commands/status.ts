/** `systole status`: what the running daemon says of nodes, links and resources, as text, as JSON, once or continuously. */
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { adminRequest } from '../admin-client.ts';
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
    transition: v.optional(v.boolean()),
    groups: v.array(
      v.object({
        owner: v.string(),
        resources: v.array(v.string()),
        running: v.boolean(),
        state: v.optional(v.string()),
      }),
    ),
  }),
  process: v.optional(v.object({ pid: v.number(), uptimeMs: v.number(), realtime: v.optional(v.string()) })),
});

type Status = v.InferOutput<typeof statusShape>;

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
    if (!options.watch || code !== exitCode.ok) return code;
    await delay(1_000);
  }
}

async function printOnce(options: StatusOptions, io: Io): Promise<ExitCode> {
  const answer = await adminRequest(adminSocketPath(options.runDir), 'status', {}, 5_000);
  switch (answer.kind) {
    case 'not-running':
      if (options.json) io.out('{"status":"stopped"}\n');
      else io.out('heartbeat is stopped. No process\n');
      return exitCode.notRunning;
    case 'not-permitted':
      io.err(`systole status: you may not ask this node: run it as the user that owns ${options.runDir}\n`);
      return exitCode.permission;
    case 'no-answer':
      io.err(
        `systole status: the daemon holds its socket but has not answered within ${answer.deadlineMs / 1000} s: it hangs, or the machine does\n`,
      );
      return exitCode.general;
    case 'refused':
      io.err(`systole status: ${answer.message}\n`);
      return exitCode.general;
    case 'result':
      if (options.json) {
        io.out(`${JSON.stringify(answer.result)}\n`);
        return exitCode.ok;
      }
      io.out(
        `${options.watch && io.color ? '\x1b[H\x1b[2J' : ''}${renderStatus(v.parse(statusShape, answer.result), io)}\n`,
      );
      return exitCode.ok;
  }
}

const paint = (io: Io, code: number, text: string): string => (io.color ? `\x1b[${code}m${text}\x1b[0m` : text);
const green = 32;
const red = 31;
const yellow = 33;
const dim = 2;

function stateColor(state: string): number {
  if (state === 'active' || state === 'up' || state === 'ping' || state === 'running') return green;
  return state === 'dead' || state === 'failed' || state === 'stuck' ? red : yellow;
}

/** An age as people read it: `85 ms`, `2.1 s`, `3 min`. */
export function formatAge(ageMs: number): string {
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

/** The whole status as text. Every fact carries its age, so that an old one cannot pass for a new one. */
export function renderStatus(status: Status, io: Io): string {
  const heading = `${status.node} is ${paint(io, stateColor(status.status), status.status)}, holding ${status.resources.holding}${
    status.resources.transition === true ? ' (in transition)' : ''
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
    const state = group.state ?? (group.running ? 'running' : 'not here');
    return [
      { text: group.resources.join(' ') },
      { text: `prefers ${group.owner}`, color: dim },
      {
        text: group.running ? 'running here' : state,
        color: group.running ? green : stateColor(state === 'not here' ? '' : state),
      },
    ];
  });
  return [
    `${heading}${running}`,
    '',
    'nodes and links',
    table(nodeRows, io),
    '',
    'resource groups',
    groupRows.length === 0 ? '  none' : table(groupRows, io),
    '',
    paint(io, dim, `as of ${status.asOf}`),
  ].join('\n');
}

function heard(ageMs: number | null | undefined): string {
  if (ageMs === undefined) return '';
  return ageMs === null ? 'never heard' : `heard ${formatAge(ageMs)} ago`;
}
