/**
 * The node's programs on their thread: `respawn` and `failfast` lines, kept running by the rules of `children/respawn.core.ts`, started by the
 * companion process.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../conf/settings.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import type { Timer } from '../runtime/clock.ts';
import { ActorError } from '../runtime/errors.ts';
import { type Log, type LogTarget, openLog } from '../runtime/log.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { openSyslog } from '../runtime/sys/syslog.ts';
import { assertNever, ms } from '../runtime/units.ts';
import type { ApiCast } from './api.ts';
import { Companion } from './children/companion.ts';
import type { FromCompanion } from './children/protocol.ts';
import {
  createRespawn,
  nextDeadlineMs,
  type ProgramLine,
  type ProgramView,
  programsOf,
  type RespawnEffect,
  type RespawnInput,
  type RespawnState,
  step,
  viewRespawn,
} from './children/respawn.core.ts';
import { killGroup } from './guardian/operation.ts';
import { scriptEnvironment } from './resources/environment.ts';

export interface ChildrenProtocol extends Protocol {
  readonly init: {
    readonly settings: Settings;
    readonly stateDir: string;
    readonly log: LogTarget;
  };
  readonly cast: /** From api: communication is up and the client socket is open. */
    | { readonly type: 'start' }
    /** From the MCP: the resources are released, now the programs; then `stopped` is emitted. */
    | { readonly type: 'stop' };
  readonly call: { describe(): readonly ProgramView[] };
  readonly emit: { readonly type: 'stopped' };
}

interface ShellState {
  readonly core: RespawnState;
  readonly programs: readonly ProgramLine[];
  readonly companion: Companion;
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly keepaliveMs: number;
  readonly log: Log;
  timer: Timer | null;
}

type Context = ActorContext<ChildrenProtocol, ShellState>;

/** Tried when the kernel refuses to restart the machine. */
const rebootCommands = [['/sbin/reboot', '-nf']] as const;

export default defineActor<ChildrenProtocol, ShellState>({
  async start(ctx, { settings, stateDir, log: target }) {
    const companion = new Companion({
      onMessage: (message) => ctx.enqueue((state) => onMessage(ctx, state, message)),
      onExit: (how) => ctx.enqueue((state) => replaceCompanion(ctx, state, how)),
    });
    await companion.start();
    const programs = programsOf(settings);
    const coreDirectory = join(stateDir, 'cores', 'root');
    return {
      core: createRespawn(programs),
      programs,
      companion,
      environment: {
        ...scriptEnvironment(settings, process.env),
        HA_COMPRESSION: settings.compression.module,
      },
      cwd: existsSync(coreDirectory) ? coreDirectory : '/',
      keepaliveMs: settings.keepaliveMs,
      log: openLog(target, openSyslog),
      timer: null,
    };
  },

  onCast: (ctx, state, message) => run(ctx, state, message),

  calls: { describe: (ctx, state) => viewRespawn(state.core, ctx.clock.now()) },

  async stop(_ctx, state) {
    state.timer?.cancel();
    await state.companion.bye();
    state.log.close();
  },
});

function onMessage(ctx: Context, state: ShellState, message: Exclude<FromCompanion, { type: 'ready' }>): void {
  if (message.type === 'reboot-failed') {
    state.log.write('EMERG', `ALL REBOOT OPTIONS FAILED: ${message.reason}`);
    // Nothing is right here any more: the node ends, and the other one takes over.
    ctx.fail(
      new ActorError('HB_ACTOR_FAILED', `this machine cannot be rebooted: ${message.reason}`, { actor: ctx.id }),
    );
    return;
  }
  run(ctx, state, message);
}

/** What it had started has nobody any more who would see it end: it is ended here, and started again by the new one. */
async function replaceCompanion(ctx: Context, state: ShellState, how: string): Promise<void> {
  const views = viewRespawn(state.core, ctx.clock.now());
  const left = views.flatMap(({ pid }, id) => (pid === null ? [] : [{ id, pid }]));
  const begun = views.flatMap(({ status }, id) => (status === 'starting' ? [id] : []));
  state.log.write('WARN', `The companion process died (${how}). Starting a new one, and its programs again.`);
  for (const { pid } of left) killGroup(pid, 'SIGKILL');
  await state.companion.start();
  // With 0, so that no failfast line takes it for its program's failure.
  for (const { id, pid } of left) run(ctx, state, { type: 'ended', id, pid, exitCode: 0, signal: null });
  for (const id of begun) run(ctx, state, { type: 'not-started', id, reason: 'the companion process died' });
}

function run(ctx: Context, state: ShellState, input: RespawnInput): void {
  for (const effect of step(state.core, input, ctx.clock.now())) perform(ctx, state, effect);
  state.timer?.cancel();
  const dueMs = nextDeadlineMs(state.core);
  state.timer = dueMs === null ? null : ctx.at(ms(dueMs), (current) => run(ctx, current, { type: 'timer' }));
}

function perform(ctx: Context, state: ShellState, effect: RespawnEffect): void {
  const { companion, environment, cwd } = state;
  switch (effect.type) {
    case 'run': {
      const program = state.programs[effect.id];
      if (program === undefined) return;
      const { command, account } = program;
      companion.say({ type: 'start', program: { id: effect.id, command, ...account, cwd, environment } });
      return;
    }
    case 'signal':
      companion.say(effect);
      return;
    case 'process-ended':
      for (const api of ctx.refs<ApiCast>('api')) api.cast({ type: 'process-ended', pid: effect.pid });
      return;
    case 'reboot':
      companion.say({ type: 'reboot', delayMs: state.keepaliveMs, commands: rebootCommands });
      return;
    case 'stopped':
      ctx.emit({ type: 'stopped' });
      return;
    case 'log':
      state.log.write(effect.severity, effect.text);
      return;
    default:
      assertNever(effect);
  }
}
