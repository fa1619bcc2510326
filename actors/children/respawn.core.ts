/**
 * The programs that a node keeps running (`respawn`, `failfast`): when each is started again, when it is given up, and how all are stopped.
 *
 * Pure. The rules are Heartbeat's (client-api.md 6):
 *
 * - A program that ends is started again, also after exit code 0; after exit code 100 it stays down.
 * - A life shorter than 30 s raises a counter, a longer one clears it. Above 10 the program is given up until the daemon starts anew. The next
 *   start after a short life comes a second later.
 * - `failfast`: a death by a signal or with a code other than 0 reboots the machine.
 * - At the end the programs are stopped one at a time, the last of ha.cf first.
 *
 * Unlike there, a program that does not end within {@link stopPatienceMs} of its SIGTERM is killed: else one program keeps the node from leaving.
 */
import type { RespawnSpec, Settings } from '../../conf/settings.ts';
import type { Severity } from '../../runtime/log.ts';
import { assertNever } from '../../runtime/units.ts';

const shortLifeMs = 30_000;
const maxShortLives = 10;
const pauseMs = 1_000;
const stopPatienceMs = 30_000;
/** The program's word that it must not be started again. */
const noRespawnCode = 100;

/** Where a program is in its life. Instants are monotonic [ms]. */
type ProgramStatus =
  | { readonly type: 'idle' }
  /** Asked for, not running yet. */
  | { readonly type: 'starting'; readonly sinceMs: number }
  | { readonly type: 'running'; readonly pid: number; readonly sinceMs: number }
  | { readonly type: 'waiting'; readonly untilMs: number }
  | { readonly type: 'stopping'; readonly pid: number; readonly killAtMs: number }
  /** Not started again. */
  | { readonly type: 'down'; readonly why: 'exit-100' | 'too-fast' | 'stopped' };

interface Program {
  readonly id: number;
  readonly spec: ProgramLine;
  status: ProgramStatus;
  shortLives: number;
  restarts: number;
  lastExit: string | null;
}

/** A line that needs a process. */
export type ProgramLine = Pick<RespawnSpec, 'command' | 'failfast'> & {
  readonly account: NonNullable<RespawnSpec['account']>;
};

/** The lines that need a process: not those that a plugin of our own stands for. */
export function programsOf({ respawn }: Pick<Settings, 'respawn'>): readonly ProgramLine[] {
  return respawn.flatMap(({ account, builtIn, command, failfast }) =>
    builtIn === null && account !== null ? [{ account, command, failfast }] : [],
  );
}

export interface RespawnState {
  readonly programs: readonly Program[];
  phase: 'waiting' | 'running' | 'stopping' | 'stopped';
}

export type RespawnInput =
  /** Communication is up. */
  | { readonly type: 'start' }
  | { readonly type: 'started'; readonly id: number; readonly pid: number }
  | { readonly type: 'not-started'; readonly id: number; readonly reason: string }
  | {
      readonly type: 'ended';
      readonly id: number;
      readonly pid: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
    }
  | { readonly type: 'timer' }
  | { readonly type: 'stop' };

