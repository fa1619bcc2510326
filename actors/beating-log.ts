/** The log of an actor that beats: its lines wait for no disk, and its last ones are written when it ends, however it does. */
import type { ActorContext } from '../runtime/actor.ts';
import { type Log, type LogTarget, openPatientLog } from '../runtime/log.ts';
import type { Protocol } from '../runtime/protocol.ts';
import { openSyslog } from '../runtime/sys/syslog.ts';

export function openBeatingLog<P extends Protocol, S>(ctx: Pick<ActorContext<P, S>, 'onExit'>, target: LogTarget): Log {
  const log = openPatientLog(target, openSyslog);
  ctx.onExit(() => log.flush());
  return log;
}
