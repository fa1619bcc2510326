/**
 * A host of a lab as a cluster node: its configuration, Systole or the real heartbeat on it, its logs and its stand-in services.
 */

import { Machine } from './machine.ts';
import type { ExecResult, LabProcess } from './process.ts';
import { parseServiceLog, type ServiceLogEntry } from './service-log.core.ts';
import { systoleCommand } from './systole-command.ts';
import { eventually } from './wait.ts';

/** A node's files in /etc/ha.d. What is missing is left as it is. */
export interface NodeConfig {
  readonly haCf?: string;
  readonly haresources?: string;
  /** Default: one sha1 key that all hosts of all labs share. */
  readonly authkeys?: string;
  /** Scripts by name for resource.d, executable; `service` is there already. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Event scripts by name for rc.d, executable. */
  readonly eventScripts?: Readonly<Record<string, string>>;
}

export interface LogWaitOptions {
  /** Deadline [ms], default 10 000. */
  readonly timeoutMs?: number;
  /** Which log under /var/log, default `ha-log`. */
  readonly file?: string;
  /** Skip this many characters (an earlier {@link Host.log} `.length`), so that only what comes later counts. */
  readonly fromOffset?: number;
}

const defaultAuthkeys = 'auth 1\n1 sha1 laboratory\n';
const heartbeatProgram = '/usr/libexec/heartbeat/heartbeat';
/** Every process of the real program has this short name. */
const heartbeatName = 'heartbeat';

export class Host extends Machine {
  /** Writes the node's configuration, for Systole and the real heartbeat alike; authkeys with mode 0600. */
  configure(config: NodeConfig): void {
    if (config.haCf !== undefined) this.writeFile('/etc/ha.d/ha.cf', config.haCf);
    if (config.haresources !== undefined) this.writeFile('/etc/ha.d/haresources', config.haresources);
    if (config.authkeys !== undefined || !this.exists('/etc/ha.d/authkeys')) {
      this.writeFile('/etc/ha.d/authkeys', config.authkeys ?? defaultAuthkeys, 0o600);
    }
    for (const [name, text] of Object.entries(config.scripts ?? {}))
      this.writeFile(`/etc/ha.d/resource.d/${name}`, text, 0o755);
    for (const [name, text] of Object.entries(config.eventScripts ?? {}))
      this.writeFile(`/etc/ha.d/rc.d/${name}`, text, 0o755);
  }

  /**
   * Starts Systole in the foreground, as root, with its default directories.
   *
   * @param args further arguments of `systole start`
   */
  startSystole(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): LabProcess {
    return this.spawn(systoleCommand(['start', '--foreground', ...args]), { env, stdin: '' });
  }

  /** Runs `systole` with these arguments to its end (`status --json`, `standby`, `stop`). */
  async systole(args: readonly string[], timeoutMs = 30_000): Promise<ExecResult> {
    return this.exec(systoleCommand(args), { timeoutMs });
  }

  /** Starts the real heartbeat, which puts itself in the background. @throws Error with its output when it refuses to start */
  async startHeartbeat(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<void> {
    // The daemons keep the output they are given, so it goes to a file: a pipe would never end.
    const script = `exec "$0" "$@" >/var/log/heartbeat.out 2>&1`;
    const result = await this.exec(['sh', '-c', script, heartbeatProgram, ...args], { env });
    if (result.code !== 0) {
      throw new Error(`heartbeat on ${this.name}: exit code ${result.code}: ${this.log('heartbeat.out').trim()}`);
    }
  }

  /** Stops the real heartbeat gracefully and waits until it has gone. @param timeoutMs default 30 000 */
  async stopHeartbeat(timeoutMs = 30_000): Promise<void> {
    await this.run(['sh', '-c', `exec "$0" -k >/var/log/heartbeat.out 2>&1`, heartbeatProgram], { timeoutMs });
    await eventually(() => !this.heartbeatRunning(), { what: `heartbeat on ${this.name} to end`, timeoutMs });
  }

  /** SIGKILL for all processes of the real heartbeat at once; what they started (services, addresses) stays. @returns when [epoch ms] */
  killHeartbeat(): number {
    const atMs = Date.now();
    if (this.signalAll(heartbeatName, 'SIGKILL') === 0) throw new Error(`no heartbeat runs on ${this.name}`);
    return atMs;
  }

  heartbeatRunning(): boolean {
    return this.processes().some((entry) => entry.name === heartbeatName);
  }

  /** Runs `cl_status` with these arguments; its answer without the line end, and its exit code. */
  async clStatus(...args: readonly string[]): Promise<{ readonly code: number | null; readonly answer: string }> {
    const { code, stdout } = await this.exec(['cl_status', ...args]);
    return { code, answer: stdout.trim() };
  }

  /** A log file under /var/log as text; empty when there is none yet. */
  log(file = 'ha-log'): string {
    return this.readFile(`/var/log/${file}`);
  }

  /** Waits for a line in a log; returns the first match. @throws WaitTimeoutError with the log's last lines */
  async waitForLog(pattern: RegExp, options: LogWaitOptions = {}): Promise<RegExpExecArray> {
    const file = options.file ?? 'ha-log';
    const look = (): RegExpExecArray => {
      const text = this.log(file).slice(options.fromOffset ?? 0);
      const match = new RegExp(pattern.source, pattern.flags.replace('g', '')).exec(text);
      if (match === null) throw new Error(`it ends with:\n${text.split('\n').slice(-15).join('\n')}`);
      return match;
    };
    const what = `${pattern} in ${file} of ${this.name}`;
    return eventually(look, { what, timeoutMs: options.timeoutMs ?? 10_000, intervalMs: 20 });
  }

  /** The stand-in service of that name (haresources: `service::NAME`). */
  service(name: string): StandInService {
    return new StandInService(this, name);
  }

  /** Every call of the stand-in service script on this host since the lab began. */
  serviceLog(): readonly ServiceLogEntry[] {
    return parseServiceLog(this.log('service.log'));
  }

  /** The IP addresses on the host's devices, fixed ones included, without lengths. */
  async addresses(): Promise<readonly string[]> {
    const listing = await this.run(['ip', '-o', 'address', 'show']);
    return [...listing.matchAll(/inet6? ([0-9a-f.:]+)\//g)].map((match) => match[1] ?? '');
  }
}

/** A service that is only a state file, and can be told to misbehave. The orders are in /run: a reboot forgets them. */
export class StandInService {
  readonly name: string;
  readonly #host: Machine;

  constructor(host: Machine, name: string) {
    this.#host = host;
    this.name = name;
  }

  /** Whether the state file is there. */
  running(): boolean {
    return this.#host.exists(`/run/service.${this.name}`);
  }

  /** From now on this action fails with exit code 1, or succeeds again. */
  fail(action: 'start' | 'stop', failing = true): void {
    const path = `/run/service.${this.name}.fail${action}`;
    if (failing) this.#host.writeFile(path, '');
    else this.#host.removeFile(path);
  }

  /** From now on this action waits first. @param seconds 0 ends it */
  slow(action: 'start' | 'stop', seconds: number): void {
    const path = `/run/service.${this.name}.slow${action}`;
    if (seconds > 0) this.#host.writeFile(path, String(seconds));
    else this.#host.removeFile(path);
  }
}
