/**
 * Exit codes of `systole`: the original's where it has one (0, 1, 2, 4, 6, 100), the LSB's 3 for "not running", our own for the rest.
 * README.md lists them for operators.
 */
export const exitCode = {
  ok: 0,
  /** Anything else; for `check`: errors were found. */
  general: 1,
  /** The command line is wrong. */
  usage: 2,
  /** `status`, `stop`, `reload`: no daemon runs. */
  notRunning: 3,
  /** Not root, or a directory is not ours to write. */
  permission: 4,
  /** The state or run directory cannot be used: missing, full, no directory. */
  directory: 5,
  /** Every error in ha.cf, haresources or authkeys. */
  notConfigured: 6,
  /** A daemon runs already on this state directory. */
  alreadyRunning: 7,
  /** A medium could not be opened: its port is in use, its device went away. */
  medium: 8,
  /** The daemon ended by an emergency shutdown. */
  emergency: 100,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
