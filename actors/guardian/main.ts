/**
 * The guardian: a small process beside the daemon that runs its scripts, and that stops what the daemon held when the daemon dies.
 *
 * It is started by {@link GuardianClient} in a session of its own and knows the daemon by the pipe on its standard input. It keeps to few
 * modules, since it costs memory on every node all the time; what only a release needs is loaded then.
 */
import { spawn } from 'node:child_process';
import type { AddressScript } from '../../plugins/agents/agent.ts';
import { Heart } from '../heart.ts';
import { Inventory } from './inventory.core.ts';
import { Ledger } from './ledger.ts';
import { type Operation, startOperation } from './operation.ts';
import {
  encodeLine,
  type FromGuardian,
  type HeldResource,
  LineReader,
  type PulseOrder,
  type ToGuardian,
} from './protocol.ts';
import { judgePulse } from './pulse-watch.core.ts';
import { releaseHeld } from './release.ts';

type Hello = Extract<ToGuardian, { type: 'hello' }>;
type LogLine = (severity: 'info' | 'ERROR' | 'CRIT', text: string) => void;

const inventory = new Inventory();
const operations = new Map<number, Operation>();
const reader = new LineReader<ToGuardian>();
let hello: Hello | null = null;
let ledger: Ledger | null = null;
let ending = false;
let seized = false;
/** The release that a frozen daemon has caused. */
let releasing: Promise<readonly string[]> = Promise.resolve([]);

process.title = 'systole: guardian';
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (inventory.size === 0 && operations.size === 0 && !ending) process.exit(0);
  });
}
// The daemon may be gone while we answer it: its end of the pipe tells us, not the failed write.
process.stdout.on('error', () => undefined);
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  for (const message of reader.take(chunk)) onMessage(message);
});
process.stdin.on('error', daemonDied);
process.stdin.on('end', daemonDied);

function onMessage(message: ToGuardian): void {
  switch (message.type) {
    case 'hello':
      hello = message;
      for (const resource of message.held) hold(resource);
      if (message.pulse !== null) watchPulse(message.pulse);
      say({ type: 'ready' });
      return;
    case 'run':
      // What a daemon wants that has just woken waits: two stops of one resource must not meet.
      if (seized) void releasing.then(() => run(message));
      else run(message);
      return;
    case 'hold':
      hold(message.resource);
      return;
    case 'drop':
      inventory.drop(message.id);
      return;
    case 'reboot':
      void forceReboot();
      return;
    case 'bye':
      ending = true;
      process.exit(0);
  }
}

function hold(resource: HeldResource): void {
  inventory.hold(resource);
  // Loaded while all is well, not in the emergency.
  if (resource.kind === 'address') void addressAgents();
}

/** What the daemon was about to start when it died or froze. Some of it may have come through the pipe as well. */
function readLedger(): void {
  for (const message of new LineReader<ToGuardian>().take(ledger?.read() ?? ''))
    if (message.type === 'hold') hold(message.resource);
}

function run(message: Extract<ToGuardian, { type: 'run' }>): void {
  const environment = { ...hello?.environment, ...message.environment };
  const operation = startOperation(message.path, message.args, environment, message.timeoutMs, message.input);
  if (operation.pid !== undefined) {
    operations.set(message.id, operation);
    say({ type: 'started', id: message.id, pid: operation.pid });
  }
  void answer(message.id, operation);
}

async function answer(id: number, operation: Operation): Promise<void> {
  const result = await operation.result;
  operations.delete(id);
  say({ type: 'result', id, ...result });
}

function say(message: FromGuardian): void {
  if (!ending) process.stdout.write(encodeLine(message));
}

/** The pipe closed without a `bye`. */
function daemonDied(): void {
  if (ending) return;
  ending = true;
  for (const operation of operations.values()) operation.kill();
  readLedger();
  void releasing.then(() => release('The daemon died.', null)).then(() => process.exit(0));
}

/** Looks when the last heartbeat is as old as is allowed: a daemon that beats costs one look in that time. */
function watchPulse(order: PulseOrder): void {
  const heart = new Heart(order.fd);
  ledger = new Ledger(order.fd);
  let doubted = false;
  const lookAt = (dueMs: number): void => {
    setTimeout(() => look(dueMs), Math.max(1, dueMs - monotonicMs()));
  };
  const look = (dueMs: number): void => {
    const nowMs = monotonicMs();
    const verdict = judgePulse({ ...order, nowMs, dueMs, beatMs: heart.read().membershipMs, doubted });
    doubted = verdict.type === 'doubt';
    if (ending) return;
    if (verdict.type !== 'stopped') lookAt(verdict.nextMs);
    else if (inventory.size === 0 && ledger?.read() === '') lookAt(nowMs + order.boundMs);
    else seize(heart, order, verdict.silentMs);
  };
  lookAt(monotonicMs() + order.boundMs);
}