export type RespawnEffect =
  | { readonly type: 'run'; readonly id: number }
  | { readonly type: 'signal'; readonly id: number; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** A process that may be a client has ended. */
  | { readonly type: 'process-ended'; readonly pid: number }
  | { readonly type: 'reboot'; readonly reason: string }
  /** All are down. */
  | { readonly type: 'stopped' }
  | { readonly type: 'log'; readonly severity: Severity; readonly text: string };

/** @param lines in the order of ha.cf, without those that our own plugins stand for; their index is their id */
export function createRespawn(lines: readonly ProgramLine[]): RespawnState {
  return {
    programs: lines.map((spec, id) => ({
      id,
      spec,
      status: { type: 'idle' },
      shortLives: 0,
      restarts: 0,
      lastExit: null,
    })),
    phase: 'waiting',
  };
}

/** When to feed `timer` [monotonic ms]; null: nothing is due. */
export function nextDeadlineMs(state: RespawnState): number | null {
  const dues = state.programs.flatMap(({ status }) => {
    if (status.type === 'stopping') return [status.killAtMs];
    // Once the end has begun, nobody waits for a new start any more.
    return status.type === 'waiting' && state.phase === 'running' ? [status.untilMs] : [];
  });
  return dues.length === 0 ? null : Math.min(...dues);
}

/** Takes one input; the state is changed in place, the effects are to be carried out in order. */
export function step(state: RespawnState, input: RespawnInput, nowMs: number): RespawnEffect[] {
  const out: RespawnEffect[] = [];
  switch (input.type) {
    case 'start':
      if (state.phase !== 'waiting') break;
      state.phase = 'running';
      for (const program of state.programs) start(program, nowMs, out);
      break;
    case 'started': {
      const program = state.programs[input.id];
      if (program === undefined) break;
      const { uid, gid } = program.spec.account;
      log(out, 'info', `Starting "${program.spec.command}" as uid ${uid}  gid ${gid} (pid ${input.pid})`);
      program.status = { type: 'running', pid: input.pid, sinceMs: nowMs };
      // Asked to stop while it was on its way.
      if (state.phase === 'stopping') stopNext(state, nowMs, out);
      break;
    }
    case 'not-started': {
      const program = state.programs[input.id];
      if (program?.status.type !== 'starting') break;
      log(out, 'ERROR', `Client child "${program.spec.command}" cannot be started: ${input.reason}`);
      program.lastExit = input.reason;
      afterDeath(state, program, 0, false, nowMs, out);
      break;
    }
    case 'ended': {
      const program = state.programs[input.id];
      // Each death once, whoever tells it.
      if (program !== undefined && 'pid' in program.status && program.status.pid === input.pid)
        onEnded(state, program, input, nowMs, out);
      break;
    }
    case 'timer':
      onTimer(state, nowMs, out);
      break;
    case 'stop':
      if (state.phase === 'stopping' || state.phase === 'stopped') break;
      state.phase = 'stopping';
      stopNext(state, nowMs, out);
      break;
    default:
      assertNever(input);
  }
  return out;
}

/** A program as `systole status` shows it. */
export interface ProgramView {
  readonly command: string;
  readonly status: 'running' | 'starting' | 'waiting' | 'stopping' | 'down';
  readonly pid: number | null;
  /** Of this life [ms]. */
  readonly uptimeMs: number | null;
  /** Since the daemon's start. */
  readonly restarts: number;
  /** `exit code 3`, `signal SIGKILL`; null when it never ended. */
  readonly lastExit: string | null;
}

export function viewRespawn(state: RespawnState, nowMs: number): readonly ProgramView[] {
  return state.programs.map(({ spec, status, restarts, lastExit }) => ({
    command: spec.command,
    status: status.type === 'idle' ? 'waiting' : status.type,
    pid: status.type === 'running' || status.type === 'stopping' ? status.pid : null,
    uptimeMs: status.type === 'running' ? nowMs - status.sinceMs : null,
    restarts,
    lastExit,
  }));
}

function log(out: RespawnEffect[], severity: Severity, text: string): void {
  out.push({ type: 'log', severity, text });
}

function start(program: Program, nowMs: number, out: RespawnEffect[]): void {
  const { command, account } = program.spec;
  log(out, 'info', `Starting child client "${command}" (${account.uid},${account.gid})`);
  program.status = { type: 'starting', sinceMs: nowMs };
  out.push({ type: 'run', id: program.id });
}

function onEnded(
  state: RespawnState,
  program: Program,
  { pid, exitCode, signal }: Extract<RespawnInput, { type: 'ended' }>,
  nowMs: number,
  out: RespawnEffect[],
): void {
  const { command, failfast } = program.spec;
  if (signal !== null) log(out, 'WARN', `Managed ${command} process ${pid} killed by ${describeSignal(signal)}.`);
  else
    log(
      out,
      exitCode === 0 ? 'info' : 'WARN',
      `Managed ${command} process ${pid} exited with return code ${exitCode ?? 0}.`,
    );
  program.lastExit = signal === null ? `exit code ${exitCode ?? 0}` : `signal ${signal}`;
  out.push({ type: 'process-ended', pid });
  const leaving = state.phase === 'stopping' || state.phase === 'stopped';
  if (failfast && (signal !== null ? !leaving || program.status.type !== 'stopping' : exitCode !== 0 && !leaving)) {
    log(out, 'EMERG', `Rebooting system.  Reason: ${command}`);
    program.status = { type: 'down', why: 'stopped' };
    out.push({ type: 'reboot', reason: command });
    return;
  }
  const livedMs = program.status.type === 'running' ? nowMs - program.status.sinceMs : 0;
  afterDeath(state, program, livedMs, exitCode === noRespawnCode, nowMs, out);
}

function afterDeath(
  state: RespawnState,
  program: Program,
  livedMs: number,
  forGood: boolean,
  nowMs: number,
  out: RespawnEffect[],
): void {
  const { command } = program.spec;
  if (state.phase === 'stopping') {
    program.status = { type: 'down', why: 'stopped' };
    stopNext(state, nowMs, out);
    return;
  }
  if (forGood) {
    program.status = { type: 'down', why: 'exit-100' };
    return;
  }
  const short = livedMs < shortLifeMs;
  program.shortLives = short ? program.shortLives + 1 : 0;
  if (program.shortLives > maxShortLives) {
    log(out, 'ERROR', `Client ${command} "respawning too fast"`);
    program.shortLives = 0;
    program.status = { type: 'down', why: 'too-fast' };
    return;
  }
  log(out, 'ERROR', `Respawning client "${command}":`);
  program.restarts += 1;
  if (short) program.status = { type: 'waiting', untilMs: nowMs + pauseMs };
  else start(program, nowMs, out);
}

function onTimer(state: RespawnState, nowMs: number, out: RespawnEffect[]): void {
  for (const program of state.programs) {
    const { status } = program;
    if (status.type === 'waiting' && status.untilMs <= nowMs && state.phase === 'running') start(program, nowMs, out);
    if (status.type === 'stopping' && status.killAtMs <= nowMs) {
      log(
        out,
        'WARN',
        `${program.spec.command} process group ${status.pid} has not ended within ${stopPatienceMs / 1_000} s: killing it with signal 9`,
      );
      program.status = { ...status, killAtMs: nowMs + stopPatienceMs };
      out.push({ type: 'signal', id: program.id, signal: 'SIGKILL' });
    }
  }
}

/** Stops the last one that is not down; when there is none, all is done. */
function stopNext(state: RespawnState, nowMs: number, out: RespawnEffect[]): void {
  for (const program of state.programs.toReversed()) {
    const { status, spec } = program;
    switch (status.type) {
      case 'down':
        if (status.why !== 'stopped') log(out, 'info', `client [${spec.command}] is not running.`);
        program.status = { type: 'down', why: 'stopped' };
        break;
      case 'idle':
      case 'waiting':
        log(out, 'info', `client [${spec.command}] is not running.`);
        program.status = { type: 'down', why: 'stopped' };
        break;
      case 'running':
        log(out, 'info', `killing ${spec.command} process group ${status.pid} with signal 15`);
        program.status = { type: 'stopping', pid: status.pid, killAtMs: nowMs + stopPatienceMs };
        out.push({ type: 'signal', id: program.id, signal: 'SIGTERM' });
        return;
      case 'starting':
      case 'stopping':
        return;
      default:
        assertNever(status);
    }
  }
  if (state.phase === 'stopped') return;
  state.phase = 'stopped';
  out.push({ type: 'stopped' });
}

/** Signals as the original's C library prints them. */
const signalTexts: Readonly<Record<string, readonly [number: number, text: string]>> = {
  SIGHUP: [1, 'Hangup'],
  SIGINT: [2, 'Interrupt (ANSI)'],
  SIGQUIT: [3, 'Quit'],
  SIGILL: [4, 'Illegal instruction'],
  SIGABRT: [6, 'Abort'],
  SIGBUS: [7, 'BUS error'],
  SIGFPE: [8, 'Floating-point exception'],
  SIGKILL: [9, 'Kill, unblockable'],
  SIGUSR1: [10, 'User-defined signal 1'],
  SIGSEGV: [11, 'Segmentation violation'],
  SIGUSR2: [12, 'User-defined signal 2'],
  SIGPIPE: [13, 'Broken pipe (POSIX)'],
  SIGALRM: [14, 'Alarm clock (POSIX)'],
  SIGTERM: [15, 'Termination (ANSI)'],
};

function describeSignal(name: string): string {
  const known = signalTexts[name];
  return known === undefined ? `signal ${name}` : `signal ${known[0]} [${name} - ${known[1]}]`;
}
