/**
 * A Systole node on 127.0.0.x, without root.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { adminRequest } from '../../runtime/bin/admin-client.ts';
import { daemonCommand } from '../../runtime/bin/commands/start.ts';
import { adminSocketPath } from '../../runtime/bin/directories.ts';

/** Directives as they are written in ha.cf. */
export interface Times {
  readonly keepalive: string;
  readonly deadtime: string;
  readonly initdead: string;
}

export interface LoopbackNode {
  readonly runDir: string;
  readonly process: ChildProcess;
  readonly spawnedMs: number;
}

/** CLOCK_MONOTONIC, as the nodes tell it [ms]. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** What a node has beside its heartbeats. */
export interface NodeExtras {
  /** Further lines of ha.cf. */
  readonly directives?: readonly string[];
  readonly haresources?: string;
  /** Resource scripts by name. */
  readonly scripts?: Readonly<Record<string, string>>;
}

/** A node on 127.0.0.`me` that beats to 127.0.0.`peer`; two media lines stand for two networks when `media` is 2. */
export function startNode(
  root: string,
  port: number,
  me: number,
  peer: number,
  media: 1 | 2,
  times: Times,
  extras: NodeExtras = {},
): LoopbackNode {
  const dir = join(root, `node${me}`);
  const configDir = join(dir, 'ha.d');
  for (const sub of [configDir, join(dir, 'state'), join(dir, 'run')]) mkdirSync(sub, { recursive: true });
  const mediumLines = [`ucast lo 127.0.0.${peer}`, ...(media === 2 ? ['mcast lo 239.77.0.1 694 1 1'] : [])];
  writeFileSync(
    join(configDir, 'ha.cf'),
    [
      `logfile ${dir}/ha-log`,
      `keepalive ${times.keepalive}`,
      `deadtime ${times.deadtime}`,
      `initdead ${times.initdead}`,
      `udpport ${port}`,
      `bindaddr 127.0.0.${me}`,
      ...mediumLines.map((line) => line.replace(' 694 ', ` ${port + 1} `)),
      'auto_failback on',
      // A benchmark must never restart the machine that it runs on.
      'stop_failure hold',
      'node node1 node2',
      ...(extras.directives ?? []),
      '',
    ].join('\n'),
  );
  writeFileSync(join(configDir, 'haresources'), extras.haresources ?? '# no resources\n');
  mkdirSync(join(configDir, 'resource.d'), { recursive: true });
  for (const [name, text] of Object.entries(extras.scripts ?? {}))
    writeFileSync(join(configDir, 'resource.d', name), text, { mode: 0o755 });
  writeFileSync(join(configDir, 'authkeys'), 'auth 1\n1 sha1 benchmark\n', { mode: 0o600 });
  writeFileSync(join(configDir, 'nodeinfo'), `node${me}\n`);
  const command = daemonCommand({
    configDir,
    stateDir: join(dir, 'state'),
    runDir: join(dir, 'run'),
    foreground: true,
    logFormat: 'text',
  });
  const spawnedMs = monotonicMs();
  const child = spawn(command.file, command.args, { env: command.env, stdio: 'ignore' });
  return { runDir: join(dir, 'run'), process: child, spawnedMs };
}

export async function endNode(node: LoopbackNode, signal: NodeJS.Signals): Promise<void> {
  if (node.process.exitCode !== null || node.process.signalCode !== null) return;
  const gone = new Promise((resolve) => node.process.once('exit', resolve));
  node.process.kill(signal);
  await gone;
}

/** Waits until a node says of itself or of its peer that it is `wanted`. Throws when that takes longer than half a minute. */
export async function waitForStatus(node: LoopbackNode, wanted: string): Promise<void> {
  const deadlineMs = monotonicMs() + 30_000;
  while (monotonicMs() < deadlineMs) {
    const answer = await adminRequest(adminSocketPath(node.runDir), 'status', {}, 2_000);
    if (answer.kind === 'result' && JSON.stringify(answer.result).includes(`"status":"${wanted}"`)) return;
    await delay(20);
  }
  throw new Error(`a node did not become ${wanted} within 30 s`);
}
