/**
 * The watchdog on its own thread: kicks the device of the directive `watchdog` while the node's heart provably beats (watchdog.core.ts).
 *
 * The device is opened when the node runs and has beaten for the first time, and let go with `V` only when everything is released for a graceful
 * stop. Whatever else ends or freezes the daemon (a crash, an emergency shutdown, SIGKILL for daemon and guardian together) leaves it
 * counting: the machine restarts when its timeout is over. A resource that could not be stopped leaves it counting too.
 *
 * A device that is missing or busy does not keep the node from starting, as in the original; it is tried again every minute.
 */
import type { Settings } from '../conf/settings.ts';
import { type ActorContext, defineActor } from '../runtime/actor.ts';
import type { Log, LogTarget } from '../runtime/log.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { setRealtime } from '../runtime/sys/realtime.ts';
import { assertNever, type Ms, ms } from '../runtime/units.ts';
import { openBeatingLog } from './beating-log.ts';
import { Heart, type HeartFd } from './heart.ts';
import { lookMs, noProofs, type Proofs, timeoutS, watchdogStep } from './watchdog.core.ts';
import { openWatchdog, type WatchdogDevice, type WatchdogInfo } from './watchdog-device.ts';

export interface WatchdogProtocol extends Protocol {
  readonly init: {
    readonly settings: Pick<Settings, 'keepaliveMs' | 'deadtimeMs'>;
    /** Path of the device. */
    readonly path: string;
    readonly heart: HeartFd;
    readonly realtimePriority: number | null;
    readonly log: LogTarget;
  };
  readonly cast: never;
  readonly call: { describe(): WatchdogView };
  readonly emit: never;
}

/** What `systole status` shows of it. */
export interface WatchdogView {
  readonly device: string;
  /** `waiting`: for the first heartbeat. `failed`: the machine is not protected, `problem` says why. */
  readonly status: 'waiting' | 'armed' | 'failed' | 'disarmed';
  readonly problem: string | null;
  readonly identity: string | null;
  readonly timeoutS: number | null;
  readonly kicks: number;
  /** Since the last kick [ms]. */
  readonly ageMs: number | null;
}

interface State {
  readonly init: WatchdogProtocol['init'];
  readonly heart: Heart;
  readonly log: Log;
  device: WatchdogDevice | null;
  info: WatchdogInfo | null;
  status: WatchdogView['status'];
  problem: string | null;
  used: Proofs;
  kicks: number;
  kickedMs: Ms | null;
  /** Not before this is a device tried again that could not be opened. */
  openMs: number;
}

type Context = ActorContext<WatchdogProtocol, State>;

/** A driver may be loaded later, or another program may let the device go [ms]. */
const reopenMs = 60_000;

export default defineActor<WatchdogProtocol, State>({
  start(ctx, init) {
    const log = openBeatingLog(ctx, init.log);
    const realtime = init.realtimePriority === null ? null : setRealtime(init.realtimePriority);
    if (realtime !== null && !realtime.granted)
      log.write('WARN', `watchdog: no real-time scheduling: ${realtime.reason}`);
    const state: State = {
      init,
      heart: new Heart(init.heart),
      log,
      device: null,
      info: null,
      status: 'waiting',
      problem: null,
      used: noProofs,
      kicks: 0,
      kickedMs: null,
      openMs: Number.NEGATIVE_INFINITY,
    };
    look(ctx, state);
    return state;
  },

  calls: {
    describe: (ctx, state) => ({
      device: state.init.path,
      status: state.status,
      problem: state.problem,
      identity: state.info?.identity ?? null,
      timeoutS: state.info?.timeoutS ?? null,
      kicks: state.kicks,
      ageMs: state.kickedMs === null ? null : ctx.clock.now() - state.kickedMs,
    }),
  },

  stop(ctx, state) {
    // The last look: the MCP may have said `released` a moment ago.
    act(ctx, state);
    if (state.status === 'armed' || (state.status === 'failed' && state.device !== null))
      state.log.write(
        'CRIT',
        `Watchdog device ${state.init.path} stays armed, since not everything is released: the machine restarts${state.info?.timeoutS === null || state.info === null ? '' : ` within ${state.info.timeoutS} s`}.`,
      );
    state.log.close();
  },
});

function look(ctx: Context, state: State): void {
  act(ctx, state);
  ctx.after(lookMs(state.init.settings.keepaliveMs), (current) => look(ctx, current));
}

function act(ctx: Context, state: State): void {
  if (state.status === 'disarmed') return;
  const next = watchdogStep(state.heart.read(), state.used);
  switch (next.type) {
    case 'wait':
      return;
    case 'disarm':
      disarm(state);
      return;
    case 'kick':
      state.used = next.proofs;
      kick(state, ctx.clock.now());
      return;
    default:
      assertNever(next);
  }
}

function kick(state: State, nowMs: Ms): void {
  if (state.device === null && nowMs >= state.openMs) open(state, nowMs);
  if (state.device === null) return;
  const errno = state.device.kick();
  if (errno === null) {
    state.kicks += 1;
    state.kickedMs = nowMs;
    if (state.status === 'failed') state.log.write('info', `Watchdog device ${state.init.path} takes kicks again.`);
    state.status = 'armed';
    state.problem = null;
    return;
  }
  fail(state, `it does not take a kick (${errno}): the machine may restart although this node is well`);
}

function open(state: State, nowMs: Ms): void {
  const { path, settings } = state.init;
  const wantedS = timeoutS(settings.deadtimeMs);
  const opened = openWatchdog(path, wantedS);
  if (!opened.ok) {
    state.openMs = ms(nowMs + reopenMs);
    fail(state, `Cannot open watchdog device: ${path}: ${adviceFor(opened.errno)}`);
    return;
  }
  const { info } = opened;
  state.device = opened.device;
  state.info = info;
  state.log.write('notice', `Using watchdog device: ${path}${info.identity === null ? '' : ` (${info.identity})`}`);
  if (info.refused !== null)
    state.log.write('ERROR', `WDIOC_SETTIMEOUT: Failed to set watchdog timer to ${wantedS} seconds.: ${info.refused}`);
  if (info.staysArmed === false)
    state.log.write(
      'WARN',
      `Watchdog device ${path} stops when it is closed (no magic close): it does not protect against a daemon that is killed.`,
    );
}

function disarm(state: State): void {
  state.status = 'disarmed';
  if (state.device === null) return;
  const errno = state.device.disarm();
  state.device = null;
  if (errno !== null)
    state.log.write(
      'CRIT',
      `Watchdog device ${state.init.path} cannot be disarmed (${errno}): the machine may restart.`,
    );
}

/** Said once for each reason. */
function fail(state: State, problem: string): void {
  if (state.problem !== problem)
    state.log.write('ERROR', state.device === null ? problem : `Watchdog device ${state.init.path}: ${problem}`);
  state.status = 'failed';
  state.problem = problem;
}

function adviceFor(errno: string): string {
  switch (errno) {
    case 'EBUSY':
      return 'EBUSY: another program has it (systemd with RuntimeWatchdogSec, the package watchdog): only one can';
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return `${errno}: no watchdog driver is loaded (softdog is one for any machine), or the name is wrong`;
    case 'EACCES':
    case 'EPERM':
      return `${errno}: this user may not open it`;
    default:
      return errno;
  }
}
