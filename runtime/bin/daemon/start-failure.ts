/** A start that cannot go on: what the operator sees, and the exit code. */
import type { ExitCode } from '../exit-codes.ts';
import { exitCode } from '../exit-codes.ts';

export class StartFailure extends Error {
  readonly exitCode: ExitCode;
  constructor(code: ExitCode, message: string) {
    super(message);
    this.exitCode = code;
  }
}

/** The failure behind an error of the file system in one of the daemon's own directories. @param option `--state-dir` or `--run-dir` */
export function directoryFailure(option: string, dir: string, error: unknown): StartFailure {
  if (error instanceof StartFailure) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : dir;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new StartFailure(
        exitCode.permission,
        `${option} ${dir} is not writable for this user (${path}): start as root, or give another ${option}`,
      );
    case 'EROFS':
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir} is on a read-only file system: mount it for writing, or give another ${option}`,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir}: the disk is full (${code}): make room and start again; the node cannot run without what it stores there`,
      );
    case 'EEXIST':
    case 'ENOTDIR':
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir} is not a directory: remove what is there, or give another ${option}`,
      );
    default:
      return new StartFailure(
        exitCode.directory,
        `${option} ${dir} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      );
  }
}
