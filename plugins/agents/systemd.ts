/**
 * The word for a systemd unit in haresources: `systemd:UNIT`, where UNIT without a suffix is a service. Pure.
 *
 * The unit must not be enabled: at boot only the cluster decides where it runs.
 */

/** Where sd_booted(3) looks: systemd runs this machine when the directory is there. */
export const systemdMark = '/run/systemd/system';

/** Where `systemctl` may be. */
export const systemctlPaths = ['/usr/bin/systemctl', '/bin/systemctl'] as const;

const suffixes = /\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;

/** Whether a script name is of this form (well written or not). */
export function isSystemd(script: string): boolean {
  return /^systemd:/i.test(script);
}

/** The unit's full name; null when it cannot be one. A name of systemd is at most 255 characters of ASCII letters, digits and `:-_.\@`. */
export function parseUnit(script: string): string | null {
  const name = script.slice('systemd:'.length);
  if (!/^[\w:.\\@][\w:.\\@-]*$/.test(name)) return null;
  const unit = suffixes.test(name) ? name : `${name}.service`;
  return unit.length <= 255 ? unit : null;
}
