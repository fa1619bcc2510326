/**
 * The environment of resource scripts, as the original daemon gives it to everything it runs (configuration.md section 1).
 */
import type { Settings } from '../../conf/settings.ts';

/** Variables of our own runtime: a script that starts a Node program must not get them. */
const own = new Set([
  'NODE_COMPILE_CACHE',
  'NODE_OPTIONS',
  'NODE_CHANNEL_FD',
  'NODE_UNIQUE_ID',
  'NOTIFY_SOCKET',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
]);

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * @param inherited the daemon's own environment
 * @returns all of it without the variables of our runtime, and the `HA_…` variables
 */
export function scriptEnvironment(
  settings: Pick<Settings, 'configDir' | 'self' | 'log' | 'recorded' | 'env'>,
  inherited: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const environment: Record<string, string> = { PATH: defaultPath };
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined && !own.has(name)) environment[name] = value;
  }
  for (const [directive, value] of Object.entries(settings.recorded)) environment[`HA_${directive}`] = value;
  const { log } = settings;
  Object.assign(environment, {
    HA_DIR: `${settings.configDir}/`,
    HA_FUNCS: `${settings.configDir}//shellfuncs`,
    HA_DATEFMT: '%Y/%m/%d_%T\t',
    HA_CURHOST: settings.self,
    HA_LOGFILE: log.logFile ?? '',
    HA_DEBUGLOG: log.debugFile ?? '',
    HA_debug: String(log.debug),
    HA_LOGD: log.useLogd ? 'yes' : 'no',
    OCF_ROOT: '/usr/lib/ocf',
  });
  if (log.facility !== null) environment.HA_LOGFACILITY = log.facility;
  for (const [name, value] of Object.entries(settings.env)) environment[`HA_${name}`] = value;
  return environment;
}