/**
 * The daemon is there and does not beat: what it holds is released as if it had died, so that the peers find it free. Should it go on, it
 * finds our note on the heart board, starts nothing more, and begins anew; until then we stay.
 */
function seize(heart: Heart, { deadtimeMs }: PulseOrder, silentMs: number): void {
  if (hello?.mode !== 'off') {
    seized = true;
    heart.seize();
    // Not before: what is noted from now on is not started any more.
    readLedger();
    for (const operation of operations.values()) operation.kill();
  }
  const graceMs = Math.max(0, (deadtimeMs - silentMs) / 2);
  releasing = release(
    `The daemon has not beaten for ${Math.round(silentMs)} ms: it is frozen, or gets no CPU.`,
    graceMs,
  );
  void releasing.then((stuck) => {
    if (hello?.mode !== 'off') say({ type: 'seized', silentMs, stuck });
  });
}

/** @param graceMs how long addresses wait for the services above them [ms]; null: as `hello` says. @returns the words of what could not be stopped */
async function release(why: string, graceMs: number | null): Promise<readonly string[]> {
  if (hello === null || inventory.size === 0) return [];
  const { mode, environment, stopTimeoutMs, addressGraceMs, rebootWhenStuck } = hello;
  const log = await openLogLine(hello);
  const words = inventory.list().map((resource) => resource.word);
  if (mode === 'off') {
    log('CRIT', `${why} Resources keep running: ${words.join(' ')}`);
    return [];
  }
  log('CRIT', `${why} Releasing what it held: ${words.join(' ')}`);
  if (mode === 'reboot' && (await forceReboot())) return words;
  const stuck = await releaseHeld(inventory.releaseOrder(), {
    stopScript: async ({ path, args, environment: own }) =>
      await startOperation(path, args, { ...environment, ...own }, stopTimeoutMs).result,
    stopAddress: async ({ script, args }) => {
      const agents = await addressAgents();
      return agents(script).stop(args);
    },
    stopped: (resource) => inventory.drop(resource.id),
    log,
    addressGraceMs: Math.min(addressGraceMs, graceMs ?? addressGraceMs),
  });
  log(
    stuck.length === 0 ? 'info' : 'CRIT',
    stuck.length === 0 ? 'All HA resources relinquished.' : `Not released: ${stuck.join(' ')}`,
  );
  // The other node takes over what still runs here.
  if (stuck.length > 0 && rebootWhenStuck) await forceReboot();
  return stuck;
}

/** @returns true when the machine is about to go down; the daemon is told when it is not */
async function forceReboot(): Promise<boolean> {
  if (hello === null) return false;
  const log = await openLogLine(hello);
  log('CRIT', 'Rebooting this machine.');
  if (await reboot(hello.rebootCommands, hello.environment)) return true;
  log('CRIT', 'Unable to force reboot.');
  say({ type: 'reboot-failed' });
  return false;
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The log is loaded only now; without it (a full or read-only disk) the release goes on silently. */
async function openLogLine(greeting: Hello): Promise<LogLine> {
  if (greeting.log === null) return () => undefined;
  try {
    const { openLog } = await import('../../runtime/log.ts');
    const { openSyslog } = await import('../../runtime/sys/syslog.ts');
    const log = openLog({ ...greeting.log, ident: 'guardian' }, openSyslog);
    return (severity, text) => log.write(severity, text);
  } catch {
    return () => undefined;
  }
}

async function addressAgents(): Promise<
  (script: AddressScript) => { stop(args: readonly string[]): import('../../plugins/agents/agent.ts').AgentResult }
> {
  const [{ AddressAgent }, { Address6Agent }] = await Promise.all([
    import('../../plugins/agents/ipaddr.ts'),
    import('../../plugins/agents/ipv6addr.ts'),
  ]);
  return (script) => (script === 'IPv6addr' ? new Address6Agent() : new AddressAgent({ script }));
}

/** @returns true when a command was started: the machine is about to go down */
async function reboot(
  commands: readonly (readonly string[])[],
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  for (const [path, ...args] of commands) {
    if (path === undefined) continue;
    const started = await new Promise<boolean>((resolve) => {
      const child = spawn(path, args, { detached: true, stdio: 'ignore', env: environment });
      child.once('error', () => resolve(false));
      child.once('exit', (code) => resolve(code === 0));
    });
    if (started) return true;
  }
  return false;
}
