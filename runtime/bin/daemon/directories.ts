/** The daemon's own directories: made when missing, proven to be writable before anything is started. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adminSocketPath, type Directories, socketPathProblem } from '../directories.ts';
import { exitCode } from '../exit-codes.ts';
import { directoryFailure, StartFailure } from './start-failure.ts';

/** Throws StartFailure when the state or the run directory cannot be used. */
export function useDirectories({ stateDir, runDir }: Directories): void {
  const problem = socketPathProblem(adminSocketPath(runDir));
  if (problem !== null) throw new StartFailure(exitCode.directory, `--run-dir ${problem}`);
  useDirectory('--state-dir', stateDir, 0o755);
  useDirectory('--run-dir', runDir, 0o750);
}

function useDirectory(option: string, dir: string, mode: number): void {
  const probe = join(dir, `.systole-${process.pid}`);
  try {
    mkdirSync(dir, { recursive: true, mode });
    if (!statSync(dir).isDirectory()) throw Object.assign(new Error(dir), { code: 'ENOTDIR' });
    // Writing is the only proof: root may write where the mode says no, and a full disk has a fine mode.
    try {
      writeFileSync(probe, 'x');
    } finally {
      rmSync(probe, { force: true });
    }
  } catch (error) {
    throw directoryFailure(option, dir, error);
  }
}
